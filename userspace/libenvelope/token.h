/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slot tokens: the text in the LUKS2 header and what seals it. See on-disk-format.rst. */
#ifndef ENVELOPE_TOKEN_H
#define ENVELOPE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto.h"
#include "error.h"
#include "secret.h"

#define ENVELOPE_TOKEN_FORMAT	 1
#define ENVELOPE_SLOTS_MAX	 31
#define ENVELOPE_SHARES_MAX	 8
#define ENVELOPE_WRAPPED_MAX	 1024  /* bytes */
#define ENVELOPE_TOKEN_TEXT_MAX	 16384 /* bytes */
#define ENVELOPE_KEK_NAME_MAX	 64    /* characters */
#define ENVELOPE_KEK_VERSION_MAX 256   /* characters */
#define ENVELOPE_ALGORITHM_MAX	 32    /* characters */
#define ENVELOPE_UUID_TEXT	 36    /* characters */
#define ENVELOPE_CIPHER		 "aes-xts-plain64"

struct envelope_share {
	unsigned int index; /* Shamir x, 1 to 255 */
	char kek[ENVELOPE_KEK_NAME_MAX + 1];
	char version[ENVELOPE_KEK_VERSION_MAX + 1];
	char algorithm[ENVELOPE_ALGORITHM_MAX + 1];
	uint8_t wrapped[ENVELOPE_WRAPPED_MAX];
	size_t wrapped_size;
	uint8_t commitment[ENVELOPE_HASH_BYTES];
};

struct envelope_token {
	char uuid[ENVELOPE_UUID_TEXT + 1];
	unsigned int slot;
	char created[21];
	unsigned int threshold;
	unsigned int n_shares;
	struct envelope_share shares[ENVELOPE_SHARES_MAX];
	uint8_t salt[32];
	uint8_t nonce[ENVELOPE_NONCE_BYTES];
	uint8_t dek[ENVELOPE_DEK_MAX + ENVELOPE_TAG_BYTES]; /* sealed */
	size_t dek_size;				    /* with the tag */
};

/** struct envelope_geometry - what of the volume is sealed with the DEK */
struct envelope_geometry {
	char uuid[ENVELOPE_UUID_TEXT + 1];
	unsigned int key_size;	  /* bytes of DEK: 32 or 64 */
	unsigned int sector_size; /* bytes */
	uint64_t data_offset;	  /* bytes */
};

#define ENVELOPE_TIME_TEXT 20 /* "2026-01-31T12:00:00Z" */

/** envelope_time_now() - the time as in a token */
void envelope_time_now(char text[static ENVELOPE_TIME_TEXT + 1]);

/* Are these as a token may have them? */
int envelope_time_valid(const char *text);
int envelope_uuid_valid(const char *text);

/** envelope_uuid_make() - a fresh one, of random numbers; 0 or -errno */
int envelope_uuid_make(char text[static ENVELOPE_UUID_TEXT + 1]);

/** envelope_kek_name_valid() - may this be the name of a KEK? */
int envelope_kek_name_valid(const char *name);

/**
 * envelope_word_valid() - may this be a version or an algorithm?
 *
 * Printable ASCII without space, quote and backslash.
 */
bool envelope_word_valid(const char *text);

/**
 * envelope_token_parse() - text to struct; touches no secret
 * @text: need not be terminated
 * @size: bytes
 *
 * Return: 0, or -ENVELOPE_E_TOKEN_INVALID (-ENVELOPE_E_UNSUPPORTED for a newer format).
 */
int envelope_token_parse(const char *text, size_t size, struct envelope_token *token,
			 struct envelope_error *e);

/** envelope_token_format() - the text, malloc'ed; NULL when out of memory */
char *envelope_token_format(const struct envelope_token *token);

/**
 * envelope_token_begin() - a fresh slot: random salt, nonce and secret, the time now
 * @polynomial: @threshold times ENVELOPE_SHARE_BYTES of locked memory, filled: the secret first,
 *and what its shares hide it in; see envelope_shamir_share()
 *
 * The caller then fills in each share but its commitment, and calls envelope_token_commit() for
 * each and envelope_token_seal() at the end.
 */
int envelope_token_begin(struct envelope_token *token, const struct envelope_geometry *geometry,
			 unsigned int slot, unsigned int threshold, uint8_t *polynomial,
			 struct envelope_error *e);

/** envelope_token_commit() - set a share's commitment */
int envelope_token_commit(struct envelope_token *token, unsigned int share, const uint8_t *plain,
			  struct envelope_error *e);

/** envelope_token_committed() - does @plain match the share's commitment? (constant time) */
int envelope_token_committed(const struct envelope_token *token, unsigned int share,
			     const uint8_t *plain);

/** envelope_token_seal() - encrypt the DEK into the token; every other field must be final */
int envelope_token_seal(struct envelope_token *token, const struct envelope_geometry *geometry,
			const uint8_t *secret, const uint8_t *dek, struct envelope_error *e);

/**
 * envelope_token_open() - decrypt the DEK
 * @dek: locked memory, @geometry->key_size bytes; wiped on failure
 *
 * Return: 0, or -ENVELOPE_E_SEAL_BROKEN.
 */
int envelope_token_open(const struct envelope_token *token,
			const struct envelope_geometry *geometry, const uint8_t *secret,
			uint8_t *dek, struct envelope_error *e);

#endif
