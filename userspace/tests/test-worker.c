// SPDX-License-Identifier: GPL-2.0-or-later
/* The real envelope-provider, over its socket and shared memory. */
#include "test.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "file.h"
#include "worker-process.h"

static const char *program;
static char directory[64];

static struct envelope_worker_order order_of(const char *kek)
{
	struct envelope_worker_order order = { .protocol = ENVELOPE_WORKER_PROTOCOL };

	envelope_kek_config_default(&order.config, kek);
	strcpy(order.config.provider, "service");
	snprintf(order.config.keystore, sizeof(order.config.keystore), "%s/keystore", directory);
	return order;
}

static void start(struct worker_process *w, const char *kek)
{
	struct envelope_worker_order order = order_of(kek);

	worker_start(w, &order.config);
}

/* Where it is not there when the worker begins, it is the worker's to make, and others' to use */
static void make_keystore(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/keystore", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
}

static void test_store_made(void **state)
{
	struct worker_process w;

	start(&w, "test");
	assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_CREATE).code, 0);
	assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_ROTATE).code, ENVELOPE_E_CANCELED);
	assert_int_equal(worker_stop(&w), 0);
	start(&w, "test");
	assert_string_equal(worker_ask_op(&w, ENVELOPE_WORKER_ROTATE).version, "2");
	assert_int_equal(worker_stop(&w), 0);
}

static void test_life(void **state)
{
	struct envelope_worker_reply reply, wrapped;
	struct envelope_worker_request r;
	struct worker_process w;

	start(&w, "test");
	assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES).code,
			 ENVELOPE_E_KEK_NOT_FOUND);
	reply = worker_ask_op(&w, ENVELOPE_WORKER_CREATE);
	assert_int_equal(reply.code, 0);
	assert_string_equal(reply.version, "1");
	assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_CREATE).code, ENVELOPE_E_EXISTS);

	memset(w.memory->cells[0], 0x5a, 32);
	wrapped = worker_ask_op(&w, ENVELOPE_WORKER_WRAP);
	assert_int_equal(wrapped.code, 0);
	assert_string_equal(wrapped.algorithm, "A256KWP");
	for (int i = 0; i < 32; i++)
		assert_int_equal(w.memory->cells[0][i], 0); /* wiped after use */

	assert_string_equal(worker_ask_op(&w, ENVELOPE_WORKER_ROTATE).version, "2");
	reply = worker_ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES);
	assert_int_equal(reply.versions, 2);
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_OK);
	assert_int_equal(reply.unbacked, 1);
	r = worker_request(ENVELOPE_WORKER_VERSION);
	r.index = 1;
	assert_string_equal(worker_ask(&w, &r).version, "2");
	r.index = 2;
	assert_int_equal(worker_ask(&w, &r).code, ENVELOPE_E_KEK_NOT_FOUND);

	r = worker_unwrap_request(&wrapped); /* by the old version still */
	assert_int_equal(worker_ask(&w, &r).code, 0);
	for (int i = 0; i < 32; i++)
		assert_int_equal(w.memory->cells[2][i], 0x5a);
	assert_int_equal(worker_stop(&w), 0);
}

/* One version, or all where it is empty. Return: was one of them otherwise before? */
static bool set_enabled(struct worker_process *w, uint32_t op, const char *version)
{
	struct envelope_worker_request r = worker_request(op);
	struct envelope_worker_reply reply;

	strcpy(r.version, version);
	reply = worker_ask(w, &r);
	assert_int_equal(reply.code, 0);
	return reply.changed;
}

static void test_disabled(void **state)
{
	struct envelope_worker_reply reply, wrapped;
	struct envelope_worker_request r;
	struct worker_process w;

	start(&w, "test");
	assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_DISABLE).code, ENVELOPE_E_KEK_NOT_FOUND);
	assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_CREATE).code, 0);
	wrapped = worker_ask_op(&w, ENVELOPE_WORKER_WRAP);
	assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_ROTATE).code, 0);
	assert_true(set_enabled(&w, ENVELOPE_WORKER_DISABLE, "1"));
	assert_false(set_enabled(&w, ENVELOPE_WORKER_DISABLE, "1"));
	r = worker_unwrap_request(&wrapped);
	reply = worker_ask(&w, &r);
	assert_int_equal(reply.code, ENVELOPE_E_KEK_REFUSED);
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_DISABLED);
	reply = worker_ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES);
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_OK);
	assert_string_equal(reply.version, "2");
	assert_true(set_enabled(&w, ENVELOPE_WORKER_DISABLE, ""));
	assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_WRAP).code, ENVELOPE_E_KEK_REFUSED);
	assert_true(set_enabled(&w, ENVELOPE_WORKER_ENABLE, "1"));
	assert_int_equal(worker_ask(&w, &r).code, 0);
	assert_string_equal(worker_ask_op(&w, ENVELOPE_WORKER_WRAP).version, "1");
	assert_true(set_enabled(&w, ENVELOPE_WORKER_ENABLE, ""));
	assert_string_equal(worker_ask_op(&w, ENVELOPE_WORKER_WRAP).version, "2");
	assert_int_equal(worker_stop(&w), 0);
}

