// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mark.h"

#define SECOND 1000000ULL

static void assert_next(unsigned int lease, uint64_t left, enum mark first, enum mark next,
			uint64_t seconds)
{
	uint64_t at;

	assert_int_equal(mark_next(lease, left, first, &at), next);
	assert_int_equal(at, seconds * SECOND);
}

static void an_hour(void **state)
{
	assert_next(3600, 3600 * SECOND, MARK_HALF, MARK_HALF, 1800);
	assert_next(3600, 1800 * SECOND, MARK_THREE_QUARTERS, MARK_THREE_QUARTERS, 900);
	assert_next(3600, 900 * SECOND, MARK_FIVE_MINUTES, MARK_FIVE_MINUTES, 300);
	assert_next(3600, 300 * SECOND, MARK_OVER, MARK_OVER, 0);
}

static void cut_short(void **state)
{
	assert_next(3600, 1000 * SECOND, MARK_HALF, MARK_THREE_QUARTERS, 900);
	assert_next(3600, 300 * SECOND + 1, MARK_HALF, MARK_FIVE_MINUTES, 300);
	assert_next(3600, 60 * SECOND, MARK_HALF, MARK_OVER, 0);
	assert_next(3600, 0, MARK_HALF, MARK_OVER, 0);
}

/* Three quarters of it are over later than that, or as soon */
static void too_short_for_minutes(void **state)
{
	assert_next(1200, 300 * SECOND, MARK_FIVE_MINUTES, MARK_OVER, 0);
	assert_next(1201, 300 * SECOND + 1, MARK_FIVE_MINUTES, MARK_FIVE_MINUTES, 300);
	assert_next(6, 6 * SECOND, MARK_HALF, MARK_HALF, 3);
	assert_next(6, 1 * SECOND, MARK_FIVE_MINUTES, MARK_OVER, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_hour),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(too_short_for_minutes),
	};

	return cmocka_run_group_tests_name("mark", tests, NULL, NULL);
}
