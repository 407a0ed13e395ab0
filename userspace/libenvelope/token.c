// SPDX-License-Identifier: GPL-2.0-or-later
/* What seals a slot token: see "Sealing and opening" in Documentation/on-disk-format.rst. */
#include "token.h"

#include <string.h>
#include <time.h>

#define SLOT_LABEL	 "dm-envelope slot v1"
#define AAD_LABEL	 "dm-envelope slot aad v1"
#define COMMITMENT_LABEL "dm-envelope share commitment v1"
#define SLOT_KEY_BYTES	 32

static int crypto_failed(struct envelope_error *e, const char *what)
{
	return envelope_fail(e, ENVELOPE_E_FAILED, "%s failed in OpenSSL", what);
}

void envelope_time_now(char text[static 21])
{
	time_t now = time(NULL);
	struct tm utc;

	strftime(text, 21, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
}

int envelope_uuid_make(char text[static ENVELOPE_UUID_TEXT + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[16];
	int r = envelope_random(random, sizeof(random));

	if (r < 0)
		return r;
	random[6] = (random[6] & 0x0f) | 0x40; /* RFC 4122, version 4 */
	random[8] = (random[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		*text++ = digits[random[i] >> 4];
		*text++ = digits[random[i] & 15];
	}
	*text = '\0';
	return 0;
}

int envelope_token_begin(struct envelope_token *token, const struct envelope_geometry *geometry,
			 unsigned int slot, unsigned int threshold, uint8_t *polynomial,
			 struct envelope_error *e)
{
	memset(token, 0, sizeof(*token));
	memcpy(token->uuid, geometry->uuid, sizeof(token->uuid));
	token->slot = slot;
	token->threshold = threshold;
	envelope_time_now(token->created);
	if (envelope_random(polynomial, threshold * ENVELOPE_SHARE_BYTES) < 0 ||
	    envelope_random(token->salt, sizeof(token->salt)) < 0 ||
	    envelope_random(token->nonce, sizeof(token->nonce)) < 0)
		return crypto_failed(e, "the random number generator");
	return 0;
}

static int commitment_of(const struct envelope_token *token, unsigned int share,
			 const uint8_t *plain, uint8_t out[static ENVELOPE_HASH_BYTES])
{
	struct envelope_bytes b = { 0 };
	int r;

	envelope_bytes_lp_text(&b, COMMITMENT_LABEL);
	envelope_bytes_lp_text(&b, token->uuid);
	envelope_bytes_lp(&b, token->salt, sizeof(token->salt));
	envelope_bytes_lp_u64(&b, token->shares[share].index);
	envelope_bytes_lp(&b, plain, ENVELOPE_SHARE_BYTES);
	r = b.failed ? b.failed : envelope_sha256(b.data, b.size, out);
	envelope_bytes_free(&b);
	return r;
}

int envelope_token_commit(struct envelope_token *token, unsigned int share, const uint8_t *plain,
			  struct envelope_error *e)
{
	if (commitment_of(token, share, plain, token->shares[share].commitment) < 0)
		return crypto_failed(e, "a commitment");
	return 0;
}

int envelope_token_committed(const struct envelope_token *token, unsigned int share,
			     const uint8_t *plain)
{
	uint8_t hash[ENVELOPE_HASH_BYTES];

	return commitment_of(token, share, plain, hash) == 0 &&
	       envelope_secret_equal(hash, token->shares[share].commitment, sizeof(hash));
}

static void add_share(struct envelope_bytes *b, const struct envelope_share *share)
{
	envelope_bytes_lp_u64(b, share->index);
	envelope_bytes_lp_text(b, share->kek);
	envelope_bytes_lp_text(b, share->version);
	envelope_bytes_lp_text(b, share->algorithm);
	envelope_bytes_lp(b, share->wrapped, share->wrapped_size);
	envelope_bytes_lp(b, share->commitment, sizeof(share->commitment));
}

/* Everything in the token but the sealed DEK itself, and what it is used for */
static void additional_data(struct envelope_bytes *b, const struct envelope_token *token,
			    const struct envelope_geometry *geometry)
{
	envelope_bytes_lp_text(b, AAD_LABEL);
	envelope_bytes_lp_text(b, "envelope");
	envelope_bytes_lp_u64(b, ENVELOPE_TOKEN_FORMAT);
	envelope_bytes_lp_text(b, token->uuid);
	envelope_bytes_lp_u64(b, token->slot);
	envelope_bytes_lp_text(b, token->created);
	envelope_bytes_lp_u64(b, token->threshold);
	envelope_bytes_lp_u64(b, token->n_shares);
	for (unsigned int i = 0; i < token->n_shares; i++)
		add_share(b, &token->shares[i]);
	envelope_bytes_lp(b, token->salt, sizeof(token->salt));
	envelope_bytes_lp(b, token->nonce, sizeof(token->nonce));
	envelope_bytes_lp_text(b, ENVELOPE_CIPHER);
	envelope_bytes_lp_u64(b, geometry->key_size);
	envelope_bytes_lp_u64(b, geometry->sector_size);
	envelope_bytes_lp_u64(b, geometry->data_offset);
}

static int slot_key(const struct envelope_token *token, const uint8_t *secret, uint8_t *key)
{
	char info[sizeof(SLOT_LABEL) + ENVELOPE_UUID_TEXT] = SLOT_LABEL;

	strcat(info, token->uuid);
	return envelope_hkdf(secret, ENVELOPE_SHARE_BYTES, token->salt, sizeof(token->salt), info,
			     strlen(info), key, SLOT_KEY_BYTES);
}

int envelope_token_seal(struct envelope_token *token, const struct envelope_geometry *geometry,
			const uint8_t *secret, const uint8_t *dek, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *key = envelope_secret_alloc(SLOT_KEY_BYTES);
	struct envelope_bytes aad = { 0 };
	int r;

	if (!key)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "no locked memory for a slot key");
	additional_data(&aad, token, geometry);
	r = aad.failed ? aad.failed : slot_key(token, secret, key);
	if (r == 0)
		r = envelope_gcm_seal(key, token->nonce, aad.data, aad.size, dek,
				      geometry->key_size, token->dek);
	envelope_bytes_free(&aad);
	if (r < 0)
		return crypto_failed(e, "sealing the data key");
	token->dek_size = geometry->key_size + ENVELOPE_TAG_BYTES;
	return 0;
}

int envelope_token_open(const struct envelope_token *token,
			const struct envelope_geometry *geometry, const uint8_t *secret,
			uint8_t *dek, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *key = envelope_secret_alloc(SLOT_KEY_BYTES);
	struct envelope_bytes aad = { 0 };
	int r;

	if (!key)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "no locked memory for a slot key");
	if (token->dek_size != geometry->key_size + ENVELOPE_TAG_BYTES)
		return envelope_fail(e, ENVELOPE_E_SEAL_BROKEN,
				     "slot %u: it seals a key of another size than the volume's",
				     token->slot);
	additional_data(&aad, token, geometry);
	r = aad.failed ? aad.failed : slot_key(token, secret, key);
	if (r == 0)
		r = envelope_gcm_open(key, token->nonce, aad.data, aad.size, token->dek,
				      token->dek_size, dek);
	envelope_bytes_free(&aad);
	if (r < 0)
		return envelope_fail(e, ENVELOPE_E_SEAL_BROKEN, "slot %u: its seal does not hold",
				     token->slot);
	return 0;
}
