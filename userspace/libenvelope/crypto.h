/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few cryptographic operations of the formats, over OpenSSL's EVP. */
#ifndef ENVELOPE_CRYPTO_H
#define ENVELOPE_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_HASH_BYTES   32		      /* SHA-256 */
#define ENVELOPE_NONCE_BYTES  12		      /* AES-GCM */
#define ENVELOPE_TAG_BYTES    16		      /* AES-GCM */
#define ENVELOPE_KWP_BYTES(n) (((n) + 7) / 8 * 8 + 8) /* wrapped length, RFC 5649 */

/* All return 0 or -errno: -EBADMSG when a tag or an integrity check fails. */

/** envelope_crypto_set_up() - what OpenSSL, and the clock, read of files, they read now */
int envelope_crypto_set_up(void);

int envelope_random(void *buffer, size_t size);

/** envelope_hkdf() - HKDF-SHA-256 (RFC 5869); @salt may be NULL with @salt_size 0 */
int envelope_hkdf(const uint8_t *input, size_t input_size, const uint8_t *salt, size_t salt_size,
		  const void *info, size_t info_size, uint8_t *out, size_t out_size);

int envelope_hmac(const uint8_t *key, size_t key_size, const void *data, size_t data_size,
		  uint8_t out[static ENVELOPE_HASH_BYTES]);

int envelope_sha256(const void *data, size_t size, uint8_t out[static ENVELOPE_HASH_BYTES]);

/** envelope_gcm_seal() - AES-256-GCM; @out holds @size + ENVELOPE_TAG_BYTES bytes */
int envelope_gcm_seal(const uint8_t key[static 32], const uint8_t nonce[static 12], const void *aad,
		      size_t aad_size, const uint8_t *in, size_t size, uint8_t *out);

/** envelope_gcm_open() - the inverse; @size includes the tag; @out is wiped on failure */
int envelope_gcm_open(const uint8_t key[static 32], const uint8_t nonce[static 12], const void *aad,
		      size_t aad_size, const uint8_t *in, size_t size, uint8_t *out);

/** envelope_kwp_wrap() - AES-256 key wrap with padding (RFC 5649), see ENVELOPE_KWP_BYTES() */
int envelope_kwp_wrap(const uint8_t kek[static 32], const uint8_t *in, size_t size, uint8_t *out,
		      size_t *out_size);

/** envelope_kwp_unwrap() - the inverse; @out has room for @size bytes */
int envelope_kwp_unwrap(const uint8_t kek[static 32], const uint8_t *in, size_t size, uint8_t *out,
			size_t *out_size);

/**
 * envelope_key_check() - the table line's key_check:
 * first 8 bytes of HMAC-SHA-256(DEK, "dm-envelope key check v1")
 * @hex: 16 digits and a terminator
 */
int envelope_key_check(const uint8_t *dek, size_t dek_size, char hex[static 17]);

/*
 * struct envelope_bytes - a growing buffer for the LP()/U64() encodings of
 * Documentation/on-disk-format.rst; not for secrets except where wiped by free
 */
struct envelope_bytes {
	uint8_t *data;
	size_t size;
	size_t room;
	int failed; /* -ENOMEM, sticky: check once at the end */
};
void envelope_bytes_lp(struct envelope_bytes *b, const void *data, size_t size);
void envelope_bytes_lp_text(struct envelope_bytes *b, const char *text);
void envelope_bytes_lp_u64(struct envelope_bytes *b, uint64_t value);
void envelope_bytes_free(struct envelope_bytes *b); /* wipes */

/** envelope_base64_encode() - Return: malloc'ed text, NULL when out of memory */
char *envelope_base64_encode(const void *data, size_t size);

/**
 * envelope_base64_decode() - strict: padding, no white space, canonical
 * Return: 0, -EINVAL for bad text, -E2BIG when it exceeds @room.
 */
int envelope_base64_decode(const char *text, uint8_t *out, size_t room, size_t *size);

#endif
