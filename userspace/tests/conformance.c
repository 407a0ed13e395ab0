// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: conformance ENVELOPE-PROVIDER SETUP
 *
 * What every provider must do, asked of a worker over its socket as envelope-keyd asks. Nothing
 * here knows a provider: SETUP is a program of the provider's own. providers.rst tells what it
 * is called with.
 */
#include "test.h"

#include <poll.h>
#include <sys/wait.h>
#include <time.h>

#include "crypto.h"
#include "file.h"
#include "worker-process.h"

#define KEK	"one"
#define OTHER	"two"
#define CANNOT	77 /* exit status of SETUP */
#define KINDS	6  /* of calls, see any_call() */
#define CALLS	1000
#define PLACES	64 /* of a wrapped share that are tampered with, at least */
#define ALL_IDS ((1U << ENVELOPE_WORKER_CELLS) - 1)
#define GRACE	1000000	   /* µs after the deadline, as envelope-keyd has it */
#define RSS_MAX (64 << 10) /* bytes that CALLS may add: less than 66 for each */

static const char *setup;
static char directory[64];
static struct worker_process w;

static int run_setup(const char *verb, const char *kek, const char *version)
{
	char command[512];
	int status;

	snprintf(command, sizeof(command), "'%s' %s '%s' %s %s >&2", setup, verb, directory, kek,
		 version);
	status = system(command);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != CANNOT))
		fail_msg("%s: status %#x", command, status);
	return WEXITSTATUS(status);
}

static void begin(struct worker_process *worker, const char *kek)
{
	struct envelope_kek_config config;
	struct envelope_error e = {};
	char keks[96];

	snprintf(keks, sizeof(keks), "%s/keks", directory);
	assert_good(envelope_kek_config_load(keks, kek, &config, &e));
	worker_start(worker, &config);
}

/* What a provider does not do itself, is done at it. Return: false where that cannot be either */
static bool change(struct worker_process *worker, const char *kek, uint32_t op, const char *version)
{
	static const char *const verbs[] = { [ENVELOPE_WORKER_CREATE] = "create",
					     [ENVELOPE_WORKER_ROTATE] = "rotate",
					     [ENVELOPE_WORKER_ENABLE] = "enable",
					     [ENVELOPE_WORKER_DISABLE] = "disable" };
	struct envelope_worker_request request = worker_request(op);
	struct envelope_worker_reply reply;

	strcpy(request.version, version);
	reply = worker_ask(worker, &request);
	if (reply.code == ENVELOPE_E_UNSUPPORTED) {
		assert_non_null(strstr(reply.message, kek));
		return run_setup(verbs[op], kek, version) == 0;
	}
	if (reply.code)
		print_error("%s: %s\n", verbs[op], reply.message);
	assert_int_equal(reply.code, ENVELOPE_OK);
	return true;
}

static void must_change(uint32_t op, const char *version)
{
	assert_true(change(&w, KEK, op, version));
}

static void fill_cell(struct worker_process *worker, unsigned int cell, uint8_t seed)
{
	for (int i = 0; i < ENVELOPE_SHARE_BYTES; i++)
		worker->memory->cells[cell][i] = (uint8_t)(seed + 7 * i);
}

static bool cell_holds(unsigned int cell, uint8_t seed)
{
	for (int i = 0; i < ENVELOPE_SHARE_BYTES; i++)
		if (w.memory->cells[cell][i] != (uint8_t)(seed + 7 * i))
			return false;
	return true;
}

static bool cell_empty(unsigned int cell)
{
	static const uint8_t nothing[ENVELOPE_SHARE_BYTES];

	return !memcmp(w.memory->cells[cell], nothing, sizeof(nothing));
}

static void check_wrapped(const struct envelope_worker_reply *reply)
{
	if (reply->code)
		print_error("wrap: %s\n", reply->message);
	assert_int_equal(reply->code, ENVELOPE_OK);
	/* Else no slot can name them */
	assert_true(envelope_word_valid(reply->version));
	assert_true(envelope_word_valid(reply->algorithm));
	assert_in_range(reply->wrapped_size, 1, ENVELOPE_WRAPPED_MAX);
}

