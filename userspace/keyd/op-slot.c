// SPDX-License-Identifier: GPL-2.0-or-later
/* Slots: one more way to a DEK, or one less. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto.h"
#include "header.h"
#include "inventory.h"
#include "kek.h"
#include "log.h"
#include "op.h"
#include "policy.h"
#include "recover.h"
#include "recovery.h"
#include "seal.h"
#include "trust.h"
#include "unlock.h"

static int unused_id(const struct unlocked *u, unsigned int *id, struct envelope_error *e)
{
	uint32_t used = 0;

	for (size_t i = 0; i < u->n_slots; i++)
		used |= 1U << u->slots[i].token.slot;
	for (*id = 0; *id < ENVELOPE_SLOTS_MAX; (*id)++)
		if (!(used & 1U << *id))
			return 0;
	envelope_fail(e, ENVELOPE_E_LIMIT, "%s has all %d slots", envelope_volume_device(u->volume),
		      ENVELOPE_SLOTS_MAX);
	return envelope_cure(e, "remove one that is not needed: envelopectl slot remove %s",
			     envelope_volume_device(u->volume));
}

static int write_slot(struct op *op, const struct op_disk *disk, struct unlocked *u,
		      const struct envelope_token *token, struct envelope_error *e)
{
	int r = envelope_volume_check_room(u->volume, token, e);

	if (!r)
		r = header_begin(op, u->volume, e);
	if (!r)
		r = trust_widen(op, u, token, e);
	if (r)
		return r;
	op_step(op, "writing slot %u", token->slot);
	inventory_note_disk(op, disk, u, token);
	r = envelope_volume_put_slot(u->volume, token, e);
	return r < 0 ? r : envelope_volume_slots(u->volume, u->slots, &u->n_slots, e);
}

static struct json_object *describe(struct op *op, const struct unlocked *u, unsigned int slot)
{
	struct json_object *result = json_object_new_object();

	for (size_t i = 0; i < u->n_slots; i++)
		if (u->slots[i].token.slot == slot)
			json_object_object_add(result, "slot",
					       op_slot(u->slots[i].token_id, &u->slots[i].token));
	op_add_text(result, "backup", op->manager->headers_dir);
	return result;
}

static void log_change(const struct unlocked *u, const char *fmt, unsigned int slot,
		       const char *text)
{
	char line[512];

	snprintf(line, sizeof(line), fmt, slot, text);
	log_line(LOG_NOTICE,
		 &(struct log_fields) { .id = LOG_ID_SLOT, .volume = u->geometry->uuid },
		 "%s: volume %s: %s", envelope_volume_device(u->volume), u->geometry->uuid, line);
}

struct addition {
	struct op_disk disk;
	struct policy policy;
	char by[256]; /* the policy, for people */
	uint8_t *recovery;
	struct unlock_by unlock;
	struct envelope_token token;
};

/* A recovery key is a slot of its own: with others it would have to be there for each rewrap */
static int make_recovery(struct addition *a, struct envelope_error *e)
{
	if (a->policy.n || *a->policy.set)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "a recovery key and KEKs cannot share a slot");
	a->recovery = envelope_secret_alloc(ENVELOPE_RECOVERY_BYTES);
	if (!a->recovery)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	if (envelope_random(a->recovery, ENVELOPE_RECOVERY_BYTES))
		return envelope_fail(e, ENVELOPE_E_FAILED, "no random numbers for a key");
	a->policy.recovery = a->recovery;
	strcpy(a->policy.keks[0], ENVELOPE_RECOVERY_KEK);
	a->policy.n = 1;
	return 0;
}

static int read_add(struct op *op, struct addition *a, struct envelope_error *e)
{
	static const char *const known[] = { "device",		"keks", "threshold", "recovery_key",
					     "by_recovery_key", "set",	"header",    NULL };
	bool recovery = false;
	int r = op_known(op, known, e);

	if (!r)
		r = policy_read(op, &a->policy, e);
	if (!r)
		r = op_bool(op, "recovery_key", &recovery, e);
	if (!r)
		r = op_bool(op, "by_recovery_key", &a->unlock.recovery, e);
	if (!r && recovery && a->unlock.recovery)
		r = envelope_fail(e, ENVELOPE_E_USAGE,
				  "one recovery key cannot be read and another be made at once");
	if (!r && recovery)
		r = make_recovery(a, e);
	if (!r && !a->policy.n && !*a->policy.set)
		r = envelope_fail(e, ENVELOPE_E_USAGE, "a slot needs a KEK");
	policy_text(&a->policy, a->by, sizeof(a->by));
	return r ? r : op_disk(op, &a->disk, e);
}

