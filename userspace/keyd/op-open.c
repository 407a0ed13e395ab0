// SPDX-License-Identifier: GPL-2.0-or-later
/* Open: nothing is mapped unless header, slot, key, disk and pin have all been checked. */
#include <errno.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "broker-client.h"
#include "crypto.h"
#include "device.h"
#include "inventory.h"
#include "log.h"
#include "note.h"
#include "op.h"
#include "stock.h"
#include "unlock.h"

#define STOCK_TARGET "crypt"
#define UNFENCED     "it is mapped by dm-crypt: it has no lease, and no KEK stops it"
#define TRUSTED	     "this host trusts the volume from now on"

struct open {
	struct op_disk disk;
	bool stock; /* by dm-crypt */
	struct unlock_by by;
	struct table table;
	struct broker_opened opened;
};

static int read_policy(struct op *op, struct table *table, struct envelope_error *e)
{
	char policy[16] = "error";
	int r = op_text(op, "on_key_loss", false, policy, sizeof(policy), e);

	if (!r)
		r = op_number(op, "queue_timeout", TABLE_QUEUE_TIME_MAX, &table->queue_timeout, e);
	if (r)
		return r;
	table->queue = !strcmp(policy, "queue");
	if (!table->queue && strcmp(policy, "error"))
		return envelope_fail(e, ENVELOPE_E_USAGE, "on_key_loss must be error or queue");
	if (table->queue_timeout && !table->queue)
		return envelope_fail(e, ENVELOPE_E_USAGE, "queue_timeout needs on_key_loss queue");
	return 0;
}

static int read_target(struct op *op, struct open *o, struct envelope_error *e)
{
	char target[16] = TABLE_TARGET;
	int r = op_text(op, "target", false, target, sizeof(target), e);

	o->stock = !strcmp(target, STOCK_TARGET);
	if (r || (!o->stock && !strcmp(target, TABLE_TARGET)))
		return r;
	if (!o->stock)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "target must be " TABLE_TARGET " or " STOCK_TARGET);
	if (o->table.queue)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "dm-crypt holds no requests: on_key_loss queue needs "
				     "target " TABLE_TARGET);
	return 0;
}

static int read_parameters(struct op *op, struct open *o, struct envelope_error *e)
{
	static const char *const known[] = {
		"device",      "name",		"readonly",   "allow_discards",
		"on_key_loss", "queue_timeout", "accept_new", "recovery_key",
		"target",      "header",	NULL
	};
	char name[256];
	int r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "name", true, name, sizeof(name), e);
	if (!r)
		r = envelope_name_check(name, e);
	if (r)
		return r;
	strcpy(o->table.name, name);
	r = op_bool(op, "readonly", &o->table.readonly, e);
	if (!r)
		r = op_bool(op, "allow_discards", &o->table.allow_discards, e);
	if (!r)
		r = op_bool(op, "accept_new", &o->by.accept_new, e);
	if (!r)
		r = op_bool(op, "recovery_key", &o->by.recovery, e);
	if (!r)
		r = read_policy(op, &o->table, e);
	return r ? r : read_target(op, o, e);
}

static int check_free(struct op *op, struct open *o, struct envelope_error *e)
{
	char uuid[ENVELOPE_UUID_TEXT + 1];
	struct device_info info;
	int r = broker_lock_name(op, o->table.name, e);

	if (!r)
		r = op_disk(op, &o->disk, e);
	if (!r && !S_ISBLK(o->disk.st.st_mode)) {
		envelope_fail(e, ENVELOPE_E_USAGE, "%s is no block device", o->disk.device);
		r = envelope_cure(e, "for an image file, make one: losetup --find --show %s",
				  o->disk.device);
	}
	if (!r && !o->table.readonly) {
		r = op_check_writable(o->disk.device, e);
		if (r)
			envelope_cure(e, "repeat with --readonly, or: blockdev --setrw %s",
				      o->disk.device);
	}
	if (!r && !o->stock)
		r = device_target_check(e);
	if (r || device_info(o->table.name, &info, NULL))
		return r;
	/* An open that was cut short leaves a mapping without a table */
	if (!info.live && table_volume_uuid(info.uuid, uuid))
		return device_remove(o->table.name, e);
	return envelope_fail(e, ENVELOPE_E_EXISTS, "%s: there is a mapping of this name",
			     o->table.name);
}

static bool is_below(const char *name, dev_t devno)
{
	char text[32];
	struct table table;

	snprintf(text, sizeof(text), "%u:%u", major(devno), minor(devno));
	return !device_table(name, &table, NULL) && !strcmp(table.device, text);
}

/*
 * The same disk under two names, or its copy, would be written by both. Device-mapper lets
 * several of its mappings have one disk: dm-crypt's may be at work on one that was adopted.
 */
