// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a key string to a keyed cipher.
 *
 * The target holds a reference on its key as long as it uses it. The key's bytes
 * are copied for the time of the check and of the key schedule, and wiped on every
 * path; afterwards they are in the cipher alone.
 */
#include <linux/sched/mm.h>
#include <linux/string.h>
#include <crypto/algapi.h>
#include <keys/encrypted-type.h>
#include <keys/user-type.h>

#include "dm-envelope-trace.h"

/**
 * envelope_key_check() - the check value of a key
 * @hmac:  hmac(sha256); holds no key afterwards
 * @key:   the key
 * @size:  bytes
 * @check: filled
 *
 * Return: 0 or -errno.
 */
int envelope_key_check(struct crypto_shash *hmac, const u8 *key, unsigned int size,
		       u8 check[ENVELOPE_CHECK_SIZE])
{
	static const u8 none[32];
	u8 digest[32];
	int r;

	r = crypto_shash_setkey(hmac, key, size);
	if (!r)
		r = crypto_shash_tfm_digest(hmac, ENVELOPE_CHECK_LABEL,
					    strlen(ENVELOPE_CHECK_LABEL), digest);
	if (!r)
		memcpy(check, digest, ENVELOPE_CHECK_SIZE);

	/* The pads of a key open what it opens: another key takes their place. */
	crypto_shash_setkey(hmac, none, sizeof(none));
	memzero_explicit(digest, sizeof(digest));
	return r;
}

/* Called with key->sem held */
static int copy_payload(const struct key *key, const struct envelope_keyspec *spec, u8 *bytes)
{
	const void *data;
	unsigned int size;

	if (spec->type == &key_type_logon || spec->type == &key_type_user) {
		const struct user_key_payload *user = user_key_payload_locked(key);

		if (!user)
			return -EKEYREVOKED;
		data = user->data;
		size = user->datalen;
	} else {
		const struct encrypted_key_payload *encrypted = key->payload.data[0];

		if (!encrypted)
			return -EKEYREVOKED;
		data = encrypted->decrypted_data;
		size = encrypted->decrypted_datalen;
	}
	if (size != spec->size)
		return -EINVAL;
	memcpy(bytes, data, size);
	return 0;
}

static struct key *get_key(const struct envelope_keyspec *spec, u8 *bytes)
{
	struct key *key = request_key(spec->type, spec->description, NULL);
	int r;

	if (IS_ERR(key))
		return key;

	down_read(&key->sem);
	r = key_validate(key);
	if (!r)
		r = copy_payload(key, spec, bytes);
	up_read(&key->sem);
	if (r) {
		key_put(key);
		return ERR_PTR(r);
	}
	return key;
}

static char *key_error(int r)
{
	switch (r) {
	case -ENOKEY:
		return "No such key in a keyring of this process, or it is revoked or expired";
	case -EKEYREVOKED:
		return "The key is revoked";
	case -EKEYEXPIRED:
		return "The key has expired";
	case -EACCES:
		return "The key may not be searched for by this process";
	case -EINVAL:
		return "The key is not of the size given";
	default:
		return "The key cannot be read";
	}
}

static int check_and_set(struct envelope *env, struct envelope_xts *xts, const u8 *bytes,
			 unsigned int size, char **error)
{
	u8 check[ENVELOPE_CHECK_SIZE];
	int r;

	if (env->table.has_key_check) {
		r = envelope_key_check(env->hmac, bytes, size, check);
		if (r) {
			*error = "The key cannot be checked";
			return r;
		}
		if (crypto_memneq(check, env->table.key_check, sizeof(check))) {
			*error = "The key is not this volume's: key_check does not match";
			return -EKEYREJECTED;
		}
	}
	r = envelope_xts_set_key(xts, bytes, size);
	if (r)
		*error = "The cipher refuses the key";
	return r;
}

/* Allocates without I/O, because the device may be fenced */
static int find_and_set(struct envelope *env, const struct envelope_keyspec *spec, char **error)
{
	struct envelope_generation *next = envelope_life_next(env);
	unsigned int noio = memalloc_noio_save();
	u8 bytes[ENVELOPE_KEY_MAX];
	struct key *key;
	int r;

	key = get_key(spec, bytes);
	if (IS_ERR(key)) {
		r = PTR_ERR(key);
		*error = key_error(r);
		goto out;
	}
	r = check_and_set(env, next->xts, bytes, spec->size, error);
	if (r)
		key_put(key);
	else
		envelope_life_begin(env, key);
out:
	memzero_explicit(bytes, sizeof(bytes));
	memalloc_noio_restore(noio);
	return r;
}

/**
 * envelope_key_set() - find a key, check it, and have bios use it
 * @env:   @env->lock is held
 * @spec:  which key; the caller makes it the table's on success
 * @error: set to what is wrong
 *
 * A key that cannot be had or is the wrong one leaves everything as it was.
 *
 * Context: may sleep. Return: 0 or -errno.
 */
int envelope_key_set(struct envelope *env, const struct envelope_keyspec *spec, char **error)
{
	int r = -EBUSY;

	if (envelope_hibernate_hold_off()) {
		r = find_and_set(env, spec, error);
		envelope_hibernate_allow();
	} else {
		*error = "The machine hibernates";
	}
	trace_envelope_key_set(env, r);
	return r;
}
