// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rewrap: the same DEK in fresh slots, under the current version of each KEK, or in one of them
 * under another policy. Each is wrapped, unwrapped and compared, written, read back, and only then
 * does the old one go: power may fail at any point. A slot that is up to date stays as it is,
 * unless there are two of it: that is what a rewrap left that lost its power half-way.
 */
#include <string.h>

#include "broker-client.h"
#include "header.h"
#include "inventory.h"
#include "kek.h"
#include "log.h"
#include "op.h"
#include "recovery.h"
#include "seal.h"
#include "sets.h"
#include "trust.h"
#include "unlock.h"

#define ANY_SLOT ENVELOPE_SLOTS_MAX

/**
 * struct rewrap
 * @policy:	that one slot is to have; without a KEK or a set: its own
 * @threshold:	the same; 0: its own
 * @slot:	which that is; ANY_SLOT: the only one
 * @uuid:	that the volume must have; "": whichever
 * @other:	some slot has another policy than before
 * @due:	numbers of the slots that are, or were, to be sealed anew
 */
struct rewrap {
	struct op_disk disk;
	struct policy policy;
	uint32_t threshold, slot;
	char uuid[ENVELOPE_UUID_TEXT + 1];
	bool dry_run, changed, other;
	struct unlocked u;
	struct json_object *due;
};

static bool has_policy(const struct rewrap *w)
{
	return w->policy.n || *w->policy.set || w->threshold;
}

static int read_uuid(struct op *op, struct rewrap *w, struct envelope_error *e)
{
	int r = op_text(op, "uuid", false, w->uuid, sizeof(w->uuid), e);

	if (r || !*w->uuid || envelope_uuid_valid(w->uuid))
		return r;
	return envelope_fail(e, ENVELOPE_E_USAGE, "%s is no uuid", w->uuid);
}

/* Where disks are found by what an inventory says, another may be there by now */
static int check_uuid(const struct rewrap *w, struct envelope_error *e)
{
	_cleanup_volume_ struct envelope_volume *volume = NULL;
	const char *found;
	int r = *w->uuid ? envelope_volume_load(w->disk.device, w->disk.header, &volume, e) : 0;

	if (r || !volume)
		return r;
	found = envelope_volume_geometry(volume)->uuid;
	if (!strcmp(w->uuid, found))
		return 0;
	envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s holds volume %s, not %s", w->disk.device, found,
		      w->uuid);
	return envelope_cure(e, "attach the disk that has it, and repeat this");
}

static int read_parameters(struct op *op, struct rewrap *w, struct envelope_error *e)
{
	static const char *const known[] = { "device", "header",  "keks", "threshold", "set",
					     "slot",   "dry_run", "uuid", NULL };
	int r = op_known(op, known, e);

	if (!r)
		r = policy_read(op, &w->policy, e);
	if (!r)
		r = op_number(op, "threshold", ENVELOPE_SHARES_MAX, &w->threshold, e);
	if (!r)
		r = op_number(op, "slot", ENVELOPE_SLOTS_MAX - 1, &w->slot, e);
	if (!r && w->slot != ANY_SLOT && !has_policy(w))
		r = envelope_fail(e, ENVELOPE_E_USAGE,
				  "one slot by itself is chosen for other KEKs only");
	if (!r && *w->policy.set && w->threshold)
		r = envelope_fail(e, ENVELOPE_E_USAGE, "a volume has the threshold of its set");
	if (!r)
		r = op_bool(op, "dry_run", &w->dry_run, e);
	if (!r)
		r = read_uuid(op, w, e);
	return r ? r : op_disk(op, &w->disk, e);
}

static bool by_recovery(const struct envelope_token *token)
{
	return envelope_recovery_is(&token->shares[0]);
}

