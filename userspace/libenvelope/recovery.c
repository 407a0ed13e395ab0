// SPDX-License-Identifier: GPL-2.0-or-later
#include "recovery.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "crypto.h"

#define WRAP_LABEL     "dm-envelope recovery v1"
#define CHECKSUM_LABEL "dm-envelope recovery checksum v1"
#define ALGORITHM      "A256KWP"
#define CHECKSUM_BYTES 4
#define GROUP	       8 /* letters */
#define LETTERS	       (2 * (ENVELOPE_RECOVERY_BYTES + CHECKSUM_BYTES))

/* Letters that stand where they stand on every keyboard: modhex, as systemd-cryptenroll's */
static const char alphabet[] = "cbdefghijklnrtuv";

bool envelope_recovery_is(const struct envelope_share *share)
{
	return !strcmp(share->kek, ENVELOPE_RECOVERY_KEK);
}

static int checksum(const uint8_t *key, uint8_t out[static CHECKSUM_BYTES])
{
	struct envelope_bytes b = {};
	uint8_t hash[ENVELOPE_HASH_BYTES];
	int r;

	envelope_bytes_lp_text(&b, CHECKSUM_LABEL);
	envelope_bytes_lp(&b, key, ENVELOPE_RECOVERY_BYTES);
	r = b.failed ? b.failed : envelope_sha256(b.data, b.size, hash);
	envelope_bytes_free(&b);
	if (r == 0)
		memcpy(out, hash, CHECKSUM_BYTES);
	return r;
}

int envelope_recovery_text(const uint8_t *key, char text[static ENVELOPE_RECOVERY_TEXT + 1])
{
	_cleanup_tracks_ char tracks;
	uint8_t sum[CHECKSUM_BYTES];
	int r = checksum(key, sum);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < LETTERS; i++) {
		uint8_t byte = i / 2 < ENVELOPE_RECOVERY_BYTES
				       ? key[i / 2]
				       : sum[i / 2 - ENVELOPE_RECOVERY_BYTES];

		if (i && i % GROUP == 0)
			*text++ = '-';
		*text++ = alphabet[i % 2 ? byte & 15 : byte >> 4];
	}
	*text = '\0';
	return 0;
}

/* The letter's value; -1 for what is between groups, -2 for what cannot be there */
static int value_of(char letter)
{
	const char *found;

	if (letter == '-' || isspace((unsigned char)letter))
		return -1;
	found = letter ? strchr(alphabet, tolower((unsigned char)letter)) : NULL;
	return found ? (int)(found - alphabet) : -2;
}

static int decode(const char *text, size_t size, uint8_t *bytes, struct envelope_error *e)
{
	unsigned int n = 0;

	for (size_t i = 0; i < size; i++) {
		int value = value_of(text[i]);

		if (value == -1)
			continue;
		if (value == -2)
			return envelope_fail(e, ENVELOPE_E_USAGE,
					     "recovery key: group %u has what is none of the "
					     "letters %s",
					     n / GROUP + 1, alphabet);
		if (n < LETTERS)
			bytes[n / 2] = (uint8_t)(bytes[n / 2] << 4 | value);
		n++;
	}
	if (n != LETTERS)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "recovery key: it has %u letters, in groups of %u; not %u",
				     LETTERS, GROUP, n);
	return 0;
}

int envelope_recovery_parse(const char *text, size_t size, uint8_t *key, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *bytes =
		envelope_secret_alloc(ENVELOPE_RECOVERY_BYTES + CHECKSUM_BYTES);
	_cleanup_tracks_ char tracks;
	uint8_t sum[CHECKSUM_BYTES];
	int r;

	if (!bytes)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "no locked memory for a recovery key");
	r = decode(text, size, bytes, e);
	if (r == 0 && (checksum(bytes, sum) < 0 ||
		       !envelope_secret_equal(sum, bytes + ENVELOPE_RECOVERY_BYTES, sizeof(sum))))
		r = envelope_fail(e, ENVELOPE_E_USAGE,
				  "recovery key: its last group does not fit to the others");
	if (r < 0) {
		envelope_secret_wipe(key, ENVELOPE_RECOVERY_BYTES);
		return envelope_cure(e, "compare it with what was written down, and type it again");
	}
	envelope_secret_copy(key, bytes, ENVELOPE_RECOVERY_BYTES);
	return 0;
}

static int wrapping_key(const uint8_t *key, const struct envelope_token *token, uint8_t *out)
{
	char info[sizeof(WRAP_LABEL) + ENVELOPE_UUID_TEXT] = WRAP_LABEL;

	strcat(info, token->uuid);
	return envelope_hkdf(key, ENVELOPE_RECOVERY_BYTES, token->salt, sizeof(token->salt), info,
			     strlen(info), out, ENVELOPE_SHARE_BYTES);
}

int envelope_recovery_wrap(const uint8_t *key, const struct envelope_token *token,
			   const uint8_t *plain, struct envelope_share *share,
			   struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *kek = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);

	if (!kek)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "no locked memory for a recovery key");
	strcpy(share->kek, ENVELOPE_RECOVERY_KEK);
	strcpy(share->version, "1");
	strcpy(share->algorithm, ALGORITHM);
	if (wrapping_key(key, token, kek) < 0 ||
	    envelope_kwp_wrap(kek, plain, ENVELOPE_SHARE_BYTES, share->wrapped,
			      &share->wrapped_size) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "wrapping failed in OpenSSL");
	return 0;
}

int envelope_recovery_unwrap(const uint8_t *key, const struct envelope_token *token,
			     const struct envelope_share *share, uint8_t *plain,
			     struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *kek = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	_cleanup_secret_ uint8_t *out = envelope_secret_alloc(ENVELOPE_WRAPPED_MAX);
	size_t size = 0;
	int r;

	if (!kek || !out)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "no locked memory for a recovery key");
	r = wrapping_key(key, token, kek);
	if (r == 0)
		r = envelope_kwp_unwrap(kek, share->wrapped, share->wrapped_size, out, &size);
	if (r < 0 || size != ENVELOPE_SHARE_BYTES) {
		envelope_secret_wipe(plain, ENVELOPE_SHARE_BYTES);
		envelope_fail(e, ENVELOPE_E_KEK_REFUSED, "slot %u: this is not its recovery key",
			      token->slot);
		return envelope_cure(e, "find the recovery key that was printed for this volume");
	}
	envelope_secret_copy(plain, out, ENVELOPE_SHARE_BYTES);
	return 0;
}
