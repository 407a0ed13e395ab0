// SPDX-License-Identifier: GPL-2.0-or-later
/* What a worker answers is taken only when every field is well-formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "worker.h"

static struct envelope_worker_reply example(void)
{
	return (struct envelope_worker_reply) { .protocol = ENVELOPE_WORKER_PROTOCOL,
						.op = ENVELOPE_WORKER_WRAP,
						.id = 1,
						.wrapped_size = 40,
						.version = "1",
						.algorithm = "A256KWP",
						.created = "2026-01-31T12:00:00Z" };
}

#define REFUSED(member, value)                                                                     \
	do {                                                                                       \
		struct envelope_worker_reply wrong = example();                                    \
		wrong.member = value;                                                              \
		assert_false(worker_reply_valid(&wrong, sizeof(wrong)));                           \
	} while (0)

static void test_numbers(void **state)
{
	struct envelope_worker_reply reply = example();

	assert_true(worker_reply_valid(&reply, sizeof(reply)));
	assert_false(worker_reply_valid(&reply, sizeof(reply) - 1));
	assert_false(worker_reply_valid(&reply, sizeof(reply) + 1));
	REFUSED(protocol, ENVELOPE_WORKER_PROTOCOL + 1);
	REFUSED(op, 0);
	REFUSED(op, ENVELOPE_WORKER_OPS);
	REFUSED(code, ENVELOPE_CODES);
	REFUSED(state, ENVELOPE_PROVIDER_STATES);
	REFUSED(recoverability, ENVELOPE_RECOVERABILITIES);
	REFUSED(wrapped_size, ENVELOPE_WRAPPED_MAX + 1);
}

#define UNTERMINATED(member)                                                                       \
	do {                                                                                       \
		struct envelope_worker_reply wrong = example();                                    \
		memset(wrong.member, 'x', sizeof(wrong.member));                                   \
		assert_false(worker_reply_valid(&wrong, sizeof(wrong)));                           \
		wrong.member[sizeof(wrong.member) - 1] = '\0';                                     \
		assert_true(worker_reply_valid(&wrong, sizeof(wrong)));                            \
		wrong.member[0] = '\n';                                                            \
		assert_false(worker_reply_valid(&wrong, sizeof(wrong)));                           \
	} while (0)

static void test_texts(void **state)
{
	struct envelope_worker_reply reply = example();

	UNTERMINATED(version);
	UNTERMINATED(algorithm);
	UNTERMINATED(message);
	UNTERMINATED(cure);
	strcpy(reply.message, "Schl\303\274ssel");
	assert_true(worker_reply_valid(&reply, sizeof(reply)));
	strcpy(reply.message, "Schl\303");
	assert_false(worker_reply_valid(&reply, sizeof(reply)));
	*reply.message = '\0';
	strcpy(reply.version, "\303\274");
	assert_false(worker_reply_valid(&reply, sizeof(reply)));
	strcpy(reply.version, "1 2"); /* no slot can name it */
	assert_false(worker_reply_valid(&reply, sizeof(reply)));
}

/* What the daemon relies on in a reply that it believes */
static void check_believed(const struct envelope_worker_reply *reply)
{
	const char *const texts[] = { reply->version, reply->algorithm, reply->created,
				      reply->message, reply->cure };
	const size_t rooms[] = { sizeof(reply->version), sizeof(reply->algorithm),
				 sizeof(reply->created), sizeof(reply->message),
				 sizeof(reply->cure) };

	assert_int_equal(reply->protocol, ENVELOPE_WORKER_PROTOCOL);
	assert_in_range(reply->op, 1, ENVELOPE_WORKER_OPS - 1);
	assert_in_range(reply->code, 0, ENVELOPE_CODES - 1);
	assert_in_range(reply->state, 0, ENVELOPE_PROVIDER_STATES - 1);
	assert_in_range(reply->wrapped_size, 0, sizeof(reply->wrapped));
	assert_true(reply->code == ENVELOPE_OK || *reply->message);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_non_null(memchr(texts[i], '\0', rooms[i]));
		for (const char *c = texts[i]; *c; c++)
			assert_true(*c < 0 || *c >= ' ');
	}
	assert_null(strpbrk(reply->version, " \"\\"));
	assert_null(strpbrk(reply->algorithm, " \"\\"));
}

/* Any byte of a reply may be anything */
static void test_every_byte(void **state)
{
	struct envelope_worker_reply reply = example();
	uint8_t *bytes = (uint8_t *)&reply, before;

	for (size_t i = 0; i < sizeof(reply); i++) {
		before = bytes[i];
		for (unsigned int value = 0; value < 256; value++) {
			bytes[i] = (uint8_t)value;
			if (worker_reply_valid(&reply, sizeof(reply)))
				check_believed(&reply);
		}
		bytes[i] = before;
	}
}

static void test_every_size(void **state)
{
	static uint8_t room[2 * sizeof(struct envelope_worker_reply)];
	struct envelope_worker_reply reply = example();

	memcpy(room, &reply, sizeof(reply));
	for (size_t size = 0; size <= sizeof(room); size++)
		assert_int_equal(worker_reply_valid((void *)room, size), size == sizeof(reply));
}

/* Who fails says why */
static void test_speechless(void **state)
{
	struct envelope_worker_reply reply = example();

	for (uint32_t code = 1; code < ENVELOPE_CODES; code++) {
		reply.code = code;
		*reply.message = '\0';
		assert_false(worker_reply_valid(&reply, sizeof(reply)));
		strcpy(reply.message, "no");
		assert_true(worker_reply_valid(&reply, sizeof(reply)));
	}
}

#define TIME(member)                                                                               \
	do {                                                                                       \
		struct envelope_worker_reply reply = example();                                    \
		memset(reply.member, '1', sizeof(reply.member));                                   \
		assert_false(worker_reply_valid(&reply, sizeof(reply)));                           \
		strcpy(reply.member, "2027-01-31T12:00:00Z");                                      \
		assert_true(worker_reply_valid(&reply, sizeof(reply)));                            \
		reply.member[ENVELOPE_TIME_TEXT] = '1';                                            \
		assert_false(worker_reply_valid(&reply, sizeof(reply)));                           \
		strcpy(reply.member, "tomorrow");                                                  \
		assert_false(worker_reply_valid(&reply, sizeof(reply)));                           \
		strcpy(reply.member, "");                                                          \
		assert_true(worker_reply_valid(&reply, sizeof(reply)));                            \
	} while (0)

static void test_times(void **state)
{
	TIME(created);
	TIME(not_before);
	TIME(expires);
	TIME(date);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	   cmocka_unit_test(test_texts),
		cmocka_unit_test(test_every_byte), cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_speechless), cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
