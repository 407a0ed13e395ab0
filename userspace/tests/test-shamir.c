// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include "crypto.h"
#include "shamir.h"

#define SHARES 8

/* A share whose bytes are all the same number */
static void fill(uint8_t *share, uint8_t value)
{
	memset(share, value, ENVELOPE_SHARE_BYTES);
}

static uint8_t at_zero(unsigned int n, const uint8_t points[][2])
{
	uint8_t indices[SHARES], shares[SHARES * ENVELOPE_SHARE_BYTES], secret[32];

	for (unsigned int i = 0; i < n; i++) {
		indices[i] = points[i][0];
		fill(shares + i * ENVELOPE_SHARE_BYTES, points[i][1]);
	}
	envelope_shamir_combine(indices, shares, n, 0, secret);
	for (int i = 1; i < ENVELOPE_SHARE_BYTES; i++)
		assert_int_equal(secret[i], secret[0]);
	return secret[0];
}

/* Interpolations and a polynomial from the tests of codahale/shamir 0.7, whose field is ours */
static void test_published(void **state)
{
	static const uint8_t line[][2] = { { 1, 1 }, { 2, 2 }, { 3, 3 } },
			     second[][2] = { { 1, 80 }, { 2, 90 }, { 3, 20 } },
			     third[][2] = { { 1, 43 }, { 2, 22 }, { 3, 86 } },
			     polynomial[] = { 1, 0, 2, 3 };
	uint8_t coefficients[sizeof(polynomial) * ENVELOPE_SHARE_BYTES], share[32];

	assert_int_equal(at_zero(3, line), 0);
	assert_int_equal(at_zero(3, second), 30);
	assert_int_equal(at_zero(3, third), 107);
	for (size_t i = 0; i < sizeof(polynomial); i++)
		fill(coefficients + i * ENVELOPE_SHARE_BYTES, polynomial[i]);
	envelope_shamir_share(coefficients, sizeof(polynomial), 2, share);
	assert_int_equal(share[0], 17);
}

/* Every product, in the guise of a line through the origin: FIPS 197's own examples among them */
static void test_field(void **state)
{
	uint8_t line[2 * ENVELOPE_SHARE_BYTES] = {}, share[32], back;

	fill(line + ENVELOPE_SHARE_BYTES, 0x57);
	envelope_shamir_share(line, 2, 0x83, share);
	assert_int_equal(share[0], 0xc1);
	envelope_shamir_share(line, 2, 0x13, share);
	assert_int_equal(share[0], 0xfe);
	for (int index = 1; index < 255; index++) {
		for (int slope = 0; slope < 256; slope++) {
			uint8_t points[2][2] = { { (uint8_t)index, 0 }, { 255, 0 } };

			fill(line + ENVELOPE_SHARE_BYTES, (uint8_t)slope);
			fill(line, (uint8_t)(slope ^ 0xa5));
			envelope_shamir_share(line, 2, (uint8_t)index, share);
			points[0][1] = share[0];
			envelope_shamir_share(line, 2, 255, share);
			points[1][1] = share[0];
			back = at_zero(2, points);
			assert_int_equal(back, slope ^ 0xa5);
		}
	}
}

/* By arithmetic bit by bit: secret 00 01 … 1f, coefficients SHA-256 of "1" and "2" */
static const struct {
	uint8_t index;
	const char *share;
} vectors[] = {
	{ 1, "bff4ee4add6fec08755dd33478cc6c5b5620b12100ff14ce023d2ea84789ee61" },
	{ 2, "abc11e0d790ebd4b84236e48f3e31fad9a165d91a57250f3c6cd3d19f444325d" },
	{ 7, "4c6b9b1e2723f18f391d66053e22268ecba628099ac0cdd6fe1c604907d1eb69" },
	{ 255, "46b44cde2b1a4ebb2a5b63fbf1428727778d0d1b12052286b83eb93764add321" },
};

static void vector_polynomial(uint8_t polynomial[static 3 * ENVELOPE_SHARE_BYTES])
{
	for (int i = 0; i < ENVELOPE_SHARE_BYTES; i++)
		polynomial[i] = (uint8_t)i;
	assert_int_equal(envelope_sha256("1", 1, polynomial + ENVELOPE_SHARE_BYTES), 0);
	assert_int_equal(envelope_sha256("2", 1, polynomial + 2 * ENVELOPE_SHARE_BYTES), 0);
}

static void test_vectors(void **state)
{
	uint8_t polynomial[3 * ENVELOPE_SHARE_BYTES], share[32], expected[32];

	vector_polynomial(polynomial);
	for (size_t i = 0; i < N(vectors); i++) {
		from_hex(vectors[i].share, expected);
		envelope_shamir_share(polynomial, 3, vectors[i].index, share);
		assert_memory_equal(share, expected, sizeof(share));
	}
}

/* Any three of the four, in any order; two give something else */
static void test_enough(void **state)
{
	uint8_t polynomial[3 * ENVELOPE_SHARE_BYTES], shares[3 * ENVELOPE_SHARE_BYTES], secret[32];
	uint8_t indices[3];

	vector_polynomial(polynomial);
	for (unsigned int code = 0; code < 64; code++) {
		unsigned int pick[3] = { code % 4, code / 4 % 4, code / 16 };

		if (pick[0] == pick[1] || pick[1] == pick[2] || pick[0] == pick[2])
			continue;
		for (int i = 0; i < 3; i++) {
			indices[i] = vectors[pick[i]].index;
			from_hex(vectors[pick[i]].share, shares + i * ENVELOPE_SHARE_BYTES);
		}
		envelope_shamir_combine(indices, shares, 3, 0, secret);
		assert_memory_equal(secret, polynomial, sizeof(secret));
		/* And each other share, one of these among them */
		for (size_t i = 0; i < N(vectors); i++) {
			uint8_t expected[32];

			from_hex(vectors[i].share, expected);
			envelope_shamir_combine(indices, shares, 3, vectors[i].index, secret);
			assert_memory_equal(secret, expected, sizeof(secret));
		}
		envelope_shamir_combine(indices, shares, 2, 0, secret);
		assert_memory_not_equal(secret, polynomial, sizeof(secret));
	}
}

/* All policies that a slot can have */
static void test_round_trips(void **state)
{
	uint8_t polynomial[SHARES * ENVELOPE_SHARE_BYTES], shares[SHARES * ENVELOPE_SHARE_BYTES];
	uint8_t indices[SHARES], secret[32];

	for (unsigned int threshold = 1; threshold <= SHARES; threshold++) {
		assert_int_equal(envelope_random(polynomial, sizeof(polynomial)), 0);
		for (unsigned int first = 1; first + threshold <= 256; first += 31) {
			for (unsigned int i = 0; i < threshold; i++) {
				indices[i] = (uint8_t)(first + i);
				envelope_shamir_share(polynomial, threshold, indices[i],
						      shares + i * ENVELOPE_SHARE_BYTES);
			}
			envelope_shamir_combine(indices, shares, threshold, 0, secret);
			assert_memory_equal(secret, polynomial, sizeof(secret));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),   cmocka_unit_test(test_field),
		cmocka_unit_test(test_vectors),	    cmocka_unit_test(test_enough),
		cmocka_unit_test(test_round_trips),
	};

	return cmocka_run_group_tests_name("shamir", tests, NULL, NULL);
}
