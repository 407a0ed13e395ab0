// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes workers out of itself, by fork: all that they need was loaded when it began. Later
 * the disk that the program lies on may not answer, and a worker that died must come back.
 */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker.h"

/* The two descriptors that come with an order, in the order of the worker's own numbers */
enum { SOCKET, MEMORY, DESCRIPTORS };

static int take_descriptors(struct msghdr *message, int fds[static DESCRIPTORS])
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(DESCRIPTORS * sizeof(*fds)) ||
	    message->msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EPROTO;
	memcpy(fds, CMSG_DATA(header), DESCRIPTORS * sizeof(*fds));
	return 0;
}

/* Return: 1, 0 when the other side hung up, or -errno */
static int take_order(int socket, struct envelope_worker_order *order, int fds[static DESCRIPTORS])
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(DESCRIPTORS * sizeof(*fds))];
	struct iovec iov = { order, sizeof(*order) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;

	do {
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	if (n != sizeof(*order) || order->protocol != ENVELOPE_WORKER_PROTOCOL)
		return -EPROTO;
	return take_descriptors(&message, fds) ?: 1;
}

/*
 * A sibling, and no child: envelope-keyd waits for it itself. By the old call, whose flags a filter
 * can read: where none may make a namespace, as in the unit, systemd forbids the new one.
 */
static long fork_sibling(void)
{
	return syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}

/*
 * In the new process. The first message tells envelope-keyd, by the kernel's word, who it is. A
 * sanitizer would look at its signal stack before the end, which the sandbox does not allow.
 */
__attribute__((no_sanitize_address)) static void become_worker(
	const struct envelope_worker_order *order, const int fds[static DESCRIPTORS],
	int (*worker)(const struct envelope_kek_config *config))
{
	const uint32_t protocol = ENVELOPE_WORKER_PROTOCOL;
	char name[sizeof("kek:") + ENVELOPE_KEK_NAME_MAX]; /* of which the kernel keeps 15 */

	if (send(fds[SOCKET], &protocol, sizeof(protocol), MSG_NOSIGNAL) < 0)
		_exit(126);
	/* The zygote's own socket is the first of these numbers, so that both are higher */
	if (dup2(fds[SOCKET], ENVELOPE_WORKER_SOCKET_FD) < 0 ||
	    dup2(fds[MEMORY], ENVELOPE_WORKER_MEMORY_FD) < 0)
		_exit(126);
	close_range(ENVELOPE_WORKER_MEMORY_FD + 1, ~0U, 0);
	snprintf(name, sizeof(name), "kek:%s", order->config.name);
	prctl(PR_SET_NAME, name);
	_exit(worker(&order->config));
}

int zygote_run(int socket, int (*worker)(const struct envelope_kek_config *config))
{
	struct envelope_worker_order order;
	int fds[DESCRIPTORS], r;

	while ((r = take_order(socket, &order, fds)) > 0) {
		/* One that fails closes the worker's socket, which says it all */
		if (fork_sibling() == 0)
			become_worker(&order, fds, worker);
		close(fds[SOCKET]);
		close(fds[MEMORY]);
	}
	return r;
}
