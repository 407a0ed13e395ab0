// SPDX-License-Identifier: GPL-2.0-or-later
/* The real envelope-provider, over its socket and shared memory. */
#include "test.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "file.h"
#include "worker-protocol.h"

#define NOBODY 65534

static const char *program;
static char directory[64];

struct worker {
	pid_t pid;
	int socket;
	struct envelope_worker_memory *memory;
};

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

static pid_t start_zygote(int *socket)
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

/* @n: how many of the two descriptors come with it */
static ssize_t send_order(int zygote, const void *order, size_t size, const int *fds, size_t n)
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

static struct envelope_worker_order order_of(const char *kek)
{
	struct envelope_worker_order order = { .protocol = ENVELOPE_WORKER_PROTOCOL };

	envelope_kek_config_default(&order.config, kek);
	strcpy(order.config.provider, "service");
	snprintf(order.config.keystore, sizeof(order.config.keystore), "%s/keystore", directory);
	return order;
}

static void start(struct worker *w, const char *kek)
{
	struct envelope_worker_order order = order_of(kek);
	int pair[2], fds[2], zygote, status;
	const int yes = 1;
	pid_t pid = start_zygote(&zygote);

	make_pair(pair);
	fds[0] = pair[1];
	fds[1] = memfd_create("cells", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fds[1], sizeof(*w->memory)), 0);
	w->memory = mmap(NULL, sizeof(*w->memory), PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
	w->socket = pair[0];
	assert_int_equal(setsockopt(w->socket, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)), 0);
	assert_int_equal(send_order(zygote, &order, sizeof(order), fds, 2), sizeof(order));
	close(fds[0]);
	close(fds[1]);
	w->pid = take_birth(w->socket);
	/* Its worker is no child of the zygote's, which is done */
	close(zygote);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int stop(struct worker *w)
{
	int status;

	close(w->socket);
	munmap(w->memory, sizeof(*w->memory));
	waitpid(w->pid, &status, 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static struct envelope_worker_request request(uint32_t op)
{
	return (struct envelope_worker_request) { .protocol = ENVELOPE_WORKER_PROTOCOL,
						  .op = op,
						  .id = 4711 };
}

static struct envelope_worker_reply ask(struct worker *w, const struct envelope_worker_request *r)
{
	struct envelope_worker_reply reply;

	assert_int_equal(send(w->socket, r, sizeof(*r), MSG_NOSIGNAL), sizeof(*r));
	assert_int_equal(recv(w->socket, &reply, sizeof(reply), 0), sizeof(reply));
	assert_int_equal(reply.protocol, ENVELOPE_WORKER_PROTOCOL);
	assert_int_equal(reply.op, r->op);
	assert_int_equal(reply.id, 4711);
	return reply;
}

static struct envelope_worker_reply ask_op(struct worker *w, uint32_t op)
{
	struct envelope_worker_request r = request(op);

	return ask(w, &r);
}

static struct envelope_worker_request unwrap_of(const struct envelope_worker_reply *wrapped)
{
	struct envelope_worker_request r = request(ENVELOPE_WORKER_UNWRAP);

	r.cell = 2;
	r.wrapped_size = wrapped->wrapped_size;
	memcpy(r.wrapped, wrapped->wrapped, sizeof(r.wrapped));
	memcpy(r.version, wrapped->version, sizeof(r.version));
	memcpy(r.algorithm, wrapped->algorithm, sizeof(r.algorithm));
	return r;
}

static void test_life(void **state)
{
	struct envelope_worker_reply reply, wrapped;
	struct envelope_worker_request r;
	struct worker w;

	start(&w, "test");
	assert_int_equal(ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES).code, ENVELOPE_E_KEK_NOT_FOUND);
	reply = ask_op(&w, ENVELOPE_WORKER_CREATE);
	assert_int_equal(reply.code, 0);
	assert_string_equal(reply.version, "1");
	assert_int_equal(ask_op(&w, ENVELOPE_WORKER_CREATE).code, ENVELOPE_E_EXISTS);

	memset(w.memory->cells[0], 0x5a, 32);
	wrapped = ask_op(&w, ENVELOPE_WORKER_WRAP);
	assert_int_equal(wrapped.code, 0);
	assert_string_equal(wrapped.algorithm, "A256KWP");
	for (int i = 0; i < 32; i++)
		assert_int_equal(w.memory->cells[0][i], 0); /* wiped after use */

	assert_string_equal(ask_op(&w, ENVELOPE_WORKER_ROTATE).version, "2");
	reply = ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES);
	assert_int_equal(reply.versions, 2);
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_OK);
	assert_int_equal(reply.unbacked, 1);
	r = request(ENVELOPE_WORKER_VERSION);
	r.index = 1;
	assert_string_equal(ask(&w, &r).version, "2");
	r.index = 2;
	assert_int_equal(ask(&w, &r).code, ENVELOPE_E_KEK_NOT_FOUND);

	r = unwrap_of(&wrapped); /* by the old version still */
	assert_int_equal(ask(&w, &r).code, 0);
	for (int i = 0; i < 32; i++)
		assert_int_equal(w.memory->cells[2][i], 0x5a);
	assert_int_equal(stop(&w), 0);
}

