// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unlock: a device whose key this process does not hold, or that has none any more, is
 * unlocked with every check of an open, and handed the key. No request is held up for that. Asked
 * for by a client, or by the main process: for devices that an earlier envelope-keyd
 * opened, and when a KEK is well again.
 */
#include <stdio.h>
#include <string.h>

#include "broker-client.h"
#include "crypto.h"
#include "device-use.h"
#include "device.h"
#include "inventory.h"
#include "lease.h"
#include "log.h"
#include "note.h"
#include "op.h"
#include "unlock.h"

/* Is what was unlocked the volume that is mapped? */
static int check_same(const struct table *table, const struct unlocked *u, struct envelope_error *e)
{
	char check[17];

	if (strcmp(u->geometry->uuid, table->uuid))
		return envelope_fail(e, ENVELOPE_E_WITNESS_MISMATCH,
				     "%s: its disk holds the header of another volume",
				     table->name);
	if (u->geometry->key_size != table->key_size ||
	    envelope_key_check(u->dek, table->key_size, check) ||
	    (*table->key_check && strcmp(check, table->key_check)))
		return envelope_fail(e, ENVELOPE_E_WRONG_KEY,
				     "%s: its disk opens to another key than the one at work",
				     table->name);
	return 0;
}

/* A device that fails its requests has told its users: that is not undone unless the KEK's owner
 * wishes it */
static int check_may_resume(struct op *op, const struct table *table,
			    const struct broker_opened *opened, struct envelope_error *e)
{
	const struct device *device = device_find((struct manager *)op->manager, table->name);

	if (device && device->waking)
		return 0;
	for (unsigned int i = 0; i < opened->token.n_shares; i++) {
		enum envelope_resume resume = opened->configs[i].resume;

		if (!(opened->declared & 1U << i) || resume == ENVELOPE_RESUME_ALL ||
		    (resume == ENVELOPE_RESUME_HELD && table->queue))
			continue;
		envelope_fail(e, ENVELOPE_E_CANCELED, "%s is fenced", table->name);
		return envelope_cure(e, "envelopectl unlock %s", table->name);
	}
	return 0;
}

static bool goes_without_kek(struct op *op, const char *name)
{
	const struct device *device = device_find((struct manager *)op->manager, name);

	return device && lease_is_fixed(device);
}

/* Nobody but a person has a device depend on another slot than the one that opened it */
static void keep_to_slot(struct op *op, const struct table *table, struct unlock_by *by)
{
	int slot = note_slot(op->manager, table->name, table->uuid);

	if (slot >= 0)
		by->without = ~(1U << slot);
}

/*
 * It was not opened: the main process sees when it may go better. By the slot that opened it
 * before, if that is known.
 */
static void wait_for_keks(struct op *op, const struct table *table, struct unlocked *u)
{
	int slot = note_slot(op->manager, table->name, table->uuid);
	struct broker_opened opened;
	size_t at;
	bool known = slot_is_there(u, slot, &at);

	if (known && u->opened != at) {
		u->opened = at;
		u->shares = 0; /* of these none was unwrapped */
	}
	opened_by(op, u, &opened);
	opened.guessed = !known;
	broker_opened(op, table->name, &opened);
}

static int slot_is_gone(const struct table *table, struct envelope_error *e)
{
	envelope_fail(e, ENVELOPE_E_NO_SLOT, "%s: the slot that opened it is gone", table->name);
	return envelope_cure(e, "envelopectl unlock %s, by another", table->name);
}

static int give_key(struct op *op, const struct table *table, const struct unlock_by *by,
		    bool fenced, struct envelope_error *e)
{
	_cleanup_unlocked_ struct unlocked u = {};
	struct broker_opened opened;
	char path[64], header[NOTE_TEXT_MAX + 1];
	int r;

	if (!device_path(table->device, path, sizeof(path)))
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: its disk %s is gone",
				     table->name, table->device);
	note_text(op->manager, NOTE_HEADER, table->name, table->uuid, header);
	r = unlock(op, path, header, by, &u, e);
	if (r == -ENVELOPE_E_NO_SLOT && by->without)
		return slot_is_gone(table, e);
	opened_by(op, &u, &opened);
	if (!r)
		r = check_same(table, &u, e);
	if (!r && fenced && op->client < 0)
		r = check_may_resume(op, table, &opened, e);
	if (!r)
		r = broker_table(op, BROKER_SET_KEY, table, &opened, u.dek, e);
	/* Not before: it may be written to the very disk that has no key */
	if (!r && !op->remembered)
		inventory_note(op, &(struct inventory_entry) { path, header, u.geometry->uuid,
							       u.slots, u.n_slots, NULL });
	if (r && !by->recovery && (fenced || !goes_without_kek(op, table->name)))
		wait_for_keks(op, table, &u);
	return r;
}

/* Which may be its recovery key, or a KEK after that */
static bool needs_key(const struct device *device, bool fenced, const struct unlock_by *by)
{
	return fenced || !device || !device->managed || by->recovery || lease_is_fixed(device);
}

static int read_parameters(struct op *op, char name[static TABLE_NAME_MAX + 1],
			   struct unlock_by *by, struct envelope_error *e)
{
	static const char *const known[] = { "name", "recovery_key", "sleep", NULL };
	int r = op_known(op, known, e);

	if (!r)
		r = op_bool(op, "recovery_key", &by->recovery, e);
	if (!r)
		r = op_bool(op, "sleep", &by->sleep, e);
	if (!r)
		r = op_mapping_named(op, name, e);
	if (!r && by->sleep)
		broker_woken(op, name);
	return r;
}

static int unlock_mapping(struct op *op, bool *changed, struct envelope_error *e)
{
	char name[TABLE_NAME_MAX + 1];
	struct unlock_by by = {};
	struct table_status status;
	const struct device *device;
	struct table table;
	int r = read_parameters(op, name, &by, e);

	if (!r)
		r = device_table(name, &table, e);
	if (!r)
		r = device_status(name, &status, e);
	if (r)
		return r;
	device = device_find((struct manager *)op->manager, name);
	op->remembered = device && *device->pin.uuid;
	*changed = needs_key(device, status.fenced, &by);
	if (!*changed)
		return 0;
	if (op->client < 0 || by.sleep)
		keep_to_slot(op, &table, &by);
	r = give_key(op, &table, &by, status.fenced, e);
	if (r)
		return r;
	log_line(LOG_NOTICE,
		 &(struct log_fields) { .id = LOG_ID_TAKEN, .volume = table.uuid, .device = name },
		 status.fenced ? "%s is unlocked" : "%s is taken over", name);
	return 0;
}

int op_unlock(struct op *op, struct json_object **result, struct envelope_error *e)
{
	bool changed;
	int r = unlock_mapping(op, &changed, e);

	if (r)
		return r;
	*result = json_object_new_object();
	op_add_bool(*result, "changed", changed);
	return 0;
}