static int add_slot(struct op *op, struct addition *a, struct unlocked *u, struct envelope_error *e)
{
	unsigned int slot, opened;
	int r = a->recovery ? 0 : kek_ensure_all(op, &a->policy, false, e);

	if (!r)
		r = unlock_disk(op, &a->disk, &a->unlock, u, e);
	if (!r)
		r = unused_id(u, &slot, e);
	if (r)
		return r;
	opened = u->slots[u->opened].token.slot;
	op_step(op, "wrapping the key by %s", a->by);
	r = seal_slot(op, u->geometry, slot, &a->policy, u->dek, &a->token, e);
	/* Who cannot read it now never will: then there is to be no such slot */
	if (!r && a->recovery)
		r = recovery_print(op, a->recovery, e);
	if (!r)
		r = write_slot(op, &a->disk, u, &a->token, e);
	if (!r)
		header_changed(op, u, opened);
	return r;
}

int op_slot_add(struct op *op, struct json_object **result, struct envelope_error *e)
{
	_cleanup_unlocked_ struct unlocked u = {};
	struct addition a = {};
	int r = read_add(op, &a, e);

	if (!r)
		r = add_slot(op, &a, &u, e);
	envelope_secret_free(a.recovery);
	if (r)
		return r;
	log_change(&u, "slot %u is added, by %s", a.token.slot, a.by);
	*result = describe(op, &u, a.token.slot);
	return 0;
}

struct removal {
	struct op_disk disk;
	uint32_t slot;
	bool force;
	struct unlock_by by;
};

static int read_remove(struct op *op, struct removal *removal, struct envelope_error *e)
{
	static const char *const known[] = { "device", "header",	  "slot",
					     "force",  "by_recovery_key", NULL };
	int r = op_known(op, known, e);

	removal->slot = ENVELOPE_SLOTS_MAX;
	if (!r)
		r = op_number(op, "slot", ENVELOPE_SLOTS_MAX - 1, &removal->slot, e);
	if (!r && removal->slot == ENVELOPE_SLOTS_MAX)
		r = envelope_fail(e, ENVELOPE_E_USAGE, "the parameter slot is missing");
	if (!r)
		r = op_bool(op, "force", &removal->force, e);
	if (!r)
		r = op_bool(op, "by_recovery_key", &removal->by.recovery, e);
	if (!r)
		removal->by.without = 1U << removal->slot;
	return r ? r : op_disk(op, &removal->disk, e);
}

static int check_removable(const struct unlocked *u, const struct removal *removal,
			   struct envelope_error *e)
{
	size_t there = 0;

	for (size_t i = 0; i < u->n_slots; i++)
		there += u->slots[i].token.slot == removal->slot;
	if (!there) {
		envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s has no slot %u", removal->disk.device,
			      removal->slot);
		return envelope_cure(e, "see which it has: envelopectl slot list %s",
				     removal->disk.device);
	}
	if (there < u->n_slots)
		return 0;
	envelope_fail(e, ENVELOPE_E_NO_SLOT, "%s: slot %u is its last", removal->disk.device,
		      removal->slot);
	return envelope_cure(e, "add another first; or destroy the volume: envelopectl erase %s",
			     removal->disk.device);
}

/*
 * The others must open it without this one: then it can be missed. By force, with any: the
 * providers of the others may be down for now.
 */
static int unlock_by_others(struct op *op, const struct removal *removal, struct unlocked *u,
			    struct envelope_error *e)
{
	int r = unlock_disk(op, &removal->disk, &removal->by, u, e);

	if (u->n_slots && check_removable(u, removal, e))
		return -(int)e->code;
	if (!r || !u->n_slots || u->had)
		return r;
	envelope_cure(e, "mend that; or, where slot %u must go at once: --force", removal->slot);
	if (!removal->force || removal->by.recovery)
		return r;
	unlock_free(u);
	return unlock_disk(op, &removal->disk, NULL, u, e);
}

static int drop(struct op *op, struct unlocked *u, unsigned int slot, struct envelope_error *e)
{
	int r = header_begin(op, u->volume, e);

	op_step(op, "dropping slot %u", slot);
	for (size_t i = 0; i < u->n_slots && !r; i++)
		if (u->slots[i].token.slot == slot)
			r = envelope_volume_drop_slot(u->volume, u->slots[i].token_id, e);
	if (!r)
		r = envelope_volume_slots(u->volume, u->slots, &u->n_slots, e);
	return r ? r : trust_narrow(op, u, e);
}

int op_slot_remove(struct op *op, struct json_object **result, struct envelope_error *e)
{
	_cleanup_unlocked_ struct unlocked u = {};
	struct removal removal = {};
	unsigned int opened;
	int r = read_remove(op, &removal, e);

	if (!r)
		r = unlock_by_others(op, &removal, &u, e);
	if (r)
		return r;
	opened = u.slots[u.opened].token.slot;
	r = drop(op, &u, removal.slot, e);
	if (r)
		return r;
	header_changed(op, &u, opened);
	inventory_note_disk(op, &removal.disk, &u, NULL);
	log_change(&u, "slot %u is removed%s", removal.slot, removal.force ? ", by force" : "");
	*result = json_object_new_object();
	json_object_object_add(*result, "slots", op_slots(u.slots, u.n_slots));
	op_add_text(*result, "backup", op->manager->headers_dir);
	return 0;
}
