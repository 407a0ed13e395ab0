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
 * @due:	numbers of the slots that are, or were, to be sealed anew
 */
struct rewrap {
	struct op_disk disk;
	struct policy policy;
	uint32_t threshold, slot;
	bool dry_run, changed;
	struct unlocked u;
	struct json_object *due;
};

static bool has_policy(const struct rewrap *w)
{
	return w->policy.n || *w->policy.set || w->threshold;
}

static int read_parameters(struct op *op, struct rewrap *w, struct envelope_error *e)
{
	static const char *const known[] = { "device", "header", "keks",    "threshold",
					     "set",    "slot",	 "dry_run", NULL };
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
	return r ? r : op_disk(op, &w->disk, e);
}

/* Of a dry run nothing stays, not even a KEK `default` that was not there */
static int check_keks(struct op *op, const struct rewrap *w, struct envelope_error *e)
{
	struct envelope_worker_reply attributes;
	int r = 0;

	if (!w->dry_run)
		return kek_ensure_all(op, &w->policy, e);
	for (unsigned int i = 0; i < w->policy.n && !r; i++)
		r = kek_attributes(op, w->policy.keks[i], &attributes, e);
	return r;
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
			return envelope_cure(e, "say which is to have others: --slot N; see %s %s",
					     "envelopectl slot list", w->disk.device);
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

static int is_due(struct op *op, const struct rewrap *w, const struct envelope_token *token,
		  bool *due, struct envelope_error *e)
{
	bool same = true;
	int r = 0;

	if (*w->policy.set)
		r = set_has(op, w->policy.set, token, &same, e);
	else if (has_policy(w))
		same = policy_is(&w->policy, token);
	*due = !same;
	if (!r && same && !*w->policy.set)
		r = is_current(op, token, &same, e);
	*due |= !same;
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

static int renew(struct op *op, struct rewrap *w, struct envelope_slot *old,
		 struct envelope_error *e)
{
	struct envelope_token token;
	struct unlocked *u = &w->u;
	struct policy policy = w->policy;
	bool other_policy = has_policy(w);
	int r = other_policy ? 0 : slot_trusted(u, &old->token, e);

	if (r)
		return r;
	if (!other_policy)
		policy_of(&old->token, &policy);
	op_step(op, "wrapping slot %u anew", old->token.slot);
	r = seal_slot(op, u->geometry, old->token.slot, &policy, u->dek, &token, e);
	if (!r && other_policy)
		r = envelope_volume_check_room(u->volume, &token, e);
	if (!r)
		r = begin(op, w, e);
	if (!r && other_policy)
		r = trust_widen(op, u, &token, e);
	if (r)
		return r;
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
		bool due = other;

		if (other && other < slot)
			continue; /* went with its twin */
		if (has_policy(w) && slot->token.slot != w->slot)
			continue;
		if (!due)
			r = is_due(op, w, &slot->token, &due, e);
		if (r || !due)
			continue;
		json_object_array_add(w->due, json_object_new_int((int)slot->token.slot));
		if (!w->dry_run)
			r = renew(op, w, slot, e);
	}
	return r;
}

static int rewrap(struct op *op, struct rewrap *w, struct envelope_error *e)
{
	struct unlocked *u = &w->u;
	unsigned int slot;
	int r = read_parameters(op, w, e);

	if (!r)
		r = check_keks(op, w, e);
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
	if (has_policy(w))
		u->shares = 0; /* which did open it need not be those that will */
	r = envelope_volume_slots(u->volume, u->slots, &u->n_slots, e);
	if (!r && has_policy(w))
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
