// SPDX-License-Identifier: GPL-2.0-or-later
/* How many shares a slot needs, since when it has them, and whose loss it cannot bear */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quorum.h"

static const char two[][ENVELOPE_KEK_NAME_MAX + 1] = { "a", "b" };
static const char three[][ENVELOPE_KEK_NAME_MAX + 1] = { "a", "b", "c" };
static const char twice[][ENVELOPE_KEK_NAME_MAX + 1] = { "a", "b", "a" };

static void test_time(void **state)
{
	const uint64_t times[] = { 30, 0, 20 };
	struct quorum q;

	quorum_of(&q, 1, 3, three);
	assert_int_equal(quorum_time(&q, times), 30);
	quorum_of(&q, 2, 3, three);
	assert_int_equal(quorum_time(&q, times), 20);
	quorum_of(&q, 3, 3, three);
	assert_int_equal(quorum_time(&q, times), 0);
	quorum_of(&q, 1, 1, two);
	assert_int_equal(quorum_time(&q, times), 30);
	quorum_of(&q, 0, 0, NULL);
	assert_int_equal(quorum_time(&q, times), 0);
}

/* Exactly these sets, as bits, break it */
static void assert_broken_by(const struct quorum *q, const unsigned int *sets, size_t n)
{
	size_t found = 0;

	for (unsigned int shares = 0; shares < 1U << q->n; shares++) {
		if (!quorum_breaks(q, shares))
			continue;
		assert_true(found < n);
		assert_int_equal(shares, sets[found++]);
	}
	assert_int_equal(found, n);
}

static void test_breaks(void **state)
{
	struct quorum q;

	quorum_of(&q, 1, 1, two);
	assert_broken_by(&q, (unsigned int[]) { 1 }, 1);
	quorum_of(&q, 1, 2, two);
	assert_broken_by(&q, (unsigned int[]) { 3 }, 1);
	quorum_of(&q, 2, 2, two);
	assert_broken_by(&q, (unsigned int[]) { 1, 2 }, 2);
	quorum_of(&q, 2, 3, three);
	assert_broken_by(&q, (unsigned int[]) { 3, 5, 6 }, 3);
	/* The first and the third share are of one KEK, and go together */
	quorum_of(&q, 2, 3, twice);
	assert_broken_by(&q, (unsigned int[]) { 5 }, 1);
	quorum_of(&q, 3, 3, twice);
	assert_broken_by(&q, (unsigned int[]) { 2, 5 }, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_breaks),
	};

	return cmocka_run_group_tests_name("quorum", tests, NULL, NULL);
}
