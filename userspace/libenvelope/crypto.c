// SPDX-License-Identifier: GPL-2.0-or-later
#include "crypto.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "secret.h"

#define KEY_CHECK_LABEL "dm-envelope key check v1"
#define KEY_CHECK_BYTES 8

static void free_cipher(EVP_CIPHER_CTX **ctx)
{
	EVP_CIPHER_CTX_free(*ctx);
}
#define _cleanup_cipher_ __attribute__((cleanup(free_cipher)))

int envelope_crypto_set_up(void)
{
	tzset();
	return OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) == 1 ? 0 : -EIO;
}

int envelope_random(void *buffer, size_t size)
{
	_cleanup_tracks_ char tracks;

	return RAND_priv_bytes(buffer, (int)size) == 1 ? 0 : -EIO;
}

int envelope_hkdf(const uint8_t *input, size_t input_size, const uint8_t *salt, size_t salt_size,
		  const void *info, size_t info_size, uint8_t *out, size_t out_size)
{
	_cleanup_tracks_ char tracks;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 6),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, (void *)input, input_size),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_size),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_size),
		OSSL_PARAM_END,
	};
	int r = -EIO;

	if (salt_size == 0)
		params[3] = OSSL_PARAM_construct_end();
	if (ctx && EVP_KDF_derive(ctx, out, out_size, params) == 1)
		r = 0;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return r;
}

int envelope_hmac(const uint8_t *key, size_t key_size, const void *data, size_t data_size,
		  uint8_t out[static ENVELOPE_HASH_BYTES])
{
	_cleanup_tracks_ char tracks;
	size_t size;

	return EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_size, data, data_size, out,
			 ENVELOPE_HASH_BYTES, &size)
		       ? 0
		       : -EIO;
}

int envelope_sha256(const void *data, size_t size, uint8_t out[static ENVELOPE_HASH_BYTES])
{
	_cleanup_tracks_ char tracks;

	return EVP_Q_digest(NULL, "SHA256", NULL, data, size, out, NULL) == 1 ? 0 : -EIO;
}

int envelope_gcm_seal(const uint8_t key[static 32], const uint8_t nonce[static 12], const void *aad,
		      size_t aad_size, const uint8_t *in, size_t size, uint8_t *out)
{
	_cleanup_tracks_ char tracks;
	_cleanup_cipher_ EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (!ctx || EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
	    EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_size) != 1 ||
	    EVP_EncryptUpdate(ctx, out, &n, in, (int)size) != 1 ||
	    EVP_EncryptFinal_ex(ctx, out + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, ENVELOPE_TAG_BYTES, out + size) != 1)
		return -EIO;
	return 0;
}

int envelope_gcm_open(const uint8_t key[static 32], const uint8_t nonce[static 12], const void *aad,
		      size_t aad_size, const uint8_t *in, size_t size, uint8_t *out)
{
	_cleanup_tracks_ char tracks;
	_cleanup_cipher_ EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	size_t plain;
	int n;

	if (size < ENVELOPE_TAG_BYTES)
		return -EBADMSG;
	plain = size - ENVELOPE_TAG_BYTES;
	if (!ctx || EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
	    EVP_DecryptUpdate(ctx, NULL, &n, aad, (int)aad_size) != 1 ||
	    EVP_DecryptUpdate(ctx, out, &n, in, (int)plain) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, ENVELOPE_TAG_BYTES,
				(void *)(in + plain)) != 1 ||
	    EVP_DecryptFinal_ex(ctx, out + n, &n) != 1) {
		envelope_secret_wipe(out, plain);
		return -EBADMSG;
	}
	return 0;
}

static EVP_CIPHER_CTX *kwp(const uint8_t *kek, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (!ctx)
		return NULL;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_CipherInit_ex(ctx, EVP_aes_256_wrap_pad(), NULL, kek, NULL, encrypt) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

int envelope_kwp_wrap(const uint8_t kek[static 32], const uint8_t *in, size_t size, uint8_t *out,
		      size_t *out_size)
{
	_cleanup_tracks_ char tracks;
	_cleanup_cipher_ EVP_CIPHER_CTX *ctx = kwp(kek, 1);
	int n;

	if (!ctx || EVP_CipherUpdate(ctx, out, &n, in, (int)size) != 1)
		return -EIO;
	*out_size = (size_t)n;
	return 0;
}

int envelope_kwp_unwrap(const uint8_t kek[static 32], const uint8_t *in, size_t size, uint8_t *out,
			size_t *out_size)
{
	_cleanup_tracks_ char tracks;
	_cleanup_cipher_ EVP_CIPHER_CTX *ctx = kwp(kek, 0);
	int n;

	if (!ctx)
		return -EIO;
	if (size < 16 || size % 8 || EVP_CipherUpdate(ctx, out, &n, in, (int)size) != 1) {
		envelope_secret_wipe(out, size);
		return -EBADMSG;
	}
	*out_size = (size_t)n;
	return 0;
}

int envelope_key_check(const uint8_t *dek, size_t dek_size, char hex[static 17])
{
	uint8_t mac[ENVELOPE_HASH_BYTES];
	int r = envelope_hmac(dek, dek_size, KEY_CHECK_LABEL, strlen(KEY_CHECK_LABEL), mac);

	if (r < 0)
		return r;
	for (int i = 0; i < KEY_CHECK_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", mac[i]);
	return 0;
}