/* A share that @seed stands for, wrapped by the current version */
static struct envelope_worker_reply wrap_by(struct worker_process *worker, uint8_t seed)
{
	struct envelope_worker_reply reply;

	fill_cell(worker, 0, seed);
	reply = worker_ask_op(worker, ENVELOPE_WORKER_WRAP);
	check_wrapped(&reply);
	return reply;
}

static struct envelope_worker_reply wrap(uint8_t seed)
{
	struct envelope_worker_reply reply = wrap_by(&w, seed);

	assert_true(cell_empty(0));
	return reply;
}

static void unwraps(const struct envelope_worker_reply *wrapped, uint8_t seed)
{
	struct envelope_worker_request request = worker_unwrap_request(wrapped);
	struct envelope_worker_reply reply = worker_ask(&w, &request);

	if (reply.code)
		print_error("unwrap: %s\n", reply.message);
	assert_int_equal(reply.code, ENVELOPE_OK);
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_OK);
	assert_true(cell_holds(2, seed));
	memset(w.memory->cells[2], 0, ENVELOPE_SHARE_BYTES);
}

/* Whoever is refused is told which KEK it is and what to do, and has nothing */
static void refused(const struct envelope_worker_request *request, enum envelope_code code,
		    enum envelope_provider_state state)
{
	struct envelope_worker_reply reply;

	fill_cell(&w, request->cell, 99);
	reply = worker_ask(&w, request);
	if (reply.code != code || reply.state != state)
		print_error("%s, %s: %s\n", envelope_error_name(reply.code),
			    envelope_provider_state_name(reply.state), reply.message);
	assert_int_equal(reply.code, code);
	if (request->op == ENVELOPE_WORKER_UNWRAP)
		assert_int_equal(reply.state, state);
	assert_non_null(strstr(reply.message, KEK));
	assert_true(*reply.cure);
	assert_true(cell_empty(request->cell));
}

static struct envelope_worker_reply attributes(void)
{
	struct envelope_worker_reply reply = worker_ask_op(&w, ENVELOPE_WORKER_ATTRIBUTES);

	if (reply.code)
		print_error("attributes: %s\n", reply.message);
	assert_int_equal(reply.code, ENVELOPE_OK);
	return reply;
}

static struct envelope_worker_reply version_at(uint32_t index)
{
	struct envelope_worker_request request = worker_request(ENVELOPE_WORKER_VERSION);

	request.index = index;
	return worker_ask(&w, &request);
}

static void test_created(void **state)
{
	struct envelope_worker_request request = worker_request(ENVELOPE_WORKER_ATTRIBUTES);
	struct envelope_worker_reply reply;

	begin(&w, KEK);
	reply = worker_ask(&w, &request); /* may be what is to hold it that is not there */
	assert_int_equal(reply.code, ENVELOPE_E_KEK_NOT_FOUND);
	assert_true(*reply.message && *reply.cure);
	must_change(ENVELOPE_WORKER_CREATE, "");
	reply = attributes();
	assert_int_equal(reply.versions, 1);
	assert_int_equal(reply.state, ENVELOPE_PROVIDER_OK);
	assert_string_equal(version_at(0).version, reply.version);
	request = worker_request(ENVELOPE_WORKER_VERSION);
	request.index = 1;
	refused(&request, ENVELOPE_E_KEK_NOT_FOUND, ENVELOPE_PROVIDER_OK);
	assert_int_equal(worker_stop(&w), 0);
}