/* One version, or all where it is empty. Return: was one of them otherwise before? */
static bool set_enabled(struct worker *w, uint32_t op, const char *version)
{
	struct envelope_worker_request r = request(op);
	struct envelope_worker_reply reply;

	strcpy(r.version, version);
	reply = ask(w, &r);
	assert_int_equal(reply.code, 0);
	return reply.changed;
}

static void test_disabled(void **state)
{
	struct envelope_worker_reply reply, wrapped;
	struct envelope_worker_request r;
	struct worker w;

	start(&w, "test");
	assert_int_equal(ask_op(&w, ENVELOPE_WORKER_DISABLE).code, ENVELOPE_E_KEK_NOT_FOUND);
	assert_int_equal(ask_op(&w, ENVELOPE_WORKER_CREATE).code, 0);
	wrapped = ask_op(&w, ENVELOPE_WORKER_WRAP);
	assert_int_equal(ask_op(&w, ENVELOPE_WORKER_ROTATE).code, 0);
	assert_true(set_enabled(&w, ENVELOPE_WORKER_DISABLE, "1"));
	assert_false(set_enabled(&w, ENVELOPE_WORKER_DISABLE, "1"));
	r = unwrap_of(&wrapped);
	reply = ask(&w, &r);
	assert_int_equal(reply.code, ENVELOPE_E_KEK_REFUSED);
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_DISABLED);
	reply = ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES);
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_OK);
	assert_string_equal(reply.version, "2");
	assert_true(set_enabled(&w, ENVELOPE_WORKER_DISABLE, ""));
	assert_int_equal(ask_op(&w, ENVELOPE_WORKER_WRAP).code, ENVELOPE_E_KEK_REFUSED);
	assert_true(set_enabled(&w, ENVELOPE_WORKER_ENABLE, "1"));
	assert_int_equal(ask(&w, &r).code, 0);
	assert_string_equal(ask_op(&w, ENVELOPE_WORKER_WRAP).version, "1");
	assert_true(set_enabled(&w, ENVELOPE_WORKER_ENABLE, ""));
	assert_string_equal(ask_op(&w, ENVELOPE_WORKER_WRAP).version, "2");
	assert_int_equal(stop(&w), 0);
}

static void test_tampered(void **state)
{
	struct envelope_worker_reply wrapped;
	struct envelope_worker_request r;
	struct worker w;

	start(&w, "test");
	assert_int_equal(ask_op(&w, ENVELOPE_WORKER_CREATE).code, 0);
	wrapped = ask_op(&w, ENVELOPE_WORKER_WRAP);
	for (size_t i = 0; i < wrapped.wrapped_size; i++) {
		r = unwrap_of(&wrapped);
		r.wrapped[i] ^= 1;
		assert_int_equal(ask(&w, &r).code, ENVELOPE_E_SEAL_BROKEN);
	}
	r = unwrap_of(&wrapped);
	r.wrapped_size = 8;
	assert_int_equal(ask(&w, &r).code, ENVELOPE_E_SEAL_BROKEN);
	r = unwrap_of(&wrapped);
	strcpy(r.algorithm, "RSA1_5");
	assert_int_equal(ask(&w, &r).code, ENVELOPE_E_SEAL_BROKEN);
	r = unwrap_of(&wrapped);
	strcpy(r.version, "01");
	assert_int_equal(ask(&w, &r).code, ENVELOPE_E_KEK_NOT_FOUND);
	assert_int_equal(stop(&w), 0);
}

