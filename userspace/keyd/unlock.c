// SPDX-License-Identifier: GPL-2.0-or-later
#include "unlock.h"

#include <errno.h>
#include <string.h>

#include "gather.h"
#include "kek.h"
#include "recover.h"

void unlock_free(struct unlocked *u)
{
	envelope_volume_free(u->volume);
	envelope_secret_free(u->dek);
	envelope_secret_free(u->all_shares);
	memset(u, 0, sizeof(*u));
}

static int make_pin(struct unlocked *u, struct envelope_error *e)
{
	int r = envelope_pin_make(&u->pin, u->geometry, u->dek, e);

	for (size_t i = 0; i < u->n_slots && !r; i++)
		r = envelope_pin_add(&u->pin, &u->slots[i].token, e);
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

static int check_pin(struct op *op, struct unlocked *u, const struct unlock_by *by,
		     struct envelope_error *e)
{
	int r = read_pin(op, u, e);

	if (!r)
		r = envelope_pin_check(&u->pin, u->geometry, &u->slots[u->opened].token, u->dek, e);
	if (!by->accept_new || (r != -ENVELOPE_E_NOT_PINNED && r != -ENVELOPE_E_PIN_MISMATCH))
		return r;
	r = make_pin(u, e);
	if (r || by->copy)
		return r;
	r = envelope_pin_write(op->manager->volumes_dir, &u->pin, e);
	u->pinned = !r;
	return r;
}

int unlock(struct op *op, const char *device, const char *header, const struct unlock_by *by,
	   struct unlocked *u, struct envelope_error *e)
{
	static const struct unlock_by plain = {};
	int r;

	by = by ?: &plain;
	memset(u, 0, sizeof(*u));
	u->about = device;
	op_step(op, "reading the header of %s", device);
	r = envelope_volume_load(device, header, &u->volume, e);
	if (!r)
		r = envelope_volume_slots(u->volume, u->slots, &u->n_slots, e);
	if (r)
		return r;
	u->geometry = envelope_volume_geometry(u->volume);
	u->dek = envelope_secret_alloc(u->geometry->key_size);
	if (!u->dek)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	op_step(op, "unwrapping the key of %s", u->geometry->uuid);
	r = by->recovery ? recover(op, by, u, e) : gather(op, by, u, e);
	if (r)
		return r;
	op_step(op, "checking that header, disk and key belong together");
	r = envelope_volume_verify(u->volume, u->dek, e);
	if (!r)
		r = envelope_volume_witness(u->volume, u->dek, e);
	if (!r)
		r = check_pin(op, u, by, e);
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
		opened->proved = u->shares;
}

bool slot_is_there(const struct unlocked *u, int slot, size_t *at)
{
	for (*at = 0; *at < u->n_slots; (*at)++)
		if ((int)u->slots[*at].token.slot == slot)
			return true;
	return false;
}

int slot_trusted(const struct unlocked *u, const struct envelope_token *token,
		 struct envelope_error *e)
{
	int r = envelope_pin_allows(&u->pin, token, e);

	if (r == -ENVELOPE_E_PIN_MISMATCH)
		envelope_cure(e, "unless you know it, remove it: envelopectl slot remove %s %u",
			      u->about, token->slot);
	return r;
}

unsigned int opened_lease(const struct broker_opened *opened)
{
	unsigned int lease = ENVELOPE_LEASE_MAX;

	for (unsigned int i = 0; i < opened->token.n_shares; i++)
		if (opened->declared & 1U << i && opened->configs[i].lease < lease)
			lease = opened->configs[i].lease;
	return lease;
}
