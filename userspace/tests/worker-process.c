// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "../keyd/worker.h"
#include "file.h"
#include "worker-process.h"

static const char *program;

void worker_program(const char *path)
{
	program = path;
}

/* In the new process; the program may lie where only root can go, so it is opened before */
static void become_zygote(int socket)
{
	char *const argv[] = { (char *)program, NULL };
	int file = open(program, O_RDONLY | O_CLOEXEC);

	if (file >= 0)
		file = fcntl(file, F_DUPFD_CLOEXEC, 30);
	if (file < 0 || dup2(socket, ENVELOPE_ZYGOTE_SOCKET_FD) < 0)
		_exit(126);
	close_range(4, ~0U, CLOSE_RANGE_CLOEXEC);
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		_exit(126);
	fexecve(file, argv, environ);
	_exit(126);
}

static void make_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

pid_t zygote_start(int *socket)
{
	int pair[2];
	pid_t pid;

	make_pair(pair);
	pid = fork();
	if (pid == 0)
		become_zygote(pair[1]);
	close(pair[1]);
	*socket = pair[0];
	return pid;
}

ssize_t zygote_send_order(int zygote, const void *order, size_t size, const int *fds, size_t n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
	struct iovec iov = { (void *)order, size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
		*CMSG_FIRSTHDR(&message) =
			(struct cmsghdr) { .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(n * sizeof(int)) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fds, n * sizeof(int));
	}
	return sendmsg(zygote, &message, MSG_NOSIGNAL);
}

/* Whoever begins says so first, and the kernel says who it is */
static pid_t take_birth(int socket)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	uint32_t protocol;
	struct iovec iov = { &protocol, sizeof(protocol) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct ucred sender;

	assert_int_equal(recvmsg(socket, &message, 0), sizeof(protocol));
	assert_int_equal(protocol, ENVELOPE_WORKER_PROTOCOL);
	memcpy(&sender, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(sender));
	return sender.pid;
}

/* Return: the worker's end of the socket */
static int set_up_socket(struct worker_process *w)
{
	const struct timeval deadline = { .tv_sec = CALL_DEADLINE_S };
	const int yes = 1;
	int pair[2];

	make_pair(pair);
	w->socket = pair[0];
	assert_int_equal(setsockopt(w->socket, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)), 0);
	assert_int_equal(
		setsockopt(w->socket, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline)), 0);
	return pair[1];
}

/* Return: the descriptor for the worker */
static int set_up_memory(struct worker_process *w)
{
	int fd = memfd_create("cells", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, sizeof(*w->memory)), 0);
	w->memory = mmap(NULL, sizeof(*w->memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(w->memory != MAP_FAILED);
	return fd;
}

void worker_start(struct worker_process *w, const struct envelope_kek_config *config)
{
	struct envelope_worker_order order = { .protocol = ENVELOPE_WORKER_PROTOCOL,
					       .config = *config };
	const int fds[] = { set_up_socket(w), set_up_memory(w) };
	int zygote, status;
	pid_t pid = zygote_start(&zygote);

	assert_int_equal(zygote_send_order(zygote, &order, sizeof(order), fds, 2), sizeof(order));
	close(fds[0]);
	close(fds[1]);
	w->pid = take_birth(w->socket);
	/* Its worker is no child of the zygote's, which is done */
	close(zygote);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int end(struct worker_process *w)
{
	int status;

	close(w->socket);
	munmap(w->memory, sizeof(*w->memory));
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	return status;
}

int worker_stop(struct worker_process *w)
{
	int status = end(w);

	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void worker_kill(struct worker_process *w)
{
	kill(w->pid, SIGKILL);
	end(w);
}

struct envelope_worker_request worker_request(uint32_t op)
{
	return (struct envelope_worker_request) { .protocol = ENVELOPE_WORKER_PROTOCOL,
						  .op = op,
						  .id = REQUEST_ID };
}

struct envelope_worker_request worker_unwrap_request(const struct envelope_worker_reply *wrapped)
{
	struct envelope_worker_request r = worker_request(ENVELOPE_WORKER_UNWRAP);

	r.cell = 2;
	r.wrapped_size = wrapped->wrapped_size;
	memcpy(r.wrapped, wrapped->wrapped, sizeof(r.wrapped));
	memcpy(r.version, wrapped->version, sizeof(r.version));
	memcpy(r.algorithm, wrapped->algorithm, sizeof(r.algorithm));
	return r;
}

uint64_t worker_deadline(unsigned int ms)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + ms * 1000ULL;
}

void worker_send(struct worker_process *w, const struct envelope_worker_request *request)
{
	struct envelope_worker_request sent = *request;

	if (!sent.deadline)
		sent.deadline = worker_deadline(WORKER_CALL_DEADLINE_S * 1000);
	assert_int_equal(send(w->socket, &sent, sizeof(sent), MSG_NOSIGNAL), sizeof(sent));
}

struct envelope_worker_reply worker_receive(struct worker_process *w)
{
	struct envelope_worker_reply reply;
	ssize_t n = recv(w->socket, &reply, sizeof(reply), MSG_TRUNC);

	if (n < 0)
		fail_msg("no reply within %d s: %s", CALL_DEADLINE_S, strerror(errno));
	if (!worker_reply_valid(&reply, (size_t)n))
		fail_msg("a reply that envelope-keyd would not take, of %zd bytes", n);
	return reply;
}

struct envelope_worker_reply worker_ask(struct worker_process *w,
					const struct envelope_worker_request *request)
{
	struct envelope_worker_reply reply;

	worker_send(w, request);
	reply = worker_receive(w);
	assert_int_equal(reply.op, request->op);
	assert_int_equal(reply.id, REQUEST_ID);
	return reply;
}

struct envelope_worker_reply worker_ask_op(struct worker_process *w, uint32_t op)
{
	struct envelope_worker_request request = worker_request(op);

	return worker_ask(w, &request);
}

struct worker_use worker_measure(const struct worker_process *w)
{
	char path[64], link[64] = "";
	const struct dirent *entry;
	struct worker_use use = {};
	char *status;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)w->pid);
	fds = opendir(path);
	assert_non_null(fds);
	while ((entry = readdir(fds))) {
		if (*entry->d_name == '.' ||
		    readlinkat(dirfd(fds), entry->d_name, link, sizeof(link) - 1) < 0)
			continue;
		use.descriptors++;
		use.sockets += !strncmp(link, "socket:", 7);
	}
	closedir(fds);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)w->pid);
	assert_int_equal(envelope_file_read(path, 1 << 16, &status, NULL), 0);
	assert_int_equal(sscanf(strstr(status, "VmRSS:"), "VmRSS: %lu", &use.resident), 1);
	use.resident *= 1024;
	free(status);
	return use;
}