/* What no envelope-keyd sends ends the worker, and gets no answer */
static void hangs_up(const void *data, size_t size)
{
	struct envelope_worker_reply reply;
	struct worker w;

	start(&w, "test");
	assert_int_equal(send(w.socket, data, size, MSG_NOSIGNAL), size);
	assert_int_equal(recv(w.socket, &reply, sizeof(reply), 0), 0);
	assert_int_equal(stop(&w), 1);
}

static void test_malformed(void **state)
{
	static uint8_t large[2 * sizeof(struct envelope_worker_request)];
	struct envelope_worker_request r = request(ENVELOPE_WORKER_ATTRIBUTES);

#define BAD(change)                                                                                \
	do {                                                                                       \
		r = request(ENVELOPE_WORKER_UNWRAP);                                               \
		r.wrapped_size = 40;                                                               \
		change;                                                                            \
		hangs_up(&r, sizeof(r));                                                           \
	} while (0)
	hangs_up(&r, sizeof(r) - 1);
	hangs_up(&r, 1);
	hangs_up(large, sizeof(large));
	BAD(r.protocol++);
	BAD(r.op = 0);
	BAD(r.op = ENVELOPE_WORKER_OPS);
	BAD(r.cell = ENVELOPE_WORKER_CELLS);
	BAD(r.wrapped_size = 0);
	BAD(r.wrapped_size = ENVELOPE_WRAPPED_MAX + 1);
	BAD(memset(r.version, '1', sizeof(r.version)));
	BAD(memset(r.algorithm, 'A', sizeof(r.algorithm)));
	BAD(r.op = ENVELOPE_WORKER_WRAP);
#undef BAD
}

