// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sector numbers to IVs: plain64, as dm-crypt counts.
 */
#include <kunit/test.h>

#include "../dm-envelope.h"

/**
 * struct iv_case - a sector and its IV
 * @name:          of the case
 * @sector_size:   bytes
 * @large_sectors: iv_large_sectors is given
 * @iv_offset:     as in the table
 * @sector:        within the target, in units of 512 bytes
 * @iv:            what must come out
 */
struct iv_case {
	const char *name;
	unsigned int sector_size;
	bool large_sectors;
	u64 iv_offset;
	u64 sector;
	u64 iv;
};

static const struct iv_case iv_cases[] = {
	{ "the first sector", 512, false, 0, 0, 0 },
	{ "the second sector", 512, false, 0, 1, 1 },
	{ "before 31 bits end", 512, false, 0, 0x7fffffff, 0x7fffffff },
	{ "after 31 bits end", 512, false, 0, 0x80000000, 0x80000000 },
	{ "before 32 bits end", 512, false, 0, 0xffffffff, 0xffffffff },
	{ "after 32 bits end: not plain", 512, false, 0, 0x100000000, 0x100000000 },
	{ "an offset", 512, false, 1000, 24, 1024 },
	{ "an offset across 32 bits", 512, false, 0xffffffff, 1, 0x100000000 },
	{ "an offset beyond 32 bits", 512, false, 0x123456789a, 0x10, 0x12345678aa },
	{ "the last of 64 bits", 512, false, U64_MAX - 1, 1, U64_MAX },
	{ "around the end of 64 bits", 512, false, U64_MAX, 1, 0 },
	{ "1024 bytes, in 512", 1024, false, 0, 2, 2 },
	{ "4096 bytes, in 512", 4096, false, 0, 8, 8 },
	{ "4096 bytes with an offset, in 512", 4096, false, 16, 8, 24 },
	{ "4096 bytes across 32 bits, in 512", 4096, false, 0, 0x100000000, 0x100000000 },
	{ "1024 bytes, large", 1024, true, 0, 2, 1 },
	{ "2048 bytes, large", 2048, true, 0, 8, 2 },
	{ "4096 bytes, large", 4096, true, 0, 8, 1 },
	{ "4096 bytes with an offset, large", 4096, true, 16, 8, 3 },
	{ "before 32 bits end, large", 4096, true, 0, 0x7fffffff8, 0xffffffff },
	{ "after 32 bits end, large", 4096, true, 0, 0x800000000, 0x100000000 },
	{ "512 bytes, large: the same", 512, true, 5, 7, 12 },
};

static void iv_name(const struct iv_case *c, char *name)
{
	strscpy(name, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(iv, iv_cases, iv_name);

static void iv_of_sector(struct kunit *test)
{
	const struct iv_case *c = test->param_value;
	struct envelope_table table = {
		.iv_offset = c->iv_offset,
		.sector_size = c->sector_size,
		.sector_shift = ilog2(c->sector_size) - SECTOR_SHIFT,
		.iv_large_sectors = c->large_sectors,
	};

	KUNIT_EXPECT_EQ(test, envelope_iv(&table, c->sector), c->iv);
}

/* What a table line says is what is counted with */
static void iv_of_table(struct kunit *test)
{
	char *argv[8] = { "aes-xts-plain64", ":64:logon:t:k", "16", "/dev/x", "0",
			 "2", "sector_size:4096", "iv_large_sectors" };
	struct envelope_table table;
	char *error;

	KUNIT_ASSERT_EQ(test, envelope_table_parse(&table, ARRAY_SIZE(argv), argv, &error), 0);
	KUNIT_EXPECT_EQ(test, envelope_iv(&table, 8), 3ULL);
	envelope_keyspec_free(&table.key);
}

static struct kunit_case iv_kunit_cases[] = {
	KUNIT_CASE_PARAM(iv_of_sector, iv_gen_params),
	KUNIT_CASE(iv_of_table),
	{}
};

static struct kunit_suite iv_suite = {
	.name = "envelope_iv",
	.test_cases = iv_kunit_cases,
};

kunit_test_suite(iv_suite);