static void test_tampered(void **state)
{
	struct envelope_worker_reply wrapped;
	struct envelope_worker_request r;
	struct worker_process w;

	start(&w, "test");
	assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_CREATE).code, 0);
	wrapped = worker_ask_op(&w, ENVELOPE_WORKER_WRAP);
	for (size_t i = 0; i < wrapped.wrapped_size; i++) {
		r = worker_unwrap_request(&wrapped);
		r.wrapped[i] ^= 1;
		assert_int_equal(worker_ask(&w, &r).code, ENVELOPE_E_SEAL_BROKEN);
	}
	r = worker_unwrap_request(&wrapped);
	r.wrapped_size = 8;
	assert_int_equal(worker_ask(&w, &r).code, ENVELOPE_E_SEAL_BROKEN);
	r = worker_unwrap_request(&wrapped);
	strcpy(r.algorithm, "RSA1_5");
	assert_int_equal(worker_ask(&w, &r).code, ENVELOPE_E_SEAL_BROKEN);
	r = worker_unwrap_request(&wrapped);
	strcpy(r.version, "01");
	assert_int_equal(worker_ask(&w, &r).code, ENVELOPE_E_KEK_NOT_FOUND);
	assert_int_equal(worker_stop(&w), 0);
}

/* What no envelope-keyd sends ends the worker, and gets no answer */
static void hangs_up(const void *data, size_t size)
{
	struct envelope_worker_reply reply;
	struct worker_process w;

	start(&w, "test");
	assert_int_equal(send(w.socket, data, size, MSG_NOSIGNAL), size);
	assert_int_equal(recv(w.socket, &reply, sizeof(reply), 0), 0);
	assert_int_equal(worker_stop(&w), 1);
}

static void test_malformed(void **state)
{
	static uint8_t large[2 * sizeof(struct envelope_worker_request)];
	struct envelope_worker_request r = worker_request(ENVELOPE_WORKER_ATTRIBUTES);

#define BAD(change)                                                                                \
	do {                                                                                       \
		r = worker_request(ENVELOPE_WORKER_UNWRAP);                                        \
		r.wrapped_size = 40;                                                               \
		change;                                                                            \
		hangs_up(&r, sizeof(r));                                                           \
	} while (0)
	hangs_up(&r, sizeof(r) - 1);
	hangs_up(&r, 1);
	hangs_up(large, sizeof(large));
	BAD(r.protocol++);
	BAD(r.op = 0);
	BAD(r.op = ENVELOPE_WORKER_CANCEL);
	BAD(r.op = ENVELOPE_WORKER_CANCEL + 1; r.wrapped_size = 0);
	BAD(r.deadline = worker_deadline(61000));
	BAD(r.deadline = UINT64_MAX);
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
	pid_t pid = zygote_start(&zygote);

	assert_int_equal(zygote_send_order(zygote, order, size, fds, n), size);
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
	const struct envelope_worker_request create = worker_request(ENVELOPE_WORKER_CREATE);
	struct envelope_worker_reply a_reply, b_reply;
	struct envelope_worker_request r;
	struct worker_process a, b;

	start(&a, "test");
	start(&b, "test");
	worker_send(&a, &create);
	worker_send(&b, &create);
	a_reply = worker_receive(&a);
	b_reply = worker_receive(&b);
	assert_int_equal(a_reply.code + b_reply.code, ENVELOPE_E_EXISTS);
	for (int i = 0; i < 10; i++) {
		struct envelope_worker_request rotate = worker_request(ENVELOPE_WORKER_ROTATE);

		worker_send(&a, &rotate);
		assert_int_equal(worker_ask(&b, &rotate).code, 0);
		a_reply = worker_receive(&a);
		assert_int_equal(a_reply.code, 0);
	}
	assert_int_equal(worker_ask_op(&a, ENVELOPE_WORKER_ATTRIBUTES).versions, 21);
	for (uint32_t i = 0; i < 20; i++) {
		r = worker_request(ENVELOPE_WORKER_ENABLE + i % 2);
		strcpy(r.version, "1");
		worker_send(&a, &r);
		assert_int_equal(worker_ask_op(&b, ENVELOPE_WORKER_ROTATE).code, 0);
		a_reply = worker_receive(&a);
		assert_int_equal(a_reply.code, 0);
		assert_int_equal(a_reply.changed, i > 0); /* no rotation undid the last one */
	}
	assert_int_equal(worker_ask_op(&a, ENVELOPE_WORKER_ATTRIBUTES).versions, 41);
	assert_int_equal(worker_stop(&a), 0);
	assert_int_equal(worker_stop(&b), 0);
}