static void test_round_trip(void **state)
{
	struct envelope_worker_reply wrapped[8];

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	for (uint8_t i = 0; i < N(wrapped); i++) {
		fill_cell(&w, 3, i);
		wrapped[i] = wrap(i);
		assert_string_equal(wrapped[i].version, attributes().version);
		assert_null(memmem(wrapped[i].wrapped, wrapped[i].wrapped_size, w.memory->cells[3],
				   ENVELOPE_SHARE_BYTES / 2));
	}
	for (uint8_t i = 0; i < N(wrapped); i++)
		unwraps(&wrapped[N(wrapped) - 1 - i], (uint8_t)(N(wrapped) - 1 - i));
	assert_int_equal(worker_stop(&w), 0);
	begin(&w, KEK); /* nothing hangs on the process that wrapped */
	unwraps(&wrapped[5], 5);
	assert_int_equal(worker_stop(&w), 0);
}

static void test_versions(void **state)
{
	struct envelope_worker_reply wrapped[3], all;
	struct envelope_worker_request request;

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	for (uint8_t i = 0; i < N(wrapped); i++) {
		if (i)
			must_change(ENVELOPE_WORKER_ROTATE, "");
		wrapped[i] = wrap(i);
		assert_string_equal(wrapped[i].version, attributes().version);
	}
	all = attributes();
	assert_int_equal(all.versions, N(wrapped));
	for (uint8_t i = 0; i < N(wrapped); i++) {
		unwraps(&wrapped[i], i);
		for (uint8_t j = 0; j < i; j++)
			assert_string_not_equal(wrapped[i].version, wrapped[j].version);
		assert_string_equal(version_at(i).version, wrapped[i].version);
	}
	request = worker_unwrap_request(&wrapped[0]); /* under another's name */
	memcpy(request.version, wrapped[1].version, sizeof(request.version));
	refused(&request, ENVELOPE_E_SEAL_BROKEN, ENVELOPE_PROVIDER_OK);
	strcpy(request.version, "no-such-version");
	refused(&request, ENVELOPE_E_KEK_NOT_FOUND, ENVELOPE_PROVIDER_DELETED);
	assert_int_equal(worker_stop(&w), 0);
}

/* A share that another KEK wrapped says nothing of how this one stands */
static void test_wrong_key(void **state)
{
	struct envelope_worker_request request;
	struct envelope_worker_reply wrapped;
	struct worker_process other;

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	begin(&other, OTHER);
	assert_true(change(&other, OTHER, ENVELOPE_WORKER_CREATE, ""));
	wrapped = wrap_by(&other, 1);
	request = worker_unwrap_request(&wrapped);
	strcpy(request.version, attributes().version);
	refused(&request, ENVELOPE_E_SEAL_BROKEN, ENVELOPE_PROVIDER_OK);
	assert_int_equal(worker_stop(&other), 0);
	assert_int_equal(worker_stop(&w), 0);
}

static void test_tampered(void **state)
{
	struct envelope_worker_request request;
	struct envelope_worker_reply wrapped;
	uint32_t step;

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	wrapped = wrap(1);
	step = 1 + wrapped.wrapped_size / PLACES;
	for (uint32_t i = 0; i < wrapped.wrapped_size; i += step) {
		request = worker_unwrap_request(&wrapped);
		request.wrapped[i] ^= (uint8_t)(1 << i % 8);
		refused(&request, ENVELOPE_E_SEAL_BROKEN, ENVELOPE_PROVIDER_OK);
	}
	for (uint32_t size = 1; size < wrapped.wrapped_size; size += step) {
		request = worker_unwrap_request(&wrapped);
		request.wrapped_size = size;
		refused(&request, ENVELOPE_E_SEAL_BROKEN, ENVELOPE_PROVIDER_OK);
	}
	request = worker_unwrap_request(&wrapped);
	strcpy(request.algorithm, "no-such-algorithm");
	refused(&request, ENVELOPE_E_SEAL_BROKEN, ENVELOPE_PROVIDER_OK);
	unwraps(&wrapped, 1);
	assert_int_equal(worker_stop(&w), 0);
}