/* The only one that KEKs open */
static int only_slot(struct rewrap *w, struct envelope_error *e)
{
	for (size_t i = 0; i < w->u.n_slots; i++) {
		const struct envelope_token *token = &w->u.slots[i].token;

		if (by_recovery(token) || token->slot == w->slot)
			continue;
		if (w->slot != ANY_SLOT) {
			envelope_fail(e, ENVELOPE_E_USAGE, "%s has more than one slot of KEKs",
				      w->disk.device);
			return envelope_cure(e,
					     "say which is to have others: --slot N; see "
					     "envelopectl slot list %s",
					     w->disk.device);
		}
		w->slot = token->slot;
	}
	if (w->slot != ANY_SLOT)
		return 0;
	envelope_fail(e, ENVELOPE_E_NO_SLOT, "%s has a recovery key, and no slot of KEKs",
		      w->disk.device);
	return envelope_cure(e, "add one: envelopectl slot add --by-recovery-key --kek NAME %s",
			     w->disk.device);
}

/* Whose policy is to be another one, and what that is in full */
static int choose_slot(struct rewrap *w, struct envelope_error *e)
{
	size_t at;
	int r = w->slot == ANY_SLOT ? only_slot(w, e) : 0;

	if (r)
		return r;
	if (!slot_is_there(&w->u, (int)w->slot, &at)) {
		envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s has no slot %u", w->disk.device,
			      w->slot);
		return envelope_cure(e, "see which it has: envelopectl slot list %s",
				     w->disk.device);
	}
	if (by_recovery(&w->u.slots[at].token)) {
		envelope_fail(e, ENVELOPE_E_USAGE, "%s: slot %u is that of a recovery key",
			      w->disk.device, w->slot);
		return envelope_cure(e, "add a slot of KEKs, then remove that one");
	}
	if (w->policy.n || *w->policy.set)
		return 0;
	policy_of(&w->u.slots[at].token, &w->policy);
	w->policy.threshold = w->threshold;
	if (w->threshold <= w->policy.n)
		return 0;
	envelope_fail(e, ENVELOPE_E_USAGE, "%s: a threshold of %u is more than slot %u has KEKs",
		      w->disk.device, w->threshold, w->slot);
	return envelope_cure(e, "name all that it is to have: --kek");
}

/* A slot of a set stays one, unless it is to have KEKs of its own */
static void policy_for(struct op *op, const struct rewrap *w, const struct envelope_token *token,
		       struct policy *policy)
{
	*policy = w->policy;
	if (has_policy(w))
		return;
	policy_of(token, policy);
	inventory_set(op, w->u.geometry->uuid, token, policy->set);
}

