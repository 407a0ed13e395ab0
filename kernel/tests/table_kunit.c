// SPDX-License-Identifier: GPL-2.0-only
/*
 * Table lines: what is understood, and that all else is refused by its name.
 */
#include <linux/string.h>
#include <keys/user-type.h>
#include <kunit/test.h>

#include "../dm-envelope.h"

#define CIPHER	"aes-xts-plain64"
#define KEY	":64:logon:envelope:v:n:1"
#define LINE	CIPHER " " KEY " 0 /dev/vdb 65536"
#define CHECK	"key_check:0123456789abcdef"

static int parse(struct kunit *test, const char *line, struct envelope_table *table, char **error)
{
	int argc, r;
	char **argv = argv_split(GFP_KERNEL, line, &argc);

	KUNIT_ASSERT_NOT_NULL(test, argv);
	*error = NULL;
	r = envelope_table_parse(table, argc, argv, error);
	table->device = NULL;
	argv_free(argv);
	return r;
}

static void parse_good(struct kunit *test, const char *line, struct envelope_table *table)
{
	char *error;
	int r = parse(test, line, table, &error);

	KUNIT_ASSERT_EQ_MSG(test, r, 0, "%s: %s", line, error);
}

static void table_minimal(struct kunit *test)
{
	char *argv[5] = { CIPHER, KEY, "7", "/dev/vdb", "65536" };
	struct envelope_table table;
	char *error;

	KUNIT_ASSERT_EQ(test, envelope_table_parse(&table, ARRAY_SIZE(argv), argv, &error), 0);

	KUNIT_EXPECT_EQ(test, table.key.size, 64U);
	KUNIT_EXPECT_PTR_EQ(test, table.key.type, &key_type_logon);
	KUNIT_EXPECT_STREQ(test, table.key.text, "logon:envelope:v:n:1");
	KUNIT_EXPECT_STREQ(test, table.key.description, "envelope:v:n:1");
	KUNIT_EXPECT_EQ(test, table.iv_offset, 7ULL);
	KUNIT_EXPECT_STREQ(test, table.device, "/dev/vdb");
	KUNIT_EXPECT_EQ(test, table.start, 65536ULL);
	KUNIT_EXPECT_EQ(test, table.sector_size, 512U);
	KUNIT_EXPECT_EQ(test, table.sector_shift, 0U);
	KUNIT_EXPECT_FALSE(test, table.allow_discards);
	KUNIT_EXPECT_FALSE(test, table.iv_large_sectors);
	KUNIT_EXPECT_FALSE(test, table.has_key_check);
	KUNIT_EXPECT_EQ(test, table.lease, 0U);
	KUNIT_EXPECT_EQ(test, (int)table.on_key_loss, ENVELOPE_ERROR);
	KUNIT_EXPECT_EQ(test, table.queue_timeout, 0U);
	envelope_keyspec_free(&table.key);
}

