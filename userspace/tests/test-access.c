// SPDX-License-Identifier: GPL-2.0-or-later
/* Whom a declaration names, and whom it does not. */
#include "test.h"

#include "access.h"

#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct envelope_access parsed(const char *text)
{
	struct envelope_access access;
	char why[160] = "";

	if (!envelope_access_parse(text, &access, why, sizeof(why)))
		fail_msg("%s: %s", text, why);
	assert_true(envelope_access_valid(&access));
	return access;
}

static void test_names(void **state)
{
	static const gid_t groups[] = { 70, 80, 90 };
	struct envelope_access access = parsed("uid:1000 \t gid:80 uid:0");

	assert_int_equal(access.n, 3);
	assert_false(envelope_access_units(&access));
	assert_true(envelope_access_names(&access, 1000, 1000, NULL, 0, ""));
	assert_true(envelope_access_names(&access, 0, 1000, NULL, 0, ""));
	assert_true(envelope_access_names(&access, 1, 80, NULL, 0, ""));
	assert_true(envelope_access_names(&access, 1, 1, groups, 2, ""));
	assert_false(envelope_access_names(&access, 1, 1, groups, 1, ""));
	assert_false(
		envelope_access_names(&access, 80, 1000, NULL, 0, "")); /* a user is no group */
	assert_false(envelope_access_names(&access, 1001, 1001, NULL, 0, ""));
	access.n = 0;
	assert_false(envelope_access_names(&access, 1000, 80, groups, 3, ""));
}

static void test_units(void **state)
{
	struct envelope_access access = parsed("uid:7 unit:backup.service unit:at\\x2d@1.scope");

	assert_true(envelope_access_units(&access));
	assert_true(envelope_access_names(&access, 1, 1, NULL, 0, "backup.service"));
	assert_true(envelope_access_names(&access, 1, 1, NULL, 0, "at\\x2d@1.scope"));
	assert_true(envelope_access_names(&access, 7, 1, NULL, 0, ""));
	assert_false(envelope_access_names(&access, 1, 1, NULL, 0, ""));
	assert_false(envelope_access_names(&access, 1, 1, NULL, 0, "backup.service2"));
	assert_false(envelope_access_names(&access, 0, 1, NULL, 0, "backup"));
	/* A unit is no user, whatever lies where his number would be */
	assert_false(envelope_access_names(&access, access.subjects[1].id, 1, NULL, 0, ""));
}

static void test_written(void **state)
{
	struct envelope_access access = parsed("uid:root gid:80 unit:backup.service");
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	envelope_access_write(&access, file);
	fclose(file);
	assert_string_equal(text, "uid:0 gid:80 unit:backup.service");
	free(text);
}

static void test_lookup(void **state)
{
	struct envelope_access access = parsed("uid:root gid:root gid:daemon");

	assert_int_equal(access.subjects[0].kind, ENVELOPE_SUBJECT_UID);
	assert_int_equal(access.subjects[0].id, 0);
	assert_int_equal(access.subjects[1].kind, ENVELOPE_SUBJECT_GID);
	assert_int_equal(access.subjects[2].id, 1);
}

static void test_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "", "nobody is named" },
		{ "  ", "nobody is named" },
		{ "root", "none of uid:USER, gid:GROUP and unit:NAME" },
		{ "user:root", "none of" },
		{ "u:0", "none of" },
		{ "uid", "none of" },
		{ "uid:", "no user \"\"" },
		{ "uid:-1", "no user \"-1\"" },
		{ "gid:1x", "no group \"1x\"" },
		{ "uid:4294967295", "no user" },
		{ "uid:99999999999999999999", "no user" },
		{ "gid:65534", "stands for everybody" },
		{ "uid:1 unit:a", "unit:a is to end in .service or .scope" },
		{ "unit:", "unit: is to end in" },
		{ "unit:.service", "unit:.service is to end in" },
		{ "unit:a.slice", "is to end in" },
		{ "unit:a/b.service", "is no name of a unit" },
		{ "unit:\303\244.service", "is no name of a unit" },
		{ "unit:" LONG LONG LONG ".service", "is no name of a unit" },
		{ "uid:1 uid:1 uid:1 uid:1 uid:1 uid:1 uid:1 uid:1 uid:1 uid:1 uid:1 uid:1 uid:1",
		  "more than 12" },
	};
	struct envelope_access access;
	char why[160];

	for (size_t i = 0; i < N(bad); i++) {
		assert_false(envelope_access_parse(bad[i][0], &access, why, sizeof(why)));
		assert_non_null(strstr(why, bad[i][1]));
	}
	access = (struct envelope_access) { .n = 1, .subjects = { { .kind = 3 } } };
	assert_false(envelope_access_valid(&access));
	access = (struct envelope_access) { .n = 1, .subjects = { { .kind = 2 } } };
	assert_false(envelope_access_valid(&access)); /* no unit, as those are in who are in none */
	access = (struct envelope_access) { .n = 1, .subjects = { { .kind = 0, .unit = "a" } } };
	assert_false(envelope_access_valid(&access));
	access.subjects[0].kind = 2;
	memset(access.subjects[0].unit, 'a', sizeof(access.subjects[0].unit));
	assert_false(envelope_access_valid(&access));
	access = (struct envelope_access) { .n = ENVELOPE_SUBJECTS_MAX + 1 };
	assert_false(envelope_access_valid(&access));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names),
					    cmocka_unit_test(test_units),
					    cmocka_unit_test(test_written),
					    cmocka_unit_test(test_lookup),
					    cmocka_unit_test(test_refused) };

	return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
