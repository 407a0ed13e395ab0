// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Follow: a volume that is open is rewrapped because its KEK has a newer version. Nobody asked, so
 * nothing is done that somebody might have to undo: a disk that another host writes to is let
 * alone.
 */
#include <string.h>

#include "device-use.h"
#include "device.h"
#include "inventory.h"
#include "note.h"
#include "op.h"

#define BY_HAND "where no other host has it open: envelopectl rewrap %s"

static int check_not_shared(struct op *op, const struct table *table, const char *path,
			    const char *header, struct envelope_error *e)
{
	_cleanup_volume_ struct envelope_volume *volume = NULL;
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	size_t n;
	int r;

	if (table->readonly) {
		envelope_fail(e, ENVELOPE_E_CANCELED,
			      "%s is open read-only: another host may have it open to write",
			      table->name);
		return envelope_cure(e, BY_HAND, path);
	}
	r = envelope_volume_load(path, header, &volume, e);
	if (!r)
		r = envelope_volume_slots(volume, slots, &n, e);
	if (r || inventory_knows(op, table->uuid, slots, n))
		return r;
	envelope_fail(e, ENVELOPE_E_CANCELED,
		      "%s: its header is not as this host has left it: another may have it open",
		      table->name);
	return envelope_cure(e, BY_HAND, path);
}

static struct json_object *rewrap_parameters(const char *path, const char *header, const char *uuid)
{
	struct json_object *parameters = json_object_new_object();

	op_add_text(parameters, "device", path);
	if (*header)
		op_add_text(parameters, "header", header);
	op_add_text(parameters, "uuid", uuid);
	return parameters;
}

int op_follow(struct op *op, struct json_object **result, struct envelope_error *e)
{
	char name[TABLE_NAME_MAX + 1], path[64], header[NOTE_TEXT_MAX + 1];
	struct json_object *own = op->parameters;
	struct table table;
	int r = op_mapping(op, name, e);

	if (!r)
		r = device_table(name, &table, e);
	if (r)
		return r;
	if (!device_path(table.device, path, sizeof(path)))
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: its disk %s is gone", name,
				     table.device);
	note_text(op->manager, NOTE_HEADER, name, table.uuid, header);
	r = check_not_shared(op, &table, path, header, e);
	if (r)
		return r;
	/* From here on it is what a client might have asked for */
	op->parameters = rewrap_parameters(path, header, table.uuid);
	r = op_rewrap(op, result, e);
	json_object_put(op->parameters);
	op->parameters = own;
	return r;
}
