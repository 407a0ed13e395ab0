// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls that are under way for a while, in a worker whose provider waits: see waiting-provider.c.
 */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "waiting-provider.h"
#include "worker-process.h"

#define KEK	 "patient"
#define AT_ONCE	 1000	    /* ms; what need not wait takes less, on a busy machine too */
#define GIVEN_UP 1000	    /* calls */
#define RSS_MAX	 (64 << 10) /* bytes that these may add */

static char directory[64];
static struct worker_process w;

static void begin(void)
{
	struct envelope_kek_config config;

	envelope_kek_config_default(&config, KEK);
	strcpy(config.provider, "service");
	strcpy(config.keystore, directory);
	worker_start(&w, &config);
}

static uint64_t now(void)
{
	return worker_deadline(0);
}

/* An unwrap of @id in the cell of that number, that waits for @what */
static struct envelope_worker_request call(uint64_t id, const char *what)
{
	struct envelope_worker_request request = worker_request(ENVELOPE_WORKER_UNWRAP);

	request.id = id;
	request.cell = id % ENVELOPE_WORKER_CELLS;
	request.wrapped_size = 1;
	request.wrapped[0] = (uint8_t)(id + 1);
	strcpy(request.version, what);
	return request;
}

static void ask(uint64_t id, const char *what)
{
	struct envelope_worker_request request = call(id, what);

	memset(w.memory->cells[request.cell], 99, ENVELOPE_SHARE_BYTES);
	worker_send(&w, &request);
}

static void cancel(uint64_t id)
{
	struct envelope_worker_request request = worker_request(ENVELOPE_WORKER_CANCEL);

	request.id = id;
	worker_send(&w, &request);
}

static bool cell_holds(uint64_t id, uint8_t byte)
{
	for (int i = 0; i < ENVELOPE_SHARE_BYTES; i++)
		if (w.memory->cells[id % ENVELOPE_WORKER_CELLS][i] != byte)
			return false;
	return true;
}

/* The next answer is a share, to @id */
static void answered(uint64_t id)
{
	struct envelope_worker_reply reply = worker_receive(&w);

	assert_int_equal(reply.id, id);
	assert_int_equal(reply.code, ENVELOPE_OK);
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_OK);
	assert_true(cell_holds(id, (uint8_t)(id + 1)));
}

/* It is that @id was not done, with these words */
static struct envelope_worker_reply failed(uint64_t id, enum envelope_code code, const char *words)
{
	struct envelope_worker_reply reply = worker_receive(&w);

	assert_int_equal(reply.id, id);
	assert_int_equal(reply.code, code);
	assert_non_null(strstr(reply.message, "KEK " KEK));
	if (!strstr(reply.message, words))
		fail_msg("%s: not of '%s'", reply.message, words);
	assert_true(*reply.cure);
	assert_true(cell_holds(id, 0));
	return reply;
}

static void silent(void)
{
	struct pollfd socket = { .fd = w.socket, .events = POLLIN };

	assert_int_equal(poll(&socket, 1, 50), 0);
}

static unsigned int count(unsigned int what)
{
	struct envelope_worker_request request = worker_request(ENVELOPE_WORKER_VERSION);
	struct envelope_worker_reply reply;

	request.index = what;
	request.cell = ENVELOPE_WORKER_CELLS - 1;
	reply = worker_ask(&w, &request);
	return (unsigned int)atoi(reply.version);
}

static void make_fifo(unsigned int n, char name[static 16])
{
	char path[96];

	snprintf(name, 16, "fifo-%u", n);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(chmod(path, 0666), 0);
}

/* What the call that waits for it waits for */
static void feed_fifo(unsigned int n)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/fifo-%u", directory, n);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(write(fd, "", 1), 1);
	close(fd);
}

/* A slow call delays no quick one */
static void test_quick(void **state)
{
	uint64_t start;

	begin();
	start = now();
	ask(1, "timer-3000");
	for (uint64_t id = 2; id < 12; id++) {
		ask(id, "now");
		answered(id);
	}
	assert_true(now() - start < AT_ONCE * 1000);
	answered(1);
	assert_true(now() - start >= 3000 * 1000);
	assert_int_equal(worker_stop(&w), 0);
}

/* As many as there may be, each of which ends when its time has come */
static void test_any_order(void **state)
{
	static const unsigned int step = 7; /* no divisor of their number: each comes once */
	char name[16];

	begin();
	for (unsigned int i = 0; i < ENVELOPE_WORKER_CELLS; i++) {
		make_fifo(i, name);
		ask(i, name);
	}
	silent();
	for (unsigned int i = 0, n = 5; i < ENVELOPE_WORKER_CELLS; i++) {
		n = (n + step) % ENVELOPE_WORKER_CELLS;
		feed_fifo(n);
		answered(n);
	}
	silent();
	assert_int_equal(count(COUNT_DONE), ENVELOPE_WORKER_CELLS);
	assert_int_equal(count(COUNT_UNWIPED), 0);
	assert_int_equal(worker_stop(&w), 0);
}

/* Return: what is said at the deadline, no sooner and not much later */
static struct envelope_worker_reply outlast(struct envelope_worker_request request, unsigned int ms,
					    const char *words)
{
	struct envelope_worker_reply reply;

	request.deadline = worker_deadline(ms);
	worker_send(&w, &request);
	reply = failed(request.id, ENVELOPE_E_KEK_UNAVAILABLE, words);
	assert_true(now() >= request.deadline);
	assert_true(now() - request.deadline < AT_ONCE * 1000);
	return reply;
}

