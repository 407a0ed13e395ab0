// SPDX-License-Identifier: GPL-2.0-or-later
#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "manager.h"
#include "worker-protocol.h"

/* In the new process: become nobody in particular, keep one descriptor, and go. */
static void become_zygote(const struct manager *m, int fd)
{
	char *const argv[] = { (char *)m->options->provider, NULL };
	char *const no_environment[] = { NULL };
	sigset_t none;
	int null;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (fd == ENVELOPE_ZYGOTE_SOCKET_FD ? fcntl(fd, F_SETFD, 0) < 0
					    : dup2(fd, ENVELOPE_ZYGOTE_SOCKET_FD) < 0)
		_exit(126);
	close_range(ENVELOPE_ZYGOTE_SOCKET_FD + 1, ~0U, 0);
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || close(null))
		_exit(126);
	if (setgroups(0, NULL) || setresgid(m->gid, m->gid, m->gid) ||
	    setresuid(m->uid, m->uid, m->uid))
		_exit(126);
	execve(argv[0], argv, no_environment);
	_exit(127);
}

void zygote_stop(struct manager *m)
{
	if (m->zygote >= 0)
		close(m->zygote);
	m->zygote = -1;
}

static int on_death(sd_event_source *source, const siginfo_t *info, void *data)
{
	log_line(LOG_WARNING, &(struct log_fields) { .id = LOG_ID_WORKER },
		 "The zygote of workers ended (%s %d)",
		 info->si_code == CLD_EXITED ? "status" : "signal", info->si_status);
	return 0;
}

static int start(struct manager *m)
{
	int pair[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (pid == 0)
		become_zygote(m, pair[1]);
	r = pid < 0 ? -errno : sd_event_add_child(m->event, NULL, pid, WEXITED, on_death, m);
	close(pair[1]);
	if (r < 0)
		close(pair[0]);
	else
		m->zygote = pair[0];
	return r;
}

static int give(int zygote, const struct envelope_kek_config *config, int socket, int memory)
{
	struct envelope_worker_order order = { .protocol = ENVELOPE_WORKER_PROTOCOL,
					       .config = *config };
	const int fds[] = { socket, memory };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fds))] = {};
	struct iovec iov = { &order, sizeof(order) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(header), fds, sizeof(fds));
	return sendmsg(zygote, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int zygote_order(struct manager *m, const struct envelope_kek_config *config, int socket,
		 int memory)
{
	int r = m->zygote < 0 ? -EPIPE : give(m->zygote, config, socket, memory);

	if (r != -EPIPE)
		return r;
	/* There is none, or none any more */
	zygote_stop(m);
	r = start(m);
	return r < 0 ? r : give(m->zygote, config, socket, memory);
}