/* With bytes behind it, zeroes and others, up to the most that there may be */
static void test_extended(void **state)
{
	struct envelope_worker_request request;
	struct envelope_worker_reply wrapped;

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	wrapped = wrap(1);
	for (uint32_t more = 1; wrapped.wrapped_size + more <= ENVELOPE_WRAPPED_MAX; more *= 2) {
		request = worker_unwrap_request(&wrapped);
		request.wrapped_size += more;
		refused(&request, ENVELOPE_E_SEAL_BROKEN, ENVELOPE_PROVIDER_OK);
		memset(request.wrapped + wrapped.wrapped_size, 0xa5, more);
		refused(&request, ENVELOPE_E_SEAL_BROKEN, ENVELOPE_PROVIDER_OK);
	}
	request.wrapped_size = ENVELOPE_WRAPPED_MAX;
	refused(&request, ENVELOPE_E_SEAL_BROKEN, ENVELOPE_PROVIDER_OK);
	unwraps(&wrapped, 1);
	assert_int_equal(worker_stop(&w), 0);
}

/* All of a KEK is disabled, and enabled again */
static void test_disabled(void **state)
{
	struct envelope_worker_request request, wrap_request = worker_request(ENVELOPE_WORKER_WRAP);
	struct envelope_worker_reply wrapped[2];

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	wrapped[0] = wrap(0);
	must_change(ENVELOPE_WORKER_ROTATE, "");
	wrapped[1] = wrap(1);
	for (int round = 0; round < 2; round++) {
		must_change(ENVELOPE_WORKER_DISABLE, "");
		assert_int_equal(attributes().state, ENVELOPE_PROVIDER_DISABLED);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(version_at((uint32_t)i).state, ENVELOPE_PROVIDER_DISABLED);
			request = worker_unwrap_request(&wrapped[i]);
			refused(&request, ENVELOPE_E_KEK_REFUSED, ENVELOPE_PROVIDER_DISABLED);
		}
		refused(&wrap_request, ENVELOPE_E_KEK_REFUSED, ENVELOPE_PROVIDER_OK);
		must_change(ENVELOPE_WORKER_ENABLE, "");
		assert_int_equal(attributes().state, ENVELOPE_PROVIDER_OK);
		for (uint8_t i = 0; i < 2; i++)
			unwraps(&wrapped[i], i);
	}
	assert_string_equal(wrap(2).version, wrapped[1].version);
	assert_int_equal(worker_stop(&w), 0);
}

/* One version is disabled; the others, and those that come after it, are not */
static void test_version_disabled(void **state)
{
	struct envelope_worker_reply wrapped[2];
	struct envelope_worker_request request;

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	wrapped[0] = wrap(0);
	must_change(ENVELOPE_WORKER_ROTATE, "");
	wrapped[1] = wrap(1);
	if (!change(&w, KEK, ENVELOPE_WORKER_DISABLE, wrapped[0].version)) {
		worker_stop(&w);
		skip();
	}
	request = worker_unwrap_request(&wrapped[0]);
	refused(&request, ENVELOPE_E_KEK_REFUSED, ENVELOPE_PROVIDER_DISABLED);
	unwraps(&wrapped[1], 1);
	must_change(ENVELOPE_WORKER_ROTATE, "");
	refused(&request, ENVELOPE_E_KEK_REFUSED, ENVELOPE_PROVIDER_DISABLED);
	must_change(ENVELOPE_WORKER_ENABLE, wrapped[0].version);
	unwraps(&wrapped[0], 0);
	assert_int_equal(worker_stop(&w), 0);
}

