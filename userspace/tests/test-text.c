// SPDX-License-Identifier: GPL-2.0-or-later
/* What strangers say, before it is shown. */
#include "test.h"

#include "text.h"

static const char *const good[] = {
	"",
	" ~",
	"Schl\303\274ssel",
	"\302\240",	/* the first above the control characters */
	"\337\277",	/* the last of two bytes */
	"\340\240\200", /* the first of three */
	"\355\237\277", /* below the surrogates, and above them */
	"\356\200\200",
	"\357\277\277",
	"\360\220\200\200", /* the first of four, and the last of all */
	"\364\217\277\277",
};

/* And what becomes of them */
static const char *const bad[][2] = {
	{ "\n", "?" },
	{ "a\033[2J", "a?[2J" },
	{ "\177", "?" },
	{ "\302\205", "??" }, /* C1 */
	{ "\302\237x", "??x" },
	{ "\200", "?" },      /* the middle of a character */
	{ "\300\257", "??" }, /* more bytes than it needs */
	{ "\340\237\277", "???" },
	{ "\360\217\277\277", "????" },
	{ "\355\240\200", "???" },	/* half a surrogate */
	{ "\364\220\200\200", "????" }, /* beyond the last */
	{ "\370\210\200\200\200", "?????" },
	{ "\377", "?" },
	{ "cut\303", "cut?" },
	{ "cut\342\202", "cut??" },
	{ "\303\303\274", "?\303\274" },
};

static void test_valid(void **state)
{
	for (size_t i = 0; i < N(good); i++)
		assert_true(envelope_text_valid(good[i]));
	for (size_t i = 0; i < N(bad); i++)
		assert_false(envelope_text_valid(bad[i][0]));
}

static void test_clean(void **state)
{
	char text[32];

	for (size_t i = 0; i < N(good); i++) {
		strcpy(text, good[i]);
		envelope_text_clean(text);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < N(bad); i++) {
		strcpy(text, bad[i][0]);
		envelope_text_clean(text);
		assert_string_equal(text, bad[i][1]);
	}
}

/* Cleaned, whatever it was is valid */
static void test_any(void **state)
{
	char text[8];

	srand(1);
	for (int i = 0; i < 1000000; i++) {
		for (size_t j = 0; j < sizeof(text) - 1; j++)
			text[j] = (char)rand();
		text[sizeof(text) - 1] = '\0';
		envelope_text_clean(text);
		assert_true(envelope_text_valid(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_any),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
