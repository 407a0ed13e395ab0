/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shamir's scheme, each byte for itself, over GF(2^8) with the polynomial of AES: a secret in
 * shares, so many of which give it back, and fewer tell nothing. Time and memory accesses
 * depend on the numbers of shares, never on what is in them.
 */
#ifndef ENVELOPE_SHAMIR_H
#define ENVELOPE_SHAMIR_H

#include <stdint.h>

#include "secret.h"

/**
 * envelope_shamir_share() - one share
 * @polynomial: @threshold times ENVELOPE_SHARE_BYTES, the secret first and then random
 *		numbers; the same for all shares
 * @index:	1 to 255; another one for each share
 * @share:	ENVELOPE_SHARE_BYTES; locked memory
 */
void envelope_shamir_share(const uint8_t *polynomial, unsigned int threshold, uint8_t index,
			   uint8_t *share);

/**
 * envelope_shamir_combine() - the secret, or another share
 * @indices: @threshold of them, all different
 * @shares:  as many times ENVELOPE_SHARE_BYTES
 * @at:      0 for the secret, else the share of this index
 * @out:     ENVELOPE_SHARE_BYTES; locked memory
 *
 * Whether the shares belong together cannot be seen here: the commitments tell.
 */
void envelope_shamir_combine(const uint8_t *indices, const uint8_t *shares, unsigned int threshold,
			     uint8_t at, uint8_t *out);

#endif
