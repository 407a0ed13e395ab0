// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rewrap: the same DEK in fresh slots, under the current version of each KEK. Each is
 * wrapped, unwrapped and compared, written, read back, and only then does the old one
 * go: power may fail at any point. A slot that is up to date stays as it is, unless
 * there are two of it: that is what a rewrap left that lost its power half-way.
 */
#include <string.h>

#include "broker-client.h"
#include "header.h"
#include "kek.h"
#include "log.h"
#include "op.h"
#include "recovery.h"
#include "seal.h"
#include "unlock.h"

static int is_current(struct op *op, const struct envelope_token *token, bool *current,
		      struct envelope_error *e)
{
	struct envelope_worker_reply attributes;
	int r;

	*current = true;
	for (unsigned int i = 0; i < token->n_shares; i++) {
		if (envelope_recovery_is(&token->shares[i]))
			continue; /* it has one version, and is not here */
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
	struct envelope_token token;
	struct policy policy;
	int r;

	r = slot_trusted(u, &old->token, e);
	if (r)
		return r;
	policy_of(&old->token, &policy);
	op_step(op, "wrapping slot %u anew", old->token.slot);
	r = seal_slot(op, u->geometry, old->token.slot, &policy, u->dek, &token, e);
	if (r)
		return r;
	op_step(op, "writing slot %u", old->token.slot);
	r = envelope_volume_replace_slot(u->volume, old->token_id, &token, e);
	return r ? r : drop_twins(u, old, e);
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
			r = header_begin(op, u->volume, e);
		if (!r)
			r = renew(op, u, &u->slots[i], e);
		if (r)
			return r;
		*changed = true;
	}
	return 0;
}

int op_rewrap(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { "device", "header", NULL };
	_cleanup_unlocked_ struct unlocked u = {};
	bool changed = false;
	unsigned int slot;
	struct op_disk disk = {};
	int r = op_known(op, known, e);

	if (!r)
		r = op_disk(op, &disk, e);
	if (!r)
		r = unlock_disk(op, &disk, NULL, &u, e);
	slot = r ? 0 : u.slots[u.opened].token.slot;
	if (!r)
		r = renew_all(op, &u, &changed, e);
	if (!r && changed)
		r = envelope_volume_slots(u.volume, u.slots, &u.n_slots, e);
	if (r)
		return r;
	if (changed)
		header_changed(op, &u, slot);
	if (changed)
		log_line(
			LOG_NOTICE,
			&(struct log_fields) { .id = LOG_ID_REWRAPPED, .volume = u.geometry->uuid },
			"%s: volume %s is rewrapped", disk.device, u.geometry->uuid);
	*result = json_object_new_object();
	json_object_object_add(*result, "slots", op_slots(u.slots, u.n_slots));
	op_add_bool(*result, "changed", changed);
	op_add_text(*result, "backup", changed ? op->manager->headers_dir : NULL);
	return 0;
}