/* As many requests as there may be at once: each is answered once, into its own cell */
static void test_at_once(void **state)
{
	struct envelope_worker_reply reply, wrapped[ENVELOPE_WORKER_CELLS];
	struct envelope_worker_request request;
	unsigned int answered = 0;

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	for (uint32_t i = 0; i < ENVELOPE_WORKER_CELLS; i++) {
		fill_cell(&w, i, (uint8_t)i);
		request = worker_request(ENVELOPE_WORKER_WRAP);
		request.id = 100 + i;
		request.cell = i;
		worker_send(&w, &request);
	}
	for (uint32_t i = 0; i < ENVELOPE_WORKER_CELLS; i++) {
		reply = worker_receive(&w);
		check_wrapped(&reply);
		assert_in_range(reply.id, 100, 100 + ENVELOPE_WORKER_CELLS - 1);
		answered |= 1U << (reply.id - 100);
		wrapped[reply.id - 100] = reply;
	}
	assert_int_equal(answered, ALL_IDS);
	for (uint32_t i = 0; i < ENVELOPE_WORKER_CELLS; i++) {
		assert_true(cell_empty(i));
		request = worker_unwrap_request(&wrapped[i]);
		request.id = i;
		request.cell = ENVELOPE_WORKER_CELLS - 1 - i;
		worker_send(&w, &request);
	}
	for (uint32_t i = 0; i < ENVELOPE_WORKER_CELLS; i++) {
		reply = worker_receive(&w);
		assert_int_equal(reply.code, ENVELOPE_OK);
		answered ^= 1U << reply.id;
	}
	assert_int_equal(answered, 0);
	for (uint8_t i = 0; i < ENVELOPE_WORKER_CELLS; i++)
		assert_true(cell_holds(ENVELOPE_WORKER_CELLS - 1U - i, i));
	assert_int_equal(worker_stop(&w), 0);
}

/* Of any kind, in the cell of the number @id, in which there is a share for it */
static struct envelope_worker_request request_of(uint32_t id,
						 const struct envelope_worker_reply *wrapped)
{
	static const uint32_t ops[] = { ENVELOPE_WORKER_WRAP, ENVELOPE_WORKER_UNWRAP,
					ENVELOPE_WORKER_ATTRIBUTES, ENVELOPE_WORKER_VERSION };
	struct envelope_worker_request request = worker_request(ops[id % N(ops)]);

	if (request.op == ENVELOPE_WORKER_UNWRAP)
		request = worker_unwrap_request(wrapped);
	if (id % 8 == 1)
		request.wrapped[0] ^= 1;
	request.id = id;
	request.cell = id;
	fill_cell(&w, id, (uint8_t)id);
	return request;
}

/* As many as there may be, none of which is answered twice. @check: each answer, where it is given
 */
static void take_all(void (*check)(const struct envelope_worker_reply *reply))
{
	struct pollfd socket = { .fd = w.socket, .events = POLLIN };
	unsigned int answered = 0;

	for (uint32_t i = 0; i < ENVELOPE_WORKER_CELLS; i++) {
		const struct envelope_worker_reply reply = worker_receive(&w);

		assert_in_range(reply.id, 0, ENVELOPE_WORKER_CELLS - 1);
		assert_false(answered & 1U << reply.id);
		answered |= 1U << reply.id;
		/* What it is to wrap, it takes; and who is refused, gets nothing */
		if (reply.code || reply.op == ENVELOPE_WORKER_WRAP)
			assert_true(cell_empty((unsigned int)reply.id));
		check(&reply);
	}
	assert_int_equal(answered, ALL_IDS);
	assert_int_equal(poll(&socket, 1, 50), 0);
}

/* An answer that one has who waits for it */
static void check_answer(const struct envelope_worker_reply *reply)
{
	if (reply->code && reply->id % 8 != 1)
		print_error("%s\n", reply->message);
	assert_int_equal(reply->code, reply->id % 8 == 1 ? ENVELOPE_E_SEAL_BROKEN : ENVELOPE_OK);
	if (reply->op == ENVELOPE_WORKER_UNWRAP && !reply->code)
		assert_true(cell_holds((unsigned int)reply->id, 1));
}

static void check_given_up(const struct envelope_worker_reply *reply)
{
	if (reply->code != ENVELOPE_E_CANCELED)
		check_answer(reply);
}

static void check_in_time(const struct envelope_worker_reply *reply)
{
	if (reply->code != ENVELOPE_E_KEK_UNAVAILABLE) {
		check_answer(reply);
		return;
	}
	assert_non_null(strstr(reply->message, KEK));
	assert_true(*reply->cure);
	if (reply->op == ENVELOPE_WORKER_UNWRAP)
		assert_in_range(reply->state, ENVELOPE_PROVIDER_THROTTLED,
				ENVELOPE_PROVIDER_UNREACHABLE);
}

