// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include "crypto.h"
#include "recovery.h"

static const struct envelope_geometry geometry = {
	.uuid = "7c0b6a1e-52a7-4e0e-9d0a-6f3a4f9f2b11",
	.key_size = 64,
	.sector_size = 4096,
	.data_offset = 32 << 20,
};

/* 00 01 … 1f; the checksum is of an independent computation */
#define KEY_TEXT                                                                                   \
	"cccbcdce-cfcgchci-cjckclcn-crctcucv-bcbbbdbe-bfbgbhbi-bjbkblbn-brbtbubv-" KEY_CHECKSUM
#define KEY_CHECKSUM "lvbbjlev"

static void count(uint8_t key[static ENVELOPE_RECOVERY_BYTES])
{
	for (int i = 0; i < ENVELOPE_RECOVERY_BYTES; i++)
		key[i] = (uint8_t)i;
}

static void test_text(void **state)
{
	uint8_t key[ENVELOPE_RECOVERY_BYTES], back[ENVELOPE_RECOVERY_BYTES];
	char text[ENVELOPE_RECOVERY_TEXT + 1];
	struct envelope_error e = {};

	count(key);
	assert_int_equal(envelope_recovery_text(key, text), 0);
	assert_string_equal(text, KEY_TEXT);
	assert_good(envelope_recovery_parse(text, strlen(text), back, &e));
	assert_memory_equal(back, key, sizeof(key));
	for (int i = 0; i < 100; i++) {
		assert_int_equal(envelope_random(key, sizeof(key)), 0);
		assert_int_equal(envelope_recovery_text(key, text), 0);
		assert_int_equal(strlen(text), ENVELOPE_RECOVERY_TEXT);
		assert_good(envelope_recovery_parse(text, strlen(text), back, &e));
		assert_memory_equal(back, key, sizeof(key));
	}
}

/* As people type */
static void test_typed(void **state)
{
	static const char *const good[] = {
		" CCCBCDCE CFCGCHCI\tCJCKCLCN crctcucv bcbbbdbe bfbgbhbi bjbkblbn "
		"brbtbubv " KEY_CHECKSUM "\r\n",
		"cccbcdcecfcgchcicjckclcncrctcucvbcbbbdbebfbgbhbibjbkblbnbrbtbubv" KEY_CHECKSUM,
	};
	uint8_t key[ENVELOPE_RECOVERY_BYTES], back[ENVELOPE_RECOVERY_BYTES];
	struct envelope_error e;

	count(key);
	for (size_t i = 0; i < N(good); i++) {
		assert_good(envelope_recovery_parse(good[i], strlen(good[i]), back, &e));
		assert_memory_equal(back, key, sizeof(key));
	}
}

/* Every letter counts: none can be another, be missing, come twice, or change its place */
static void test_mistyped(void **state)
{
	const char letters[] = "cbdefghijklnrtuv", zeros[ENVELOPE_RECOVERY_BYTES] = {};
	uint8_t back[ENVELOPE_RECOVERY_BYTES];
	char text[ENVELOPE_RECOVERY_TEXT + 2];
	struct envelope_error e;
	size_t length = strlen(KEY_TEXT);

	for (size_t i = 0; i < length; i++) {
		strcpy(text, KEY_TEXT);
		if (text[i] == '-')
			continue;
		for (const char *letter = letters; *letter; letter++) {
			text[i] = *letter;
			if (*letter == KEY_TEXT[i])
				continue;
			memset(back, 1, sizeof(back));
			assert_fails(USAGE, envelope_recovery_parse(text, length, back, &e));
			assert_memory_equal(back, zeros, sizeof(back));
		}
		text[i] = 'x';
		assert_fails(USAGE, envelope_recovery_parse(text, length, back, &e));
		text[i] = '\0';
		assert_fails(USAGE, envelope_recovery_parse(text, length, back, &e));
		memmove(text + i, &KEY_TEXT[i + 1], length - i);
		assert_fails(USAGE, envelope_recovery_parse(text, length - 1, back, &e));
		memmove(text + i + 1, &KEY_TEXT[i], length - i + 1);
		text[i] = 'c';
		assert_fails(USAGE, envelope_recovery_parse(text, length + 1, back, &e));
		strcpy(text, KEY_TEXT);
		if (i + 1 < length && text[i + 1] != '-' && text[i + 1] != text[i]) {
			text[i] = KEY_TEXT[i + 1];
			text[i + 1] = KEY_TEXT[i];
			assert_fails(USAGE, envelope_recovery_parse(text, length, back, &e));
		}
	}
	assert_fails(USAGE, envelope_recovery_parse("", 0, back, &e));
}

static void test_wrap(void **state)
{
	uint8_t key[ENVELOPE_RECOVERY_BYTES], plain[ENVELOPE_SHARE_BYTES],
		back[ENVELOPE_SHARE_BYTES];
	struct envelope_token token, other;
	struct envelope_share *share = &token.shares[0];
	struct envelope_error e = {};

	assert_int_equal(envelope_random(key, sizeof(key)), 0);
	assert_good(envelope_token_begin(&token, &geometry, 4, 1, plain, &e));
	assert_good(envelope_recovery_wrap(key, &token, plain, share, &e));
	assert_true(envelope_recovery_is(share));
	assert_good(envelope_recovery_unwrap(key, &token, share, back, &e));
	assert_memory_equal(back, plain, sizeof(plain));
	/* For this slot of this volume, and no other */
	other = token;
	other.salt[0] ^= 1;
	assert_fails(KEK_REFUSED, envelope_recovery_unwrap(key, &other, share, back, &e));
	other = token;
	other.uuid[0] = '8';
	assert_fails(KEK_REFUSED, envelope_recovery_unwrap(key, &other, share, back, &e));
	for (size_t i = 0; i < share->wrapped_size; i++) {
		share->wrapped[i] ^= 1;
		assert_fails(KEK_REFUSED, envelope_recovery_unwrap(key, &token, share, back, &e));
		share->wrapped[i] ^= 1;
	}
	for (share->wrapped_size = 0; share->wrapped_size < 40; share->wrapped_size++)
		assert_fails(KEK_REFUSED, envelope_recovery_unwrap(key, &token, share, back, &e));
	key[31] ^= 1;
	assert_fails(KEK_REFUSED, envelope_recovery_unwrap(key, &token, share, back, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_typed),
		cmocka_unit_test(test_mistyped),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