/* What no envelope-keyd orders ends the zygote */
static void order_refused(const struct envelope_worker_order *order, size_t size, size_t n)
{
	int zygote, status, fds[] = { 0, 1 };
	pid_t pid = start_zygote(&zygote);

	assert_int_equal(send_order(zygote, order, size, fds, n), size);
	close(zygote); /* one that takes it ends without an error */
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void test_orders(void **state)
{
	struct envelope_worker_order order = order_of("test");

	order_refused(&order, sizeof(order), 0);
	order_refused(&order, sizeof(order), 1);
	order_refused(&order, sizeof(order) - 1, 2);
	order.protocol++;
	order_refused(&order, sizeof(order), 2);
}

/*
 * Two workers of one KEK that are asked at once: one makes it, the other finds it made; and no
 * change of one is lost in a change of the other
 */
static void test_together(void **state)
{
	const struct envelope_worker_request create = request(ENVELOPE_WORKER_CREATE);
	struct envelope_worker_reply a_reply, b_reply;
	struct envelope_worker_request r;
	struct worker a, b;

	start(&a, "test");
	start(&b, "test");
	assert_int_equal(send(a.socket, &create, sizeof(create), MSG_NOSIGNAL), sizeof(create));
	assert_int_equal(send(b.socket, &create, sizeof(create), MSG_NOSIGNAL), sizeof(create));
	assert_int_equal(recv(a.socket, &a_reply, sizeof(a_reply), 0), sizeof(a_reply));
	assert_int_equal(recv(b.socket, &b_reply, sizeof(b_reply), 0), sizeof(b_reply));
	assert_int_equal(a_reply.code + b_reply.code, ENVELOPE_E_EXISTS);
	for (int i = 0; i < 10; i++) {
		struct envelope_worker_request rotate = request(ENVELOPE_WORKER_ROTATE);

		assert_int_equal(send(a.socket, &rotate, sizeof(rotate), MSG_NOSIGNAL),
				 sizeof(rotate));
		assert_int_equal(ask(&b, &rotate).code, 0);
		assert_int_equal(recv(a.socket, &a_reply, sizeof(a_reply), 0), sizeof(a_reply));
		assert_int_equal(a_reply.code, 0);
	}
	assert_int_equal(ask_op(&a, ENVELOPE_WORKER_ATTRIBUTES).versions, 21);
	for (uint32_t i = 0; i < 20; i++) {
		r = request(ENVELOPE_WORKER_ENABLE + i % 2);
		strcpy(r.version, "1");
		assert_int_equal(send(a.socket, &r, sizeof(r), MSG_NOSIGNAL), sizeof(r));
		assert_int_equal(ask_op(&b, ENVELOPE_WORKER_ROTATE).code, 0);
		assert_int_equal(recv(a.socket, &a_reply, sizeof(a_reply), 0), sizeof(a_reply));
		assert_int_equal(a_reply.code, 0);
		assert_int_equal(a_reply.changed, i > 0); /* no rotation undid the last one */
	}
	assert_int_equal(ask_op(&a, ENVELOPE_WORKER_ATTRIBUTES).versions, 41);
	assert_int_equal(stop(&a), 0);
	assert_int_equal(stop(&b), 0);
}

/* Killed while it rotates, a worker leaves every version that it ever named */
static void test_killed(void **state)
{
	struct envelope_worker_reply reply, wrapped;
	struct envelope_worker_request r;
	unsigned int versions = 1;
	struct worker w;

	start(&w, "test");
	assert_int_equal(ask_op(&w, ENVELOPE_WORKER_CREATE).code, 0);
	memset(w.memory->cells[0], 0x5a, 32);
	wrapped = ask_op(&w, ENVELOPE_WORKER_WRAP);
	assert_int_equal(stop(&w), 0);
	for (int i = 0; i < 20; i++) {
		start(&w, "test");
		assert_int_equal(ask_op(&w, ENVELOPE_WORKER_ROTATE).code, 0);
		r = request(ENVELOPE_WORKER_ROTATE);
		assert_int_equal(send(w.socket, &r, sizeof(r), MSG_NOSIGNAL), sizeof(r));
		usleep((useconds_t)(i * 173 % 2000));
		kill(w.pid, SIGKILL);
		waitpid(w.pid, NULL, 0);
		close(w.socket);
		munmap(w.memory, sizeof(*w.memory));

		start(&w, "test");
		reply = ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES);
		assert_int_equal(reply.code, 0);
		assert_in_range(reply.versions, versions + 1, versions + 2);
		versions = reply.versions;
		r = unwrap_of(&wrapped);
		assert_int_equal(ask(&w, &r).code, 0);
		assert_int_equal(stop(&w), 0);
	}
}

/* A worker as root would be no wall: it does not even start */
static void test_not_root(void **state)
{
	pid_t pid;
	int status;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		execl(program, program, NULL);
		_exit(126);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

/* What the worker gave up: it is a process without a name, network or core dump */
static void test_sandbox(void **state)
{
	char path[64], *text;
	struct worker w;

	start(&w, "test");
	ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)w.pid);
	assert_int_equal(envelope_file_read(path, 1 << 16, &text, NULL), 0);
	assert_non_null(strstr(text, "NoNewPrivs:\t1"));
	assert_non_null(strstr(text, "Seccomp:\t2"));
	free(text);
	snprintf(path, sizeof(path), "/proc/%d/limits", (int)w.pid);
	assert_int_equal(envelope_file_read(path, 1 << 16, &text, NULL), 0);
	assert_non_null(strstr(text, "Max core file size        0"));
	free(text);
	assert_int_equal(stop(&w), 0);
}

static int set_up(void **state)
{
	new_directory(directory);
	if (geteuid() == 0)
		assert_int_equal(chown(directory, NOBODY, NOBODY), 0);
	return 0;
}

static int tear_down(void **state)
{
	remove_directory(directory);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_life),      TEST(test_disabled), TEST(test_tampered),
		TEST(test_malformed), TEST(test_orders),   TEST(test_together),
		TEST(test_killed),    TEST(test_not_root), TEST(test_sandbox),
	};

	if (argc != 2)
		return 2;
	program = argv[1];
	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