static int check_not_open(const struct open *o, const struct unlocked *u, struct envelope_error *e)
{
	char other[TABLE_NAME_MAX + 1];
	int r = device_of_volume(u->geometry->uuid, other, e);

	if (r)
		return r;
	if (*other) {
		envelope_fail(e, ENVELOPE_E_BUSY, "%s: its volume %s is open as %s", o->disk.device,
			      u->geometry->uuid, other);
		if (!is_below(other, o->disk.st.st_rdev))
			envelope_cure(e,
				      "that is another disk: if this is to be used as well, and "
				      "is a copy of it: envelopectl clone-fix %s",
				      o->disk.device);
		return -ENVELOPE_E_BUSY;
	}
	return op_check_unused(&o->disk, e);
}

static int fill_table(struct op *op, struct open *o, const struct unlocked *u,
		      struct envelope_error *e)
{
	const struct envelope_geometry *geometry = u->geometry;
	struct table *table = &o->table;
	int r = envelope_volume_data_sectors(u->volume, &table->length, e);

	if (r)
		return r;
	table->length -= table->length % (geometry->sector_size / 512);
	if (!table->length)
		return envelope_fail(e, ENVELOPE_E_TOO_SMALL, "%s has no room for data",
				     o->disk.device);
	memcpy(table->uuid, geometry->uuid, sizeof(table->uuid));
	snprintf(table->device, sizeof(table->device), "%u:%u", major(o->disk.st.st_rdev),
		 minor(o->disk.st.st_rdev));
	table->offset = geometry->data_offset / 512;
	table->key_size = geometry->key_size;
	table->sector_size = geometry->sector_size;
	opened_by(op, u, &o->opened);
	table->lease = opened_lease(&o->opened);
	if (envelope_key_check(u->dek, geometry->key_size, table->key_check))
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: its key cannot be checked",
				     o->disk.device);
	return 0;
}

/* The kernel knows the disk, and nothing of a header that lies elsewhere */
static int note_header(struct op *op, const struct open *o, struct envelope_error *e)
{
	const struct table *table = &o->table;

	note_remove(op->manager, NOTE_HEADER, table->name);
	if (!*o->disk.header ||
	    note_leave(op->manager, NOTE_HEADER, table->name, table->uuid, o->disk.header))
		return 0;
	return envelope_fail(e, ENVELOPE_E_IO, "%s: no note can be left in %s", table->name,
			     op->manager->options->runtime_dir);
}

static int map(struct op *op, const struct open *o, const uint8_t *dek, struct envelope_error *e)
{
	const struct table *table = &o->table;
	int r = note_header(op, o, e);

	if (!r)
		r = device_create(table, e);
	if (r)
		return r;
	r = broker_table(op, BROKER_ACTIVATE, table, &o->opened, dek, e);
	if (!r)
		r = device_resume(table->name, e);
	if (r) {
		device_remove(table->name, NULL);
		broker_forget(op, table->name);
	}
	return r;
}

static struct json_object *describe(const struct open *o, const struct unlocked *u)
{
	struct json_object *result = json_object_new_object();
	struct json_object *warnings = json_object_new_array();
	char path[sizeof("/dev/mapper/") + TABLE_NAME_MAX];

	snprintf(path, sizeof(path), "%s/%s", dm_dir(), o->table.name);
	if (u->pinned)
		json_object_array_add(warnings, json_object_new_string(TRUSTED));
	if (o->stock)
		json_object_array_add(warnings, json_object_new_string(UNFENCED));
	op_add_text(result, "path", path);
	op_add_text(result, "uuid", u->geometry->uuid);
	json_object_object_add(result, "warnings", warnings);
	return result;
}

int op_open(struct op *op, struct json_object **result, struct envelope_error *e)
{
	_cleanup_unlocked_ struct unlocked u = {};
	struct open o = {};
	struct log_fields about;
	int r = read_parameters(op, &o, e);

	if (!r)
		r = check_free(op, &o, e);
	if (!r)
		r = unlock_disk(op, &o.disk, &o.by, &u, e);
	if (!r)
		r = check_not_open(&o, &u, e);
	if (!r)
		r = fill_table(op, &o, &u, e);
	if (r)
		return r;
	op_step(op, "mapping %s as %s", o.disk.device, o.table.name);
	r = o.stock ? stock_map(op, &u, &o.table, e) : map(op, &o, u.dek, e);
	if (r)
		return r;
	about = (struct log_fields) { .id = LOG_ID_OPENED,
				      .volume = u.geometry->uuid,
				      .device = o.table.name,
				      .kek = u.slots[u.opened].token.shares[0].kek };
	log_line(LOG_NOTICE, &about, "%s is open as %s", o.disk.device, o.table.name);
	if (o.stock)
		log_line(LOG_WARNING, &about, "%s: " UNFENCED, o.table.name);
	if (u.pinned)
		log_line(LOG_WARNING, &about, "%s: " TRUSTED ", as asked", o.disk.device);
	inventory_note_disk(op, &o.disk, &u, NULL);
	*result = describe(&o, &u);
	return 0;
}