static void test_deadline(void **state)
{
	struct envelope_worker_request rotate = call(1, "never");
	struct envelope_worker_reply reply;

	begin();
	ask(9, "never");
	reply = outlast(call(1, "never"), 1000, "did not answer within 1 s");
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_UNREACHABLE);
	reply = outlast(call(1, "patience"), 600, "patience, for longer than 1 s");
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_THROTTLED);
	rotate.op = ENVELOPE_WORKER_ROTATE;
	rotate.wrapped_size = 0;
	reply = outlast(rotate, 100, "did not answer");
	assert_non_null(strstr(reply.cure, "envelopectl kek show " KEK));
	assert_int_equal(count(COUNT_CANCELLED), 3);
	assert_int_equal(count(COUNT_UNWIPED), 0);
	silent();
	assert_int_equal(worker_stop(&w), 0);
}

/* Whose deadline is over when it is read, is not begun */
static void test_late(void **state)
{
	struct envelope_worker_request request = call(2, "now");
	struct envelope_worker_reply reply;

	begin();
	request.deadline = now();
	worker_send(&w, &request);
	reply = failed(2, ENVELOPE_E_KEK_UNAVAILABLE, "busy");
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_UNREACHABLE);
	request.deadline = worker_deadline(200);
	ask(1, "block-400");
	worker_send(&w, &request);
	failed(2, ENVELOPE_E_KEK_UNAVAILABLE, "busy");
	answered(1);
	assert_int_equal(count(COUNT_BEGUN), 1);
	assert_int_equal(worker_stop(&w), 0);
}

/* Its cell is free at once, and nothing is left of it */
static void test_cancelled(void **state)
{
	struct envelope_worker_request wrap = call(3, "never");
	uint64_t start = now();
	char name[16];

	begin();
	make_fifo(0, name);
	wrap.op = ENVELOPE_WORKER_WRAP;
	wrap.wrapped_size = 0;
	memset(w.memory->cells[3], 0x5a, ENVELOPE_SHARE_BYTES);
	worker_send(&w, &wrap);
	ask(1, "never");
	ask(2, name);
	cancel(1);
	failed(1, ENVELOPE_E_CANCELED, "not needed");
	assert_true(cell_holds(3, 0)); /* what is to be wrapped is the worker's now */
	cancel(3);
	failed(3, ENVELOPE_E_CANCELED, "not needed");
	assert_true(now() - start < AT_ONCE * 1000);
	ask(1, "now");
	answered(1);
	feed_fifo(0);
	answered(2);
	assert_int_equal(count(COUNT_CANCELLED), 2);
	assert_int_equal(count(COUNT_UNWIPED), 0);
	assert_int_equal(worker_stop(&w), 0);
}

/* What is not under way, or not any more, cannot be cancelled, and no answer says so */
static void test_cancel_nothing(void **state)
{
	begin();
	ask(1, "now");
	answered(1);
	cancel(1);
	cancel(2);
	cancel(0);
	silent();
	ask(1, "timer-100");
	cancel(2);
	answered(1);
	assert_int_equal(count(COUNT_CANCELLED), 0);
	assert_int_equal(worker_stop(&w), 0);
}

/* envelope-keyd is gone, or breaks the protocol: the worker ends, and in good order */
static void test_end(void **state)
{
	begin();
	for (uint64_t id = 0; id < ENVELOPE_WORKER_CELLS; id++)
		ask(id, id % 2 ? "never" : "timer-200");
	assert_int_equal(worker_stop(&w), 0);
	begin();
	ask(1, "never");
	ask(1 + ENVELOPE_WORKER_CELLS, "now"); /* in the same cell */
	assert_int_equal(worker_stop(&w), 1);
}

static void give_up(unsigned int n)
{
	struct envelope_worker_request request;
	char name[] = "fifo-0";

	for (unsigned int i = 0; i < n; i++) {
		request = call(i, i % 2 ? name : "never");
		if (i % 3 == 0)
			request.deadline = worker_deadline(1);
		worker_send(&w, &request);
		if (i % 3)
			cancel(i);
		assert_int_equal(worker_receive(&w).id, i);
	}
}

static void test_thousand(void **state)
{
	struct worker_use before, after;
	char name[16];

	if (geteuid() != 0)
		skip(); /* nobody else may look into a worker */
	begin();
	make_fifo(0, name);
	give_up(GIVEN_UP / 10);
	before = worker_measure(&w);
	give_up(GIVEN_UP);
	after = worker_measure(&w);
	assert_int_equal(after.descriptors, before.descriptors);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what is freed for a while */
	assert_true(after.resident <= before.resident + RSS_MAX);
#endif
	assert_int_equal(count(COUNT_UNWIPED), 0);
	assert_int_equal(worker_stop(&w), 0);
}

static int set_up(void **state)
{
	new_directory(directory);
	return chmod(directory, 0755);
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
		TEST(test_quick), TEST(test_any_order), TEST(test_deadline),
		TEST(test_late),  TEST(test_cancelled), TEST(test_cancel_nothing),
		TEST(test_end),	  TEST(test_thousand),
	};

	if (argc != 2)
		return 2;
	worker_program(argv[1]);
	return cmocka_run_group_tests_name("worker-calls", tests, NULL, NULL);
}