static void table_all_options(struct kunit *test)
{
	static const u8 check[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	struct envelope_table table;

	parse_good(test, LINE " 7 allow_discards sector_size:4096 iv_large_sectors " CHECK
		   " lease:3600 on_key_loss:queue queue_timeout:60", &table);
	KUNIT_EXPECT_TRUE(test, table.allow_discards);
	KUNIT_EXPECT_EQ(test, table.sector_size, 4096U);
	KUNIT_EXPECT_EQ(test, table.sector_shift, 3U);
	KUNIT_EXPECT_TRUE(test, table.iv_large_sectors);
	KUNIT_EXPECT_TRUE(test, table.has_key_check);
	KUNIT_EXPECT_EQ(test, memcmp(table.key_check, check, sizeof(check)), 0);
	KUNIT_EXPECT_EQ(test, table.lease, 3600U);
	KUNIT_EXPECT_EQ(test, (int)table.on_key_loss, ENVELOPE_QUEUE);
	KUNIT_EXPECT_EQ(test, table.queue_timeout, 60U);
	envelope_keyspec_free(&table.key);
}

/**
 * struct line_case - a table line, or a key string
 * @name:  of the case
 * @line:  the text
 * @error: what is said of it, NULL where it is good
 */
struct line_case {
	const char *name;
	const char *line;
	const char *error;
};

static void line_name(const struct line_case *c, char *name)
{
	strscpy(name, c->name, KUNIT_PARAM_DESC_SIZE);
}

static const struct line_case good_lines[] = {
	{ "32 key bytes", CIPHER " :32:logon:t:k 0 /dev/vdb 0" },
	{ "user key", CIPHER " :64:user:k 0 /dev/vdb 0" },
	{ "encrypted key", CIPHER " :64:encrypted:k 0 /dev/vdb 0" },
	{ "device by number", CIPHER " " KEY " 0 254:3 0" },
	{ "no options", LINE " 0" },
	{ "512 bytes, said", LINE " 1 sector_size:512" },
	{ "1024 bytes", LINE " 1 sector_size:1024" },
	{ "2048 bytes", LINE " 1 sector_size:2048" },
	{ "the largest iv_offset", CIPHER " " KEY " 18446744073709551615 /dev/vdb 0" },
	{ "an iv_offset of whole sectors", CIPHER " " KEY " 8 /dev/vdb 0 1 sector_size:4096" },
	{ "options in any order", LINE " 3 queue_timeout:1 on_key_loss:queue allow_discards" },
	{ "key check in capitals", LINE " 1 key_check:0123456789ABCDEF" },
	{ "on_key_loss:error, said", LINE " 1 on_key_loss:error" },
	{ "the longest lease", LINE " 1 lease:4294967295" },
};

KUNIT_ARRAY_PARAM(good_line, good_lines, line_name);

static void table_good(struct kunit *test)
{
	const struct line_case *c = test->param_value;
	struct envelope_table table;

	parse_good(test, c->line, &table);
	envelope_keyspec_free(&table.key);
}

#define E_ARGUMENTS	"Too few arguments: <cipher> <key> <iv_offset> <device> <offset>"
#define E_CIPHER	"The cipher must be aes-xts-plain64"
#define E_KEY		"The key must be given as :<bytes>:<type>:<description>"
#define E_HEX		"Key bytes go into a keyring, :<bytes>:logon:<name> here"
#define E_KEY_SIZE	"The key must be of 32 or 64 bytes"
#define E_KEY_TYPE	"The key type must be logon, user or encrypted"
#define E_IV_OFFSET	"iv_offset must be a number of 512-byte sectors"
#define E_IV_ALIGN	"iv_offset must be a multiple of sector_size"
#define E_START		"The device offset must be a number of 512-byte sectors"
#define E_COUNT		"The number of options is wrong"
#define E_UNKNOWN	"Unknown option"
#define E_TWICE		"An option is given twice"
#define E_SECTOR_SIZE	"sector_size must be 512, 1024, 2048 or 4096"
#define E_CHECK		"key_check must be 16 hexadecimal digits"
#define E_LEASE		"lease must be a number of seconds"
#define E_LOSS		"on_key_loss must be error or queue"
#define E_TIMEOUT	"queue_timeout must be 1 to 604800 seconds"
#define E_NO_QUEUE	"queue_timeout needs on_key_loss:queue"

static const struct line_case bad_lines[] = {
	{ "nothing", "", E_ARGUMENTS },
	{ "no offset", CIPHER " " KEY " 0 /dev/vdb", E_ARGUMENTS },
	{ "cipher plain", "aes-xts-plain " KEY " 0 /dev/vdb 0", E_CIPHER },
	{ "cipher cbc", "aes-cbc-essiv:sha256 " KEY " 0 /dev/vdb 0", E_CIPHER },
	{ "cipher with more", "aes-xts-plain64x " KEY " 0 /dev/vdb 0", E_CIPHER },
	{ "cipher by capi", "capi:xts(aes)-plain64 " KEY " 0 /dev/vdb 0", E_CIPHER },

	{ "hex key", CIPHER " 00112233445566778899aabbccddeeff 0 /dev/vdb 0", E_HEX },
	{ "no key", CIPHER " - 0 /dev/vdb 0", E_KEY },
	{ "key without colon", CIPHER " 64:logon:t:k 0 /dev/vdb 0", E_KEY },
	{ "key without size", CIPHER " ::logon:t:k 0 /dev/vdb 0", E_KEY },
	{ "key without type", CIPHER " :64 0 /dev/vdb 0", E_KEY },
	{ "key without description", CIPHER " :64:logon 0 /dev/vdb 0", E_KEY },
	{ "key of empty description", CIPHER " :64:logon: 0 /dev/vdb 0", E_KEY },
	{ "key of a long size", CIPHER " :000064:logon:t:k 0 /dev/vdb 0", E_KEY },
	{ "key of no size", CIPHER " :x:logon:t:k 0 /dev/vdb 0", E_KEY },
	{ "key of negative size", CIPHER " :-64:logon:t:k 0 /dev/vdb 0", E_KEY },
	{ "key of 0 bytes", CIPHER " :0:logon:t:k 0 /dev/vdb 0", E_KEY_SIZE },
	{ "key of 48 bytes", CIPHER " :48:logon:t:k 0 /dev/vdb 0", E_KEY_SIZE },
	{ "key of 65 bytes", CIPHER " :65:logon:t:k 0 /dev/vdb 0", E_KEY_SIZE },
	{ "trusted key", CIPHER " :64:trusted:k 0 /dev/vdb 0", E_KEY_TYPE },
	{ "key of empty type", CIPHER " :64::k 0 /dev/vdb 0", E_KEY_TYPE },
	{ "key type cut short", CIPHER " :64:logo:t:k 0 /dev/vdb 0", E_KEY_TYPE },
	{ "key type in capitals", CIPHER " :64:LOGON:t:k 0 /dev/vdb 0", E_KEY_TYPE },

	{ "iv_offset no number", CIPHER " " KEY " x /dev/vdb 0", E_IV_OFFSET },
	{ "iv_offset negative", CIPHER " " KEY " -1 /dev/vdb 0", E_IV_OFFSET },
	{ "iv_offset too large", CIPHER " " KEY " 18446744073709551616 /dev/vdb 0", E_IV_OFFSET },
	{ "iv_offset in hex", CIPHER " " KEY " 0x10 /dev/vdb 0", E_IV_OFFSET },
	{ "iv_offset unaligned", CIPHER " " KEY " 4 /dev/vdb 0 1 sector_size:4096", E_IV_ALIGN },
	{ "offset no number", CIPHER " " KEY " 0 /dev/vdb 1k", E_START },
	{ "offset negative", CIPHER " " KEY " 0 /dev/vdb -8", E_START },
	{ "offset too large", CIPHER " " KEY " 0 /dev/vdb 99999999999999999999", E_START },

	{ "fewer options than said", LINE " 2 allow_discards", E_COUNT },
	{ "more options than said", LINE " 1 allow_discards lease:5", E_COUNT },
	{ "option count no number", LINE " allow_discards", E_COUNT },
	{ "option count negative", LINE " -1", E_COUNT },
	{ "unknown option", LINE " 1 same_cpu_crypt", E_UNKNOWN },
	{ "option with more", LINE " 1 allow_discardsx", E_UNKNOWN },
	{ "option with a value", LINE " 1 allow_discards:1", E_UNKNOWN },
	{ "option without its value", LINE " 1 sector_size", E_UNKNOWN },
	{ "option in capitals", LINE " 1 ALLOW_DISCARDS", E_UNKNOWN },
	{ "flag twice", LINE " 2 allow_discards allow_discards", E_TWICE },
	{ "value twice", LINE " 2 lease:5 lease:6", E_TWICE },

	{ "sector_size 0", LINE " 1 sector_size:0", E_SECTOR_SIZE },
	{ "sector_size 256", LINE " 1 sector_size:256", E_SECTOR_SIZE },
	{ "sector_size 520", LINE " 1 sector_size:520", E_SECTOR_SIZE },
	{ "sector_size 8192", LINE " 1 sector_size:8192", E_SECTOR_SIZE },
	{ "sector_size empty", LINE " 1 sector_size:", E_SECTOR_SIZE },
	{ "sector_size with a unit", LINE " 1 sector_size:4k", E_SECTOR_SIZE },
	{ "key_check empty", LINE " 1 key_check:", E_CHECK },
	{ "key_check too short", LINE " 1 key_check:0123456789abcde", E_CHECK },
	{ "key_check too long", LINE " 1 key_check:0123456789abcdef0", E_CHECK },
	{ "key_check no hex", LINE " 1 key_check:0123456789abcdeg", E_CHECK },
	{ "lease 0", LINE " 1 lease:0", E_LEASE },
	{ "lease negative", LINE " 1 lease:-1", E_LEASE },
	{ "lease too long", LINE " 1 lease:4294967296", E_LEASE },
	{ "lease with a unit", LINE " 1 lease:1h", E_LEASE },
	{ "on_key_loss empty", LINE " 1 on_key_loss:", E_LOSS },
	{ "on_key_loss unknown", LINE " 1 on_key_loss:panic", E_LOSS },
	{ "on_key_loss with more", LINE " 1 on_key_loss:queued", E_LOSS },
	{ "queue_timeout 0", LINE " 2 on_key_loss:queue queue_timeout:0", E_TIMEOUT },
	{ "queue_timeout too long", LINE " 2 on_key_loss:queue queue_timeout:604801", E_TIMEOUT },
	{ "queue_timeout no number", LINE " 2 on_key_loss:queue queue_timeout:x", E_TIMEOUT },
	{ "queue_timeout alone", LINE " 1 queue_timeout:60", E_NO_QUEUE },
	{ "queue_timeout with error", LINE " 2 on_key_loss:error queue_timeout:60", E_NO_QUEUE },
};

KUNIT_ARRAY_PARAM(bad_line, bad_lines, line_name);

static void table_bad(struct kunit *test)
{
	const struct line_case *c = test->param_value;
	struct envelope_table table;
	char *error;

	KUNIT_ASSERT_EQ(test, parse(test, c->line, &table, &error), -EINVAL);
	KUNIT_EXPECT_STREQ(test, error, c->error);
	KUNIT_EXPECT_NULL(test, table.key.text);
}

static void on_key_loss_names(struct kunit *test)
{
	enum envelope_on_key_loss policy = ENVELOPE_ERROR;

	KUNIT_EXPECT_EQ(test, envelope_on_key_loss_parse("queue", &policy), 0);
	KUNIT_EXPECT_EQ(test, (int)policy, ENVELOPE_QUEUE);
	KUNIT_EXPECT_STREQ(test, envelope_on_key_loss_name(policy), "queue");
	KUNIT_EXPECT_EQ(test, envelope_on_key_loss_parse("wait", &policy), -EINVAL);
	KUNIT_EXPECT_EQ(test, (int)policy, ENVELOPE_QUEUE);
	KUNIT_EXPECT_EQ(test, envelope_on_key_loss_parse("error", &policy), 0);
	KUNIT_EXPECT_STREQ(test, envelope_on_key_loss_name(policy), "error");
}

/* Of a message, where the table's lease is of 60 s */
static void lease_within(struct kunit *test)
{
	static const char *const bad[] = {
		"", "0", "-1", "61", "4294967296", "4294967297", "1s", "0x10", " 5",
	};
	unsigned int i, seconds = 7;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ_MSG(test, envelope_lease_parse(bad[i], 60, &seconds), -EINVAL,
				    "%s", bad[i]);
		KUNIT_EXPECT_EQ(test, seconds, 7U);
	}
	KUNIT_EXPECT_EQ(test, envelope_lease_parse("1", 60, &seconds), 0);
	KUNIT_EXPECT_EQ(test, seconds, 1U);
	KUNIT_EXPECT_EQ(test, envelope_lease_parse("60", 60, &seconds), 0);
	KUNIT_EXPECT_EQ(test, seconds, 60U);
	KUNIT_EXPECT_EQ(test, envelope_lease_parse("1", 0, &seconds), -EINVAL);
}

static struct kunit_case table_cases[] = {
	KUNIT_CASE(table_minimal),
	KUNIT_CASE(table_all_options),
	KUNIT_CASE_PARAM(table_good, good_line_gen_params),
	KUNIT_CASE_PARAM(table_bad, bad_line_gen_params),
	KUNIT_CASE(on_key_loss_names),
	KUNIT_CASE(lease_within),
	{}
};

static struct kunit_suite table_suite = {
	.name = "envelope_table",
	.test_cases = table_cases,
};

kunit_test_suite(table_suite);
