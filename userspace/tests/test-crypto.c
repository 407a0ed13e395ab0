// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include <errno.h>

#include "crypto.h"

/* RFC 5869, A.1 and A.3 */
static void test_hkdf(void **state)
{
	uint8_t key[22], salt[13], info[10], okm[42], expected[42];

	memset(key, 0x0b, sizeof(key));
	from_hex("000102030405060708090a0b0c", salt);
	from_hex("f0f1f2f3f4f5f6f7f8f9", info);
	from_hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b88718"
		 "5865",
		 expected);
	assert_int_equal(envelope_hkdf(key, 22, salt, 13, info, 10, okm, 42), 0);
	assert_memory_equal(okm, expected, 42);
	from_hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a"
		 "96c8",
		 expected);
	assert_int_equal(envelope_hkdf(key, 22, NULL, 0, "", 0, okm, 42), 0);
	assert_memory_equal(okm, expected, 42);
}

/* RFC 4231, case 2 */
static void test_hmac(void **state)
{
	uint8_t mac[32], expected[32];

	from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", expected);
	assert_int_equal(
		envelope_hmac((const uint8_t *)"Jefe", 4, "what do ya want for nothing?", 28, mac),
		0);
	assert_memory_equal(mac, expected, 32);
}

/* A case of the GCM specification with additional data: McGrew and Viega, test case 16 */
static void test_gcm(void **state)
{
	uint8_t key[32], nonce[12], aad[20], plain[60], sealed[76], expected[76], out[60];

	from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key);
	from_hex("cafebabefacedbaddecaf888", nonce);
	from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad);
	from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c9595680953"
		 "2fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		 plain);
	from_hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3d"
		 "a7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
		 expected);
	assert_int_equal(envelope_gcm_seal(key, nonce, aad, 20, plain, 60, sealed), 0);
	assert_memory_equal(sealed, expected, 76);
	assert_int_equal(envelope_gcm_open(key, nonce, aad, 20, sealed, 76, out), 0);
	assert_memory_equal(out, plain, 60);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_int_equal(envelope_gcm_open(key, nonce, aad, 20, sealed, 76, out), -EBADMSG);
		sealed[i] ^= 1;
		for (size_t j = 0; j < sizeof(out); j++)
			assert_int_equal(out[j], 0);
	}
	aad[3] ^= 1;
	assert_int_equal(envelope_gcm_open(key, nonce, aad, 20, sealed, 76, out), -EBADMSG);
	assert_int_equal(envelope_gcm_open(key, nonce, aad, 20, sealed, 15, out), -EBADMSG);
}

/* RFC 5649 has no case for AES-256: these were computed with python3-cryptography */
static void test_kwp_known(void **state)
{
	uint8_t kek[32], plain[32], expected[40], wrapped[40], out[40];
	size_t size;

	for (uint8_t i = 0; i < 32; i++) {
		kek[i] = i;
		plain[i] = 0x20 + i;
	}
	from_hex("92f48c52045c08050ec796a5a91c5ddaf7c61cbdc940adc8d3dc8a144f6161a8c5d3299e325f1750",
		 expected);
	assert_int_equal(envelope_kwp_wrap(kek, plain, 32, wrapped, &size), 0);
	assert_int_equal(size, 40);
	assert_memory_equal(wrapped, expected, 40);
	from_hex("26f788e2844f5f8a6cc160889231e76a", expected);
	assert_int_equal(envelope_kwp_wrap(kek, plain, 5, wrapped, &size), 0);
	assert_int_equal(size, ENVELOPE_KWP_BYTES(5));
	assert_memory_equal(wrapped, expected, 16);
	assert_int_equal(envelope_kwp_unwrap(kek, wrapped, 16, out, &size), 0);
	assert_int_equal(size, 5);
	assert_memory_equal(out, plain, 5);
}

static void test_kwp_refuses(void **state)
{
	uint8_t kek[32] = { 1 }, plain[32], wrapped[48], out[48];
	size_t size;

	memset(plain, 7, sizeof(plain));
	assert_int_equal(envelope_kwp_wrap(kek, plain, 32, wrapped, &size), 0);
	assert_int_equal(size, ENVELOPE_KWP_BYTES(32));
	assert_int_equal(envelope_kwp_unwrap(kek, wrapped, size, out, &size), 0);
	assert_int_equal(size, 32);
	assert_memory_equal(out, plain, 32);
	for (size_t i = 0; i < 40; i++) {
		wrapped[i] ^= 0x10;
		assert_int_equal(envelope_kwp_unwrap(kek, wrapped, 40, out, &size), -EBADMSG);
		wrapped[i] ^= 0x10;
	}
	for (size_t n = 0; n < 40; n++)
		assert_int_equal(envelope_kwp_unwrap(kek, wrapped, n, out, &size), -EBADMSG);
}

/* Of a key of 64 bytes 00 01 … 3f, computed with Python's hmac */
static void test_key_check(void **state)
{
	uint8_t key[64];
	char hex[17];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	assert_int_equal(envelope_key_check(key, sizeof(key), hex), 0);
	assert_string_equal(hex, "56d86d9ad2baf2b0");
}

static void test_encoding(void **state)
{
	static const uint8_t expected[] = { 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 8, 0,
					    0, 0, 0, 0, 0,   1,	  2, 0, 0, 0, 0 };
	struct envelope_bytes b = { 0 };

	envelope_bytes_lp_text(&b, "ab");
	envelope_bytes_lp_u64(&b, 0x102);
	envelope_bytes_lp(&b, NULL, 0);
	assert_int_equal(b.failed, 0);
	assert_int_equal(b.size, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
	for (int i = 0; i < 1000; i++)
		envelope_bytes_lp_u64(&b, 1);
	assert_int_equal(b.size, sizeof(expected) + 12000);
	envelope_bytes_free(&b);
	assert_null(b.data);
}

static void test_base64(void **state)
{
	static const char *const bad[] = { "A",	   "AA",   "AAA",      "AAA=A", "A===",
					   "====", "AA=A", "AA==AA==", "AA\n=", " AAA",
					   "AB==", "AAB=", "AA-_",     "A=AA" };
	uint8_t out[8];
	size_t size;
	char *text;

	for (size_t n = 0; n <= 6; n++) {
		text = envelope_base64_encode("foobar", n);
		assert_int_equal(envelope_base64_decode(text, out, sizeof(out), &size), 0);
		assert_int_equal(size, n);
		assert_memory_equal(out, "foobar", n);
		free(text);
	}
	for (size_t i = 0; i < N(bad); i++)
		assert_int_equal(envelope_base64_decode(bad[i], out, sizeof(out), &size), -EINVAL);
	assert_int_equal(envelope_base64_decode("AAAAAAAAAAAA", out, 8, &size), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hkdf),	    cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_gcm),	    cmocka_unit_test(test_kwp_known),
		cmocka_unit_test(test_kwp_refuses), cmocka_unit_test(test_key_check),
		cmocka_unit_test(test_encoding),    cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