static void check_too_late(const struct envelope_worker_reply *reply)
{
	assert_int_equal(reply->code, ENVELOPE_E_KEK_UNAVAILABLE);
	check_in_time(reply);
}

/* @deadline: ms from now; 0: a usual one */
static void ask_all(const struct envelope_worker_reply *wrapped, unsigned int deadline)
{
	for (uint32_t id = 0; id < ENVELOPE_WORKER_CELLS; id++) {
		struct envelope_worker_request request = request_of(id, wrapped);

		request.deadline = deadline ? worker_deadline(deadline) : 0;
		worker_send(&w, &request);
	}
}

/* Each kind at once; asked in vain, too late, and given up. Then all is as before. */
static void test_any_answer(void **state)
{
	struct envelope_worker_request request;
	struct envelope_worker_reply wrapped;

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	wrapped = wrap(1);
	ask_all(&wrapped, 0);
	take_all(check_answer);
	for (unsigned int ms = 1; ms <= 64; ms *= 2) {
		ask_all(&wrapped, ms);
		take_all(check_in_time);
	}
	for (uint32_t id = 0; id < ENVELOPE_WORKER_CELLS; id++) {
		request = request_of(id, &wrapped);
		request.deadline = worker_deadline(0);
		worker_send(&w, &request);
	}
	take_all(check_too_late);
	for (int delay = 0; delay <= 4000; delay += 1000) {
		ask_all(&wrapped, 0);
		usleep((useconds_t)delay);
		request = worker_request(ENVELOPE_WORKER_CANCEL);
		for (request.id = 0; request.id < ENVELOPE_WORKER_CELLS; request.id++)
			worker_send(&w, &request);
		take_all(check_given_up);
	}
	unwraps(&wrapped, 1);
	assert_int_equal(worker_stop(&w), 0);
}

/* envelope-keyd is gone, and the worker goes too, whatever is under way */
static void test_hung_up(void **state)
{
	struct envelope_worker_reply wrapped;

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	wrapped = wrap(1);
	for (int delay = 0; delay < 4; delay++) {
		ask_all(&wrapped, 0);
		usleep((useconds_t)delay * 1000);
		assert_int_equal(worker_stop(&w), 0);
		begin(&w, KEK);
		unwraps(&wrapped, 1);
	}
	assert_int_equal(worker_stop(&w), 0);
}

/* Where what the provider asks does not answer, whoever asks the provider is told, in time */
static void test_stalled(void **state)
{
	struct envelope_worker_request requests[3];
	struct envelope_worker_reply reply, wrapped;

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	wrapped = wrap(1);
	requests[0] = worker_unwrap_request(&wrapped);
	requests[1] = worker_request(ENVELOPE_WORKER_WRAP);
	requests[2] = worker_request(ENVELOPE_WORKER_ATTRIBUTES);
	if (run_setup("stall", KEK, "") == CANNOT) {
		worker_stop(&w);
		skip();
	}
	for (size_t i = 0; i < N(requests); i++) {
		requests[i].deadline = worker_deadline(1000 * (unsigned int)(i + 1));
		reply = worker_ask(&w, &requests[i]);
		assert_true(worker_deadline(0) < requests[i].deadline + GRACE);
		if (!reply.code)
			continue; /* it had no need to ask */
		assert_int_equal(reply.code, ENVELOPE_E_KEK_UNAVAILABLE);
		assert_non_null(strstr(reply.message, KEK));
		if (requests[i].op == ENVELOPE_WORKER_UNWRAP)
			assert_in_range(reply.state, ENVELOPE_PROVIDER_THROTTLED,
					ENVELOPE_PROVIDER_UNREACHABLE);
	}
	assert_int_equal(run_setup("resume", KEK, ""), 0);
	unwraps(&wrapped, 1);
	assert_int_equal(worker_stop(&w), 0);
}

