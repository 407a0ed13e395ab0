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
	UNTERMINATED(created);
	UNTERMINATED(message);
	UNTERMINATED(cure);
	strcpy(reply.message, "Schl\303\274ssel");
	assert_true(worker_reply_valid(&reply, sizeof(reply)));
	strcpy(reply.version, "\303\274");
	assert_false(worker_reply_valid(&reply, sizeof(reply)));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_numbers),
					    cmocka_unit_test(test_texts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