/* Killed while it rotates, a worker leaves every version that it ever named */
static void test_killed(void **state)
{
	struct envelope_worker_reply reply, wrapped;
	struct envelope_worker_request r;
	unsigned int versions = 1;
	struct worker_process w;

	start(&w, "test");
	assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_CREATE).code, 0);
	memset(w.memory->cells[0], 0x5a, 32);
	wrapped = worker_ask_op(&w, ENVELOPE_WORKER_WRAP);
	assert_int_equal(worker_stop(&w), 0);
	for (int i = 0; i < 20; i++) {
		start(&w, "test");
		assert_int_equal(worker_ask_op(&w, ENVELOPE_WORKER_ROTATE).code, 0);
		r = worker_request(ENVELOPE_WORKER_ROTATE);
		worker_send(&w, &r);
		usleep((useconds_t)(i * 173 % 2000));
		worker_kill(&w);

		start(&w, "test");
		reply = worker_ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES);
		assert_int_equal(reply.code, 0);
		assert_in_range(reply.versions, versions + 1, versions + 2);
		versions = reply.versions;
		r = worker_unwrap_request(&wrapped);
		assert_int_equal(worker_ask(&w, &r).code, 0);
		assert_int_equal(worker_stop(&w), 0);
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

/* In the text of /proc/PID/limits: one that cannot be raised again */
static bool limit_is(const char *limits, const char *name, unsigned long value)
{
	const char *line = strstr(limits, name);
	unsigned long soft, hard;

	return line && sscanf(line + strlen(name), "%lu %lu", &soft, &hard) == 2 && soft == value &&
	       hard == value;
}

/* What the worker gave up: it is a process without a name, network or core dump */
static void test_sandbox(void **state)
{
	char path[64], *text;
	struct worker_process w;

	start(&w, "test");
	worker_ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)w.pid);
	assert_int_equal(envelope_file_read(path, 1 << 16, &text, NULL), 0);
	assert_non_null(strstr(text, "NoNewPrivs:\t1"));
	assert_non_null(strstr(text, "Seccomp:\t2"));
	free(text);
	snprintf(path, sizeof(path), "/proc/%d/limits", (int)w.pid);
	assert_int_equal(envelope_file_read(path, 1 << 16, &text, NULL), 0);
	assert_true(limit_is(text, "Max core file size", 0));
	assert_true(limit_is(text, "Max open files", 256));
	assert_true(limit_is(text, "Max processes", 0));
#ifndef __SANITIZE_ADDRESS__
	assert_true(limit_is(text, "Max address space", 256 << 20));
#endif
	free(text);
	assert_int_equal(worker_stop(&w), 0);
}

static int set_up_empty(void **state)
{
	new_directory(directory);
	if (geteuid() == 0)
		assert_int_equal(chown(directory, NOBODY, NOBODY), 0);
	return 0;
}

static int set_up(void **state)
{
	set_up_empty(state);
	make_keystore();
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
		cmocka_unit_test_setup_teardown(test_store_made, set_up_empty, tear_down),
		TEST(test_life),
		TEST(test_disabled),
		TEST(test_tampered),
		TEST(test_malformed),
		TEST(test_orders),
		TEST(test_together),
		TEST(test_killed),
		TEST(test_not_root),
		TEST(test_sandbox),
	};

	if (argc != 2)
		return 2;
	program = argv[1];
	worker_program(program);
	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
