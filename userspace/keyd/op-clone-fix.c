// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Clone-fix: the copy of a volume becomes one of its own. Its key stays, since its data does; the
 * uuid is fresh, and so is every slot, sealed for it. The new slot that will open it is there
 * before the new uuid is, and the old witness counts until the new one is: power may fail at any
 * point. What a run leaves that lost its power, the next one clears away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "header.h"
#include "inventory.h"
#include "log.h"
#include "op.h"
#include "recovery.h"
#include "seal.h"
#include "unlock.h"

#define RECOVERY_LOST                                                                              \
	"its recovery key does not open %s any more, only what it is a copy of: make another, "    \
	"envelopectl slot add --recovery-key %s"

/* A slot that is to be sealed anew */
struct anew {
	struct envelope_token old, new;
	bool written;
};

struct clone_fix {
	struct op_disk disk;
	struct unlock_by by;
	struct unlocked u;
	struct envelope_geometry geometry; /* as it will be */
	struct anew *slots;		   /* the one that opened it first */
	size_t n;
	struct json_object *warnings;
};

static int read_parameters(struct op *op, struct clone_fix *c, struct envelope_error *e)
{
	static const char *const known[] = { "device", "header", "accept_new", NULL };
	int r = op_known(op, known, e);

	if (!r)
		r = op_bool(op, "accept_new", &c->by.accept_new, e);
	if (!r)
		r = op_disk(op, &c->disk, e);
	if (!r)
		r = op_check_unused(&c->disk, e);
	return r ? r : op_check_writable(op_header(&c->disk), e);
}

static bool has_slot(const struct clone_fix *c, unsigned int id)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->slots[i].old.slot == id)
			return true;
	return false;
}

/*
 * A slot only names KEKs until it is opened, and who can write to the disk can write one: the
 * key is given to those that this host trusts for the volume, and to no others.
 */
static int add(struct clone_fix *c, const struct envelope_token *old, struct envelope_error *e)
{
	if (has_slot(c, old->slot))
		return 0;
	if (old->n_shares == 1 && envelope_recovery_is(&old->shares[0])) {
		op_warn(c->warnings, RECOVERY_LOST, c->disk.device, c->disk.device);
		return 0;
	}
	c->slots[c->n++].old = *old;
	return slot_trusted(&c->u, old, e);
}

/* Those of a run that lost its power too */
static int choose_slots(struct clone_fix *c, struct envelope_error *e)
{
	struct envelope_slot foreign[ENVELOPE_SLOTS_MAX];
	size_t n;
	int r = envelope_volume_foreign_slots(c->u.volume, foreign, &n, e);

	c->slots = calloc(c->u.n_slots + n, sizeof(*c->slots));
	if (!r && !c->slots)
		r = envelope_fail(e, ENVELOPE_E_FAILED, "out of memory");
	if (!r)
		r = add(c, &c->u.slots[c->u.opened].token, e);
	for (size_t i = 0; i < c->u.n_slots && !r; i++)
		r = add(c, &c->u.slots[i].token, e);
	for (size_t i = 0; i < n && !r; i++)
		r = add(c, &foreign[i].token, e);
	return r;
}

/* All of them, before the first byte is written: from here on no provider can come in between */
static int seal_all(struct op *op, struct clone_fix *c, struct envelope_error *e)
{
	struct policy policy;
	int r = 0;

	c->geometry = *c->u.geometry;
	if (envelope_uuid_make(c->geometry.uuid))
		return envelope_fail(e, ENVELOPE_E_FAILED, "no random numbers for a uuid");
	for (size_t i = 0; i < c->n && !r; i++) {
		struct anew *slot = &c->slots[i];

		op_step(op, "wrapping slot %u anew", slot->old.slot);
		policy_of(&slot->old, &policy);
		r = seal_slot(op, &c->geometry, slot->old.slot, &policy, c->u.dek, &slot->new, e);
	}
	return r;
}

static int pin(struct op *op, struct clone_fix *c, struct envelope_error *e)
{
	struct envelope_pin new;
	int r = envelope_pin_make(&new, &c->geometry, c->u.dek, e);

	for (size_t i = 0; i < c->n && !r; i++)
		r = envelope_pin_add(&new, &c->slots[i].new, e);
	return r ? r : envelope_pin_write(op->manager->volumes_dir, &new, e);
}