/* Neither the KEKs, nor their versions, nor the secret of the set are other ones */
static int is_due(struct op *op, const struct policy *policy, const struct envelope_token *token,
		  bool *due, struct envelope_error *e)
{
	struct envelope_token set;
	bool same = true;
	int r;

	*due = false;
	if (*policy->set) {
		r = set_renew(op, policy->set, NULL, true, due, &set, e);
		if (!r && !*due)
			r = set_has(op, policy->set, token, &same, e);
		*due |= !same;
		return r;
	}
	same = policy_is(policy, token);
	r = same ? kek_current(op, token, &same, e) : 0;
	*due = !same;
	return r;
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

static int begin(struct op *op, struct rewrap *w, struct envelope_error *e)
{
	int r = w->changed ? 0 : header_begin(op, w->u.volume, e);

	w->changed = !r;
	return r;
}

static int seal(struct op *op, struct rewrap *w, const struct policy *policy, unsigned int slot,
		struct envelope_token *token, struct envelope_error *e)
{
	struct envelope_token set;
	bool due;
	int r = *policy->set ? set_renew(op, policy->set, NULL, false, &due, &set, e) : 0;

	if (r)
		return r;
	op_step(op, "wrapping slot %u anew", slot);
	return seal_slot(op, w->u.geometry, slot, policy, w->u.dek, token, e);
}

static int renew(struct op *op, struct rewrap *w, struct envelope_slot *old,
		 const struct policy *policy, struct envelope_error *e)
{
	struct envelope_token token;
	struct unlocked *u = &w->u;
	struct policy was;
	bool other;
	int r = has_policy(w) ? 0 : slot_trusted(u, &old->token, e);

	if (!r)
		r = seal(op, w, policy, old->token.slot, &token, e);
	if (r)
		return r;
	policy_of(&old->token, &was);
	other = !policy_is(&was, &token); /* a set may have other KEKs now, too */
	if (other)
		r = envelope_volume_check_room(u->volume, &token, e);
	if (!r)
		r = begin(op, w, e);
	if (!r && other)
		r = trust_widen(op, u, &token, e);
	if (r)
		return r;
	w->other |= other;
	op_step(op, "writing slot %u", old->token.slot);
	inventory_note_disk(op, &w->disk, u, &token);
	r = envelope_volume_replace_slot(u->volume, old->token_id, &token, e);
	if (!r)
		r = drop_twins(u, old, e);
	old->token = token; /* as the inventory has it from here on */
	return r;
}

static int renew_due(struct op *op, struct rewrap *w, struct envelope_error *e)
{
	struct unlocked *u = &w->u;
	int r = 0;

	for (size_t i = 0; i < u->n_slots && !r; i++) {
		struct envelope_slot *slot = &u->slots[i];
		const struct envelope_slot *other = twin(u, slot);
		struct policy policy;
		bool due = other;

		if (other && other < slot)
			continue; /* went with its twin */
		if (has_policy(w) && slot->token.slot != w->slot)
			continue;
		policy_for(op, w, &slot->token, &policy);
		if (!due)
			r = is_due(op, &policy, &slot->token, &due, e);
		if (r || !due)
			continue;
		json_object_array_add(w->due, json_object_new_int((int)slot->token.slot));
		if (!w->dry_run)
			r = renew(op, w, slot, &policy, e);
	}
	return r;
}

static int rewrap(struct op *op, struct rewrap *w, struct envelope_error *e)
{
	struct unlocked *u = &w->u;
	unsigned int slot;
	int r = read_parameters(op, w, e);

	if (!r)
		r = kek_ensure_all(op, &w->policy, w->dry_run, e);
	if (!r)
		r = check_uuid(w, e);
	if (!r)
		r = unlock_disk(op, &w->disk, NULL, u, e);
	if (!r && has_policy(w))
		r = choose_slot(w, e);
	if (r)
		return r;
	slot = u->slots[u->opened].token.slot;
	r = renew_due(op, w, e);
	if (!r && !w->changed && !w->dry_run)
		inventory_note_disk(op, &w->disk, u, NULL);
	if (r || !w->changed)
		return r;
	if (w->other)
		u->shares = 0; /* which did open it need not be those that will */
	r = envelope_volume_slots(u->volume, u->slots, &u->n_slots, e);
	if (!r && w->other)
		r = trust_narrow(op, u, e);
	if (r)
		return r;
	header_changed(op, u, slot);
	inventory_note_disk(op, &w->disk, u, NULL);
	return 0;
}

static void log_result(const struct rewrap *w)
{
	char by[256];

	policy_text(&w->policy, by, sizeof(by));
	log_line(LOG_NOTICE,
		 &(struct log_fields) { .id = LOG_ID_REWRAPPED, .volume = w->u.geometry->uuid },
		 "%s: volume %s is rewrapped%s%s", w->disk.device, w->u.geometry->uuid,
		 has_policy(w) ? ", by " : "", has_policy(w) ? by : "");
}

int op_rewrap(struct op *op, struct json_object **result, struct envelope_error *e)
{
	struct rewrap w = { .slot = ANY_SLOT, .due = json_object_new_array() };
	int r = rewrap(op, &w, e);

	if (!r) {
		if (w.changed)
			log_result(&w);
		*result = json_object_new_object();
		json_object_object_add(*result, "slots", op_slots(w.u.slots, w.u.n_slots));
		op_add_bool(*result, "changed", w.changed);
		json_object_object_add(*result, "due", json_object_get(w.due));
		op_add_text(*result, "backup", w.changed ? op->manager->headers_dir : NULL);
	}
	json_object_put(w.due);
	unlock_free(&w.u);
	return r;
}