/* Killed at any moment of any call, it leaves a KEK that the next worker finds as it was */
static void test_killed(void **state)
{
	static const uint32_t ops[] = { ENVELOPE_WORKER_WRAP, ENVELOPE_WORKER_UNWRAP,
					ENVELOPE_WORKER_ROTATE, ENVELOPE_WORKER_DISABLE,
					ENVELOPE_WORKER_ATTRIBUTES };
	struct envelope_worker_request request;
	struct envelope_worker_reply wrapped;
	uint32_t versions, last = 1;

	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	wrapped = wrap(1);
	for (int i = 0; i < 25; i++) {
		request = worker_unwrap_request(&wrapped);
		if (ops[i % 5] != ENVELOPE_WORKER_UNWRAP)
			request = worker_request(ops[i % 5]);
		worker_send(&w, &request);
		usleep((useconds_t)(i * 173 % 2000));
		worker_kill(&w);
		begin(&w, KEK);
		versions = attributes().versions;
		assert_in_range(versions, last, last + 1);
		last = versions;
		must_change(ENVELOPE_WORKER_ENABLE, "");
		unwraps(&wrapped, 1);
		assert_string_equal(wrap(2).version, attributes().version);
	}
	assert_int_equal(worker_stop(&w), 0);
}

/* Each kind of call in turn, good ones and such as are refused */
static void any_call(unsigned int i, const struct envelope_worker_reply *wrapped)
{
	struct envelope_worker_request request = worker_unwrap_request(wrapped);

	switch (i % KINDS) {
	case 0:
		wrap((uint8_t)i);
		return;
	case 1:
		unwraps(wrapped, 1);
		return;
	case 2:
		attributes();
		return;
	case 3:
		assert_int_equal(version_at(0).code, ENVELOPE_OK);
		return;
	case 4:
		request.wrapped[i % wrapped->wrapped_size] ^= 1;
		refused(&request, ENVELOPE_E_SEAL_BROKEN, ENVELOPE_PROVIDER_OK);
		return;
	default:
		strcpy(request.version, "no-such-version");
		refused(&request, ENVELOPE_E_KEK_NOT_FOUND, ENVELOPE_PROVIDER_DELETED);
	}
}

static void test_thousand(void **state)
{
	struct envelope_worker_reply wrapped;
	struct worker_use before, after;

	if (geteuid() != 0)
		skip(); /* nobody else may look into a worker */
	begin(&w, KEK);
	must_change(ENVELOPE_WORKER_CREATE, "");
	wrapped = wrap(1);
	for (unsigned int i = 0; i < CALLS / 10; i++)
		any_call(i, &wrapped);
	before = worker_measure(&w);
	for (unsigned int i = 0; i < CALLS; i++)
		any_call(i, &wrapped);
	after = worker_measure(&w);
	assert_int_equal(after.descriptors, before.descriptors);
	assert_int_equal(after.sockets, before.sockets);
	print_message("# %ld bytes more after %d calls\n", (long)(after.resident - before.resident),
		      CALLS);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what is freed for a while */
	assert_true(after.resident <= before.resident + RSS_MAX);
#endif
	assert_int_equal(worker_stop(&w), 0);
}

static int set_up(void **state)
{
	new_directory(directory);
	if (geteuid() == 0)
		assert_int_equal(chown(directory, NOBODY, NOBODY), 0);
	return run_setup("begin", KEK, OTHER) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	run_setup("end", KEK, OTHER);
	remove_directory(directory);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_created),    TEST(test_round_trip),	    TEST(test_versions),
		TEST(test_wrong_key),  TEST(test_tampered),	    TEST(test_extended),
		TEST(test_disabled),   TEST(test_version_disabled), TEST(test_at_once),
		TEST(test_any_answer), TEST(test_hung_up),	    TEST(test_stalled),
		TEST(test_killed),     TEST(test_thousand),
	};

	if (argc != 3)
		return 2;
	worker_program(argv[1]);
	setup = argv[2];
	return cmocka_run_group_tests_name("conformance", tests, NULL, NULL);
}
