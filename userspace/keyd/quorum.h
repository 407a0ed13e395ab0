/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a slot that needs k of its n shares hangs on. */
#ifndef KEYD_QUORUM_H
#define KEYD_QUORUM_H

#include <stdbool.h>
#include <stdint.h>

#include "token.h"

/**
 * struct quorum - a slot
 * @kek: of each share, the number of the first share of the same KEK
 */
struct quorum {
	unsigned int threshold, n;
	unsigned int kek[ENVELOPE_SHARES_MAX];
};

void quorum_of(struct quorum *q, unsigned int threshold, unsigned int n,
	       const char keks[][ENVELOPE_KEK_NAME_MAX + 1]);

/**
 * quorum_time() - since when there were enough
 * @times: of each share, when it was there last; 0: never
 */
uint64_t quorum_time(const struct quorum *q, const uint64_t *times);

/** quorum_breaks() - is this, bits that stand for shares, a smallest set of KEKs without which
 * there are too few? */
bool quorum_breaks(const struct quorum *q, unsigned int shares);

#endif
