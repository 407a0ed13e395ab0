/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DM_ENVELOPE_TESTS_CRYPT_H
#define DM_ENVELOPE_TESTS_CRYPT_H

#include <kunit/test.h>

#include "../dm-envelope.h"

void envelope_test_crypt(struct kunit *test, struct envelope_xts *xts, bool encrypt, u64 iv,
			 const void *src, void *dst, unsigned int size);

#endif
