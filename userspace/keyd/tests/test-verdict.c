// SPDX-License-Identifier: GPL-2.0-or-later
/* What is said of a KEK, and what is done about it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "verdict.h"

static struct envelope_kek_config config;

static bool take(struct verdict *v, enum envelope_provider_state state)
{
	return verdict_take(v, state, config.on_state);
}

static void test_withdrawn(void **state)
{
	for (unsigned int bad = ENVELOPE_PROVIDER_DENIED; bad < ENVELOPE_PROVIDER_STATES; bad++) {
		struct verdict v = { .state = ENVELOPE_PROVIDER_OK };

		assert_false(take(&v, bad));
		assert_int_equal(v.state, ENVELOPE_PROVIDER_OK);
		assert_false(v.withdrawn);
		assert_true(take(&v, bad));
		assert_int_equal(v.state, bad);
		assert_true(v.withdrawn);
		assert_true(take(&v, bad)); /* it is known */
		assert_true(v.withdrawn);
		assert_true(take(&v, ENVELOPE_PROVIDER_OK));
		assert_false(v.withdrawn);
		assert_false(take(&v, bad)); /* and once more from the beginning */
	}
}

static void test_mistake(void **state)
{
	struct verdict v = { .state = ENVELOPE_PROVIDER_OK };

	assert_false(take(&v, ENVELOPE_PROVIDER_DENIED));
	assert_true(take(&v, ENVELOPE_PROVIDER_OK));
	assert_false(v.withdrawn);
	assert_false(take(&v, ENVELOPE_PROVIDER_DISABLED));
	assert_true(take(&v, ENVELOPE_PROVIDER_UNREACHABLE));
	assert_false(v.withdrawn);
	/* Said twice, but not in the same words */
	assert_false(take(&v, ENVELOPE_PROVIDER_DENIED));
	assert_true(take(&v, ENVELOPE_PROVIDER_DELETED));
	assert_true(v.withdrawn);
}

static void test_away(void **state)
{
	struct verdict v = { .state = ENVELOPE_PROVIDER_OK };

	assert_true(take(&v, ENVELOPE_PROVIDER_UNREACHABLE));
	assert_int_equal(v.state, ENVELOPE_PROVIDER_UNREACHABLE);
	assert_false(v.withdrawn);
	assert_true(take(&v, ENVELOPE_PROVIDER_THROTTLED));
	assert_false(v.withdrawn);
}

/* What was withdrawn stays so while nobody says otherwise */
static void test_withdrawn_and_away(void **state)
{
	struct verdict v = { .state = ENVELOPE_PROVIDER_OK };

	assert_false(take(&v, ENVELOPE_PROVIDER_DISABLED));
	assert_true(take(&v, ENVELOPE_PROVIDER_DISABLED));
	assert_true(take(&v, ENVELOPE_PROVIDER_THROTTLED));
	assert_int_equal(v.state, ENVELOPE_PROVIDER_THROTTLED);
	assert_true(v.withdrawn);
	assert_true(take(&v, ENVELOPE_PROVIDER_UNREACHABLE));
	assert_true(v.withdrawn);
	assert_true(take(&v, ENVELOPE_PROVIDER_OK));
	assert_false(v.withdrawn);
}

static void test_policy(void **state)
{
	struct verdict v = { .state = ENVELOPE_PROVIDER_OK };

	config.on_state[ENVELOPE_PROVIDER_UNREACHABLE] = ENVELOPE_LOSS_FENCE;
	config.on_state[ENVELOPE_PROVIDER_DISABLED] = ENVELOPE_LOSS_LEASE;
	assert_false(take(&v, ENVELOPE_PROVIDER_UNREACHABLE));
	assert_true(take(&v, ENVELOPE_PROVIDER_UNREACHABLE));
	assert_true(v.withdrawn);
	assert_true(take(&v, ENVELOPE_PROVIDER_DISABLED));
	assert_false(v.withdrawn);
}

static int set_up(void **state)
{
	envelope_kek_config_default(&config, "test");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_withdrawn, set_up),
		cmocka_unit_test_setup(test_mistake, set_up),
		cmocka_unit_test_setup(test_away, set_up),
		cmocka_unit_test_setup(test_withdrawn_and_away, set_up),
		cmocka_unit_test_setup(test_policy, set_up),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