static void note(struct op *op, const struct clone_fix *c)
{
	struct envelope_slot *slots = calloc(c->n, sizeof(*slots));

	for (size_t i = 0; slots && i < c->n; i++)
		slots[i].token = c->slots[i].new;
	if (slots)
		inventory_note(op,
			       &(struct inventory_entry) { c->disk.device, c->disk.header,
							   c->geometry.uuid, slots, c->n, NULL });
	free(slots);
}

static int put(struct clone_fix *c, struct anew *slot, struct envelope_error *e)
{
	int r = envelope_volume_put_slot(c->u.volume, &slot->new, e);

	slot->written = r >= 0;
	return r < 0 ? r : 0;
}

/* One by one: there need be room for only one more than there are */
static int exchange(struct clone_fix *c, const struct envelope_slot *old, struct envelope_error *e)
{
	int r = 0;

	for (size_t i = 0; i < c->n && !r; i++)
		if (c->slots[i].old.slot == old->token.slot && !c->slots[i].written)
			r = put(c, &c->slots[i], e);
	return r ? r : envelope_volume_drop_slot(c->u.volume, old->token_id, e);
}

static int exchange_all(struct clone_fix *c, struct envelope_error *e)
{
	struct envelope_slot foreign[ENVELOPE_SLOTS_MAX];
	size_t n;
	int r = envelope_volume_foreign_slots(c->u.volume, foreign, &n, e);

	for (size_t i = 0; i < n && !r; i++)
		r = exchange(c, &foreign[i], e);
	return r;
}

static int write_all(struct op *op, struct clone_fix *c, struct envelope_error *e)
{
	struct envelope_volume *volume = c->u.volume;
	int r = envelope_volume_check_room(volume, &c->slots[0].new, e);

	if (!r)
		r = header_begin(op, volume, e);
	if (!r)
		r = pin(op, c, e);
	if (r)
		return r;
	op_step(op, "writing the header of %s", c->disk.device);
	note(op, c);
	r = put(c, &c->slots[0], e);
	if (!r)
		r = envelope_volume_rename(volume, c->geometry.uuid, e);
	if (!r)
		r = envelope_volume_put_witness(volume, c->u.dek, e);
	if (!r)
		r = exchange_all(c, e);
	return r;
}

/* Opened as any volume is, and its new header backed up */
static int prove(struct op *op, struct clone_fix *c, struct unlocked *u, struct envelope_error *e)
{
	int r = unlock_disk(op, &c->disk, NULL, u, e);

	if (!r && (strcmp(u->geometry->uuid, c->geometry.uuid) ||
		   !envelope_secret_equal(u->dek, c->u.dek, c->geometry.key_size)))
		r = envelope_fail(e, ENVELOPE_E_FAILED, "%s opens to another key", c->disk.device);
	if (!r)
		r = envelope_volume_backup(u->volume, op->manager->headers_dir, HEADERS_KEPT, e);
	if (r)
		envelope_cure(e, "mend this, then repeat it: envelopectl clone-fix %s",
			      c->disk.device);
	return r;
}

static int fix(struct op *op, struct clone_fix *c, struct unlocked *u, struct envelope_error *e)
{
	int r = read_parameters(op, c, e);

	if (!r)
		r = unlock_disk(op, &c->disk, &c->by, &c->u, e);
	if (!r)
		r = choose_slots(c, e);
	if (!r)
		r = seal_all(op, c, e);
	if (!r)
		r = write_all(op, c, e);
	return r ? r : prove(op, c, u, e);
}

int op_clone_fix(struct op *op, struct json_object **result, struct envelope_error *e)
{
	_cleanup_unlocked_ struct unlocked u = {};
	struct clone_fix c = { .by.copy = true, .warnings = json_object_new_array() };
	char was[ENVELOPE_UUID_TEXT + 1] = "";
	int r = fix(op, &c, &u, e);

	if (!r) {
		snprintf(was, sizeof(was), "%s", c.slots[0].old.uuid);
		log_line(LOG_NOTICE,
			 &(struct log_fields) { .id = LOG_ID_CLONE, .volume = c.geometry.uuid },
			 "%s, a copy of volume %s, is volume %s", c.disk.device, was,
			 c.geometry.uuid);
		*result = json_object_new_object();
		op_add_text(*result, "uuid", c.geometry.uuid);
		op_add_text(*result, "was", was);
		json_object_object_add(*result, "slots", op_slots(u.slots, u.n_slots));
		op_add_text(*result, "backup", op->manager->headers_dir);
		json_object_object_add(*result, "warnings", json_object_get(c.warnings));
	}
	json_object_put(c.warnings);
	free(c.slots);
	unlock_free(&c.u);
	return r;
}
