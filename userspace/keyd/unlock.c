// SPDX-License-Identifier: GPL-2.0-or-later
#include "unlock.h"

#include <errno.h>
#include <string.h>

#include "broker-client.h"
#include "kek.h"

void unlock_free(struct unlocked *u)
{
	envelope_volume_free(u->volume);
	envelope_secret_free(u->dek);
	memset(u, 0, sizeof(*u));
}

/* A share of a slot any share of which opens it */
static int open_by_share(struct op *op, struct unlocked *u, const struct envelope_token *token,
			 unsigned int share, uint8_t *secret, struct envelope_error *e)
{
	struct envelope_kek_config config;
	int r = kek_declared(op, token->shares[share].kek, &config, e);

	if (!r)
		r = broker_unwrap(op, &token->shares[share], secret, e);
	if (!r && !envelope_token_committed(token, share, secret))
		r = envelope_fail(e, ENVELOPE_E_SEAL_BROKEN,
				  "%s: slot %u: KEK %s unwraps something else than was sealed",
				  envelope_volume_device(u->volume), token->slot,
				  token->shares[share].kek);
	if (!r)
		r = envelope_token_open(token, u->geometry, secret, u->dek, e);
	return r;
}

static int open_by_slot(struct op *op, struct unlocked *u, const struct envelope_token *token,
			struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	struct envelope_error other;
	int r;

	if (!secret)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	if (token->threshold != 1)
		return envelope_fail(e, ENVELOPE_E_UNSUPPORTED,
				     "%s: slot %u needs %u shares; this version opens by one",
				     envelope_volume_device(u->volume), token->slot,
				     token->threshold);
	u->share = 0;
	r = open_by_share(op, u, token, 0, secret, e);
	while (r && ++u->share < token->n_shares)
		r = open_by_share(op, u, token, u->share, secret, &other);
	return r;
}

/* Slots are tried in the order of their ids; the first one's error is the one to show */
static int open_by_any_slot(struct op *op, struct unlocked *u, struct envelope_error *e)
{
	struct envelope_error other, *where = e;
	int r;

	if (!u->n_slots)
		return envelope_fail(e, ENVELOPE_E_NO_SLOT, "%s has no slot: its keys were erased",
				     envelope_volume_device(u->volume));
	for (unsigned int id = 0; id < ENVELOPE_SLOTS_MAX; id++) {
		for (size_t i = 0; i < u->n_slots; i++) {
			if (u->slots[i].token.slot != id)
				continue;
			if (where == e)
				u->opened = i;
			r = open_by_slot(op, u, &u->slots[i].token, where);
			if (!r) {
				u->opened = i;
				u->had = true;
				return 0;
			}
			where = &other;
		}
	}
	return -(int)e->code;
}

static int write_pin(struct op *op, struct unlocked *u, struct envelope_error *e)
{
	const struct envelope_token *token = &u->slots[u->opened].token;
	int r = envelope_pin_make(&u->pin, u->geometry, token, u->dek, e);

	if (!r)
		r = envelope_pin_write(op->manager->volumes_dir, &u->pin, e);
	u->pinned = !r;
	return r;
}

static int read_pin(struct op *op, struct unlocked *u, struct envelope_error *e)
{
	const char *uuid = u->geometry->uuid;
	const struct device *device;

	if (!op->remembered)
		return envelope_pin_read(op->manager->volumes_dir, uuid, &u->pin, e);
	LIST_FOREACH(device, &op->manager->devices, link)
	{
		if (!strcmp(device->pin.uuid, uuid)) {
			u->pin = device->pin;
			return 0;
		}
	}
	return envelope_fail(e, ENVELOPE_E_NOT_PINNED, "volume %s: this host never trusted it",
			     uuid);
}

static int check_pin(struct op *op, struct unlocked *u, bool accept_new, struct envelope_error *e)
{
	int r = read_pin(op, u, e);

	if (!r)
		r = envelope_pin_check(&u->pin, u->geometry, &u->slots[u->opened].token, u->dek, e);
	if (accept_new && (r == -ENVELOPE_E_NOT_PINNED || r == -ENVELOPE_E_PIN_MISMATCH))
		r = write_pin(op, u, e);
	return r;
}

int unlock(struct op *op, const char *device, bool accept_new, struct unlocked *u,
	   struct envelope_error *e)
{
	int r;

	memset(u, 0, sizeof(*u));
	op_step(op, "reading the header of %s", device);
	r = envelope_volume_load(device, &u->volume, e);
	if (!r)
		r = envelope_volume_slots(u->volume, u->slots, &u->n_slots, e);
	if (r)
		return r;
	u->geometry = envelope_volume_geometry(u->volume);
	u->dek = envelope_secret_alloc(u->geometry->key_size);
	if (!u->dek)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	op_step(op, "unwrapping the key of %s", u->geometry->uuid);
	r = open_by_any_slot(op, u, e);
	if (r)
		return r;
	op_step(op, "checking that header, disk and key belong together");
	r = envelope_volume_verify(u->volume, u->dek, e);
	if (!r)
		r = envelope_volume_witness(u->volume, u->dek, e);
	if (!r)
		r = check_pin(op, u, accept_new, e);
	return r;
}

void opened_by(struct op *op, const struct unlocked *u, struct broker_opened *opened)
{
	memset(opened, 0, sizeof(*opened));
	if (!u->n_slots)
		return;
	opened->pin = u->pin;
	opened->token = u->slots[u->opened].token;
	for (unsigned int i = 0; i < opened->token.n_shares; i++)
		if (!kek_declared(op, opened->token.shares[i].kek, &opened->configs[i], NULL))
			opened->declared |= 1U << i;
	if (u->had)
		opened->proved = 1U << u->share;
}

unsigned int opened_lease(const struct broker_opened *opened)
{
	unsigned int lease = ENVELOPE_LEASE_MAX;

	for (unsigned int i = 0; i < opened->token.n_shares; i++)
		if (opened->declared & 1U << i && opened->configs[i].lease < lease)
			lease = opened->configs[i].lease;
	return lease;
}

/* The DEK that comes out of what was sealed must be the one that went in */
static int prove_seal(const struct envelope_token *token, const struct envelope_geometry *geometry,
		      const uint8_t *secret, const uint8_t *dek, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *back = envelope_secret_alloc(geometry->key_size);
	int r;

	if (!back)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = envelope_token_open(token, geometry, secret, back, e);
	if (!r && !envelope_secret_equal(back, dek, geometry->key_size))
		r = envelope_fail(e, ENVELOPE_E_FAILED, "a slot just sealed opens to another key");
	return r;
}

int seal_slot(struct op *op, const struct envelope_geometry *geometry, unsigned int slot,
	      const char *const *keks, unsigned int n_keks, const uint8_t *dek,
	      struct envelope_token *token, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	int r;

	if (!secret)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = envelope_token_begin(token, geometry, slot, secret, e);
	if (r)
		return r;
	token->threshold = 1;
	token->n_shares = n_keks;
	for (unsigned int i = 0; i < n_keks && !r; i++) {
		token->shares[i].index = i + 1;
		memcpy(token->shares[i].kek, keks[i], strlen(keks[i]) + 1);
		r = broker_wrap(op, secret, &token->shares[i], e);
		if (!r)
			r = envelope_token_commit(token, i, secret, e);
	}
	if (!r)
		r = envelope_token_seal(token, geometry, secret, dek, e);
	if (!r)
		r = prove_seal(token, geometry, secret, dek, e);
	return r;
}
