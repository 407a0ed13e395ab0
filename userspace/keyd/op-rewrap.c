// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rewrap: the same DEK in fresh slots, under the current version of each KEK. Each is
 * wrapped, unwrapped and compared, written, read back, and only then does the old one
 * go: power may fail at any point. A slot that is up to date stays as it is, unless
 * there are two of it: that is what a rewrap left that lost its power half-way.
 */
#include <string.h>

#include "broker-client.h"
#include "device.h"
#include "kek.h"
#include "log.h"
#include "op.h"
#include "unlock.h"

static int is_current(struct op *op, const struct envelope_token *token, bool *current,
		      struct envelope_error *e)
{
	struct envelope_worker_reply attributes;
	int r;

	*current = true;
	for (unsigned int i = 0; i < token->n_shares; i++) {
		r = kek_attributes(op, token->shares[i].kek, &attributes, e);
		if (r)
			return r;
		if (strcmp(attributes.version, token->shares[i].version))
			*current = false;
	}
	return 0;
}

/* The first other token of the same slot */
static const struct envelope_slot *twin(const struct unlocked *u, const struct envelope_slot *slot)
{
	for (size_t i = 0; i < u->n_slots; i++)
		if (&u->slots[i] != slot && u->slots[i].token.slot == slot->token.slot)
			return &u->slots[i];
	return NULL;
}

static int drop_twins(struct unlocked *u, const struct envelope_slot *old, struct envelope_error *e)
{
	int r = 0;

	for (size_t i = 0; i < u->n_slots && !r; i++)
		if (&u->slots[i] != old && u->slots[i].token.slot == old->token.slot)
			r = envelope_volume_drop_slot(u->volume, u->slots[i].token_id, e);
	return r;
}

static int renew(struct op *op, struct unlocked *u, const struct envelope_slot *old,
		 struct envelope_error *e)
{
	const char *keks[ENVELOPE_SHARES_MAX];
	struct envelope_token token;
	int r;

	for (unsigned int i = 0; i < old->token.n_shares; i++)
		keks[i] = old->token.shares[i].kek;
	op_step(op, "wrapping slot %u anew", old->token.slot);
	r = seal_slot(op, u->geometry, old->token.slot, keks, old->token.n_shares, u->dek, &token,
		      e);
	if (r)
		return r;
	op_step(op, "writing slot %u", old->token.slot);
	r = envelope_volume_replace_slot(u->volume, old->token_id, &token, e);
	return r ? r : drop_twins(u, old, e);
}

/* Before the first change */
static int prepare(struct op *op, struct unlocked *u, struct envelope_error *e)
{
	int r = op_check_writable(envelope_volume_device(u->volume), e);

	if (r)
		return r;
	op_step(op, "backing up the header");
	return envelope_volume_backup(u->volume, op->manager->headers_dir, HEADERS_KEPT, e);
}

static int renew_all(struct op *op, struct unlocked *u, bool *changed, struct envelope_error *e)
{
	bool current;
	int r;

	for (size_t i = 0; i < u->n_slots; i++) {
		const struct envelope_slot *other = twin(u, &u->slots[i]);

		if (other && other < &u->slots[i])
			continue; /* went with its twin */
		r = is_current(op, &u->slots[i].token, &current, e);
		if (r)
			return r;
		if (current && !other)
			continue;
		if (!*changed)
			r = prepare(op, u, e);
		if (!r)
			r = renew(op, u, &u->slots[i], e);
		if (r)
			return r;
		*changed = true;
	}
	return 0;
}

static int check_thresholds(const struct unlocked *u, struct envelope_error *e)
{
	for (size_t i = 0; i < u->n_slots; i++)
		if (u->slots[i].token.threshold != 1)
			return envelope_fail(e, ENVELOPE_E_UNSUPPORTED,
					     "%s: slot %u needs %u shares; this version writes "
					     "slots of one",
					     envelope_volume_device(u->volume),
					     u->slots[i].token.slot, u->slots[i].token.threshold);
	return 0;
}

/* A device that is open hangs on the new version from now on, not on the one that opened it */
static void tell_who_has_it_open(struct op *op, struct unlocked *u, unsigned int slot)
{
	struct broker_opened opened;
	char name[TABLE_NAME_MAX + 1];

	if (device_of_volume(u->geometry->uuid, name, NULL) || !*name)
		return;
	for (size_t i = 0; i < u->n_slots; i++)
		if (u->slots[i].token.slot == slot)
			u->opened = i;
	opened_by(op, u, &opened);
	broker_opened(op, name, &opened);
}

int op_rewrap(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { "device", NULL };
	_cleanup_unlocked_ struct unlocked u = {};
	bool changed = false;
	unsigned int slot;
	char device[256];
	struct stat st;
	int r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "device", true, device, sizeof(device), e);
	if (!r)
		r = op_lock_disk(op, device, &st, e);
	if (!r)
		r = unlock(op, device, false, &u, e);
	if (!r)
		r = check_thresholds(&u, e);
	slot = r ? 0 : u.slots[u.opened].token.slot;
	if (!r)
		r = renew_all(op, &u, &changed, e);
	if (!r && changed)
		r = envelope_volume_slots(u.volume, u.slots, &u.n_slots, e);
	if (r)
		return r;
	if (changed)
		tell_who_has_it_open(op, &u, slot);
	if (changed)
		log_line(
			LOG_NOTICE,
			&(struct log_fields) { .id = LOG_ID_REWRAPPED, .volume = u.geometry->uuid },
			"%s: volume %s is rewrapped", device, u.geometry->uuid);
	*result = json_object_new_object();
	json_object_object_add(*result, "slots", op_slots(u.slots, u.n_slots));
	op_add_bool(*result, "changed", changed);
	op_add_text(*result, "backup", changed ? op->manager->headers_dir : NULL);
	return 0;
}
