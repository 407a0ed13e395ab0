// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Written here because no kept library fits: libgfshare looks the secret up in tables, whose
 * accesses tell of it, and dsprenkels/sss, which does not, is in no distribution.
 */
#include "shamir.h"

#include <string.h>

#define FIELD 0x1b /* x^8 + x^4 + x^3 + x + 1, as in FIPS 197, without its first term */

static uint8_t multiply(uint8_t a, uint8_t b)
{
	uint8_t product = 0;

	for (int bit = 0; bit < 8; bit++) {
		product ^= -(b & 1) & a;
		a = (uint8_t)(a << 1) ^ (-(a >> 7) & FIELD);
		b >>= 1;
	}
	return product;
}

/* a^254: the group has 255 elements */
static uint8_t inverse(uint8_t a)
{
	uint8_t power = a;

	for (int bit = 0; bit < 6; bit++)
		power = multiply(multiply(power, power), a);
	return multiply(power, power);
}

void envelope_shamir_share(const uint8_t *polynomial, unsigned int threshold, uint8_t index,
			   uint8_t *share)
{
	_cleanup_tracks_ char tracks;

	memset(share, 0, ENVELOPE_SHARE_BYTES);
	for (unsigned int term = threshold; term--;)
		for (int i = 0; i < ENVELOPE_SHARE_BYTES; i++)
			share[i] = multiply(share[i], index) ^
				   polynomial[term * ENVELOPE_SHARE_BYTES + i];
}

/* What a share counts for at a point: Lagrange's basis; in this field minus is plus */
static uint8_t weight(const uint8_t *indices, unsigned int threshold, unsigned int share,
		      uint8_t at)
{
	uint8_t above = 1, below = 1;

	for (unsigned int other = 0; other < threshold; other++) {
		if (other == share)
			continue;
		above = multiply(above, indices[other] ^ at);
		below = multiply(below, indices[other] ^ indices[share]);
	}
	return multiply(above, inverse(below));
}

void envelope_shamir_combine(const uint8_t *indices, const uint8_t *shares, unsigned int threshold,
			     uint8_t at, uint8_t *out)
{
	_cleanup_tracks_ char tracks;

	memset(out, 0, ENVELOPE_SHARE_BYTES);
	for (unsigned int share = 0; share < threshold; share++) {
		uint8_t factor = weight(indices, threshold, share, at);

		for (int i = 0; i < ENVELOPE_SHARE_BYTES; i++)
			out[i] ^= multiply(shares[share * ENVELOPE_SHARE_BYTES + i], factor);
	}
}
