// SPDX-License-Identifier: GPL-2.0-or-later
/* Names, UUIDs, table and status lines: what is written is read back, the rest is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "table.h"

#define UUID "7c0b6a1e-52a7-4e0e-9d0a-6f3a4f9f2b11"
#define KEY  ":64:logon:envelope:" UUID ":data:3"

static struct table example(void)
{
	return (struct table) { .name = "data",
				.uuid = UUID,
				.device = "254:16",
				.length = 409600,
				.offset = 65536,
				.key_number = 3,
				.key_size = 64,
				.sector_size = 4096,
				.lease = 3600,
				.key_check = "0a59b90f324c64e6" };
}

static void test_names(void **state)
{
	static const char *const good[] = { "data", "a", "A-b.c_d+e=f:g@h#1", "..." };
	static const char *const bad[] = {
		"", ".", "..", "control", "a/b", "a b", "\303\244", "a\n"
	};
	char longest[TABLE_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(envelope_name_check(good[i], NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(envelope_name_check(bad[i], NULL), -ENVELOPE_E_USAGE);
	memset(longest, 'x', sizeof(longest));
	longest[TABLE_NAME_MAX + 1] = '\0';
	assert_int_equal(envelope_name_check(longest, NULL), -ENVELOPE_E_USAGE);
	longest[TABLE_NAME_MAX] = '\0';
	assert_int_equal(envelope_name_check(longest, NULL), 0);
}

static void test_uuids(void **state)
{
	char dm[TABLE_UUID_MAX + 1], back[ENVELOPE_UUID_TEXT + 1], longest[TABLE_NAME_MAX + 1];

	table_dm_uuid(UUID, "data", dm);
	assert_string_equal(dm, "CRYPT-ENVELOPE-7c0b6a1e52a74e0e9d0a6f3a4f9f2b11-data");
	assert_true(table_volume_uuid(dm, back));
	assert_string_equal(back, UUID);
	memset(longest, 'x', TABLE_NAME_MAX);
	longest[TABLE_NAME_MAX] = '\0';
	table_dm_uuid(UUID, longest, dm);
	assert_int_equal(strlen(dm), TABLE_UUID_MAX);

	assert_false(table_stock_uuid(dm, back));
	assert_true(table_stock_uuid("CRYPT-LUKS2-7c0b6a1e52a74e0e9d0a6f3a4f9f2b11-data", back));
	assert_string_equal(back, "7c0b6a1e-52a7-4e0e-9d0a-6f3a4f9f2b11");
	assert_false(table_stock_uuid("CRYPT-LUKS1-7c0b6a1e52a74e0e9d0a6f3a4f9f2b11-data", back));
	assert_false(table_volume_uuid("", back));
	assert_false(table_volume_uuid("CRYPT-LUKS2-7c0b6a1e52a74e0e9d0a6f3a4f9f2b11-data", back));
	assert_false(
		table_volume_uuid("CRYPT-ENVELOPE-7c0b6a1e52a74e0e9d0a6f3a4f9f2b1-data", back));
	assert_false(table_volume_uuid("CRYPT-ENVELOPE-7c0b6a1e52a74e0e9d0a6f3a4f9f2b11", back));
	assert_false(
		table_volume_uuid("CRYPT-ENVELOPE-7C0b6a1e52a74e0e9d0a6f3a4f9f2b11-data", back));
}

static void check_round_trip(const struct table *table, const char *line)
{
	char text[TABLE_LINE_MAX];
	struct table back = *table;

	assert_int_equal(table_format(table, text, sizeof(text)), 0);
	assert_string_equal(text, line);
	back.offset = back.key_number = back.key_size = back.sector_size = back.lease = 7;
	back.queue = !table->queue;
	assert_int_equal(table_parse(text, &back), 0);
	assert_memory_equal(&back, table, sizeof(back));
}

static void test_lines(void **state)
{
	struct table table = example();

	check_round_trip(&table, "aes-xts-plain64 " KEY " 0 254:16 65536 3 sector_size:4096 "
				 "key_check:0a59b90f324c64e6 lease:3600");
	table.sector_size = 512;
	table.lease = 0;
	*table.key_check = '\0';
	memset(table.key_check, 0, sizeof(table.key_check));
	check_round_trip(&table, "aes-xts-plain64 " KEY " 0 254:16 65536 0");
	table.queue = table.allow_discards = true;
	table.queue_timeout = 5;
	check_round_trip(&table, "aes-xts-plain64 " KEY " 0 254:16 65536 3 allow_discards "
				 "on_key_loss:queue queue_timeout:5");
}

static void test_bad_lines(void **state)
{
	static const char *const bad[] = {
		"",
		"aes-cbc-plain64 " KEY " 0 254:16 65536",
		"aes-xts-plain64 00112233 0 254:16 65536",
		"aes-xts-plain64 :64:user:envelope:" UUID ":data:3 0 254:16 65536",
		"aes-xts-plain64 :6400:logon:envelope:" UUID ":data:3 0 254:16 65536",
		"aes-xts-plain64 :64:logon:envelope:" UUID ":data:x 0 254:16 65536",
		"aes-xts-plain64 " KEY " 8 254:16 65536",
		"aes-xts-plain64 " KEY " 0 254:16 -1",
		"aes-xts-plain64 " KEY " 0 254:16 99999999999999999999",
		"aes-xts-plain64 " KEY " 0 254:16 65536 2 lease:1",
		"aes-xts-plain64 " KEY " 0 254:16 65536 1 lease:4294967296",
		"aes-xts-plain64 " KEY " 0 254:16 65536 1 key_check:0a59b90f324c64e60",
		"aes-xts-plain64 " KEY " 0 254:16 65536 1 unknown",
	};
	struct table table;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(table_parse(bad[i], &table), -EINVAL);
}

#define REFUSED(member, value)                                                                     \
	do {                                                                                       \
		struct table wrong = example();                                                    \
		wrong.member = value;                                                              \
		assert_int_equal(table_format(&wrong, text, sizeof(text)), -EINVAL);               \
	} while (0)

static void test_ranges(void **state)
{
	struct table table = example();
	char text[TABLE_LINE_MAX];

	REFUSED(name[0], '/');
	REFUSED(uuid[0], 'G');
	REFUSED(uuid[35], '\0');
	REFUSED(device[0], '/');
	REFUSED(device[3], '\0');
	REFUSED(key_check[15], 'x');
	REFUSED(key_check[16], 'a');
	REFUSED(key_size, 16);
	REFUSED(sector_size, 8192);
	REFUSED(sector_size, 0);
	REFUSED(length, 0);
	REFUSED(length, 409601);
	REFUSED(queue_timeout, 5);
	memset(table.name, 'x', sizeof(table.name));
	assert_int_equal(table_format(&table, text, sizeof(text)), -EINVAL);
	table = example();
	assert_int_equal(table_format(&table, text, 40), -EINVAL);
}

static void test_key(void **state)
{
	struct table table = example();
	char text[TABLE_KEY_MAX];

	assert_int_equal(table_key(&table, text, sizeof(text)), 0);
	assert_string_equal(text, KEY);
	memset(table.name, ':', TABLE_NAME_MAX);
	table.name[TABLE_NAME_MAX] = '\0';
	table.key_number = UINT64_MAX;
	assert_int_equal(table_key(&table, text, sizeof(text)), 0);
}

static void test_status(void **state)
{
	struct table_status s;

	assert_int_equal(table_status_parse("active reason:none since:17 lease:3600/3599 "
					    "key_generation:2 cipher:xts-aes-aesni reads:48 "
					    "writes:5 discards:6 errors:7 held:8",
					    &s),
			 0);
	assert_false(s.fenced);
	assert_string_equal(s.reason, "none");
	assert_string_equal(s.cipher, "xts-aes-aesni");
	assert_int_equal(s.since, 17);
	assert_int_equal(s.lease_left, 3599);
	assert_int_equal(s.generation, 2);
	assert_int_equal(s.held, 8);
	assert_int_equal(s.reads, 48);
	assert_int_equal(s.writes, 5);
	assert_int_equal(s.discards, 6);
	assert_int_equal(s.errors, 7);
	assert_int_equal(table_status_parse("fenced reason:wiped since:1 more:later", &s), 0);
	assert_true(s.fenced);
	assert_string_equal(s.reason, "wiped");
	assert_int_equal(table_status_parse("fencing reason:lease since:1", &s), 0);
	assert_true(s.fenced);
	assert_int_equal(table_status_parse("active lease:none", &s), 0);
	assert_int_equal(s.lease_left, 0);
	assert_int_equal(table_status_parse("active lease:5/x", &s), -EINVAL);
	assert_int_equal(table_status_parse("", &s), -EINVAL);
	assert_int_equal(table_status_parse("odd", &s), -EINVAL);
	assert_int_equal(table_status_parse("active reads:x", &s), -EINVAL);
	assert_int_equal(
		table_status_parse("active reason:far-too-long-to-be-a-reason-of-ours", &s),
		-EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),  cmocka_unit_test(test_uuids),
		cmocka_unit_test(test_lines),  cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_ranges), cmocka_unit_test(test_key),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
