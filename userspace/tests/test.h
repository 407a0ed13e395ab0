/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the unit tests share: cmocka and what it needs before it, a directory to work in. */
#ifndef ENVELOPE_TEST_H
#define ENVELOPE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "error.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

/** assert_good() - a call returned 0; else its error is shown */
#define assert_good(call)                                                                          \
	do {                                                                                       \
		int good_ = (call);                                                                \
		if (good_ < 0)                                                                     \
			print_error("%s: %s\n", #call, e.message);                                 \
		assert_int_equal(good_, 0);                                                        \
	} while (0)

/** assert_fails() - a call failed with ENVELOPE_E_@id, and said why */
#define assert_fails(id, call)                                                                     \
	do {                                                                                       \
		int bad_;                                                                          \
		memset(&e, 0, sizeof(e));                                                          \
		bad_ = (call);                                                                     \
		if (bad_ != -(int)ENVELOPE_E_##id)                                                 \
			print_error("%s: %d: %s\n", #call, bad_, e.message);                       \
		assert_int_equal(bad_, -(int)ENVELOPE_E_##id);                                     \
		assert_int_equal(e.code, ENVELOPE_E_##id);                                         \
		assert_true(*e.message);                                                           \
		assert_true(*envelope_error_cure(&e));                                             \
	} while (0)

/** from_hex() - bytes of a text of hexadecimal digits; Return: how many */
static inline size_t from_hex(const char *text, uint8_t *out)
{
	size_t n = 0;

	for (; text[2 * n]; n++)
		assert_int_equal(sscanf(text + 2 * n, "%2hhx", &out[n]), 1);
	return n;
}

/** new_directory() - an empty one; remove_directory() takes it away */
static inline void new_directory(char path[static 64])
{
	snprintf(path, 64, "/tmp/envelope-test.XXXXXX");
	assert_non_null(mkdtemp(path));
}

static inline void remove_directory(const char *path)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

#endif
