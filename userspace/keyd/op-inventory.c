// SPDX-License-Identifier: GPL-2.0-or-later
/* Inventory: the volumes that this host has had. */
#include <stdlib.h>

#include "op.h"
#include "record.h"

static struct json_object *describe_slot(const struct envelope_record_slot *slot)
{
	struct json_object *object = json_object_new_object(), *shares = json_object_new_array();

	for (unsigned int i = 0; i < slot->n_shares; i++) {
		struct json_object *share = json_object_new_object();

		op_add_text(share, "kek", slot->shares[i].kek);
		op_add_text(share, "version", slot->shares[i].version);
		json_object_array_add(shares, share);
	}
	op_add_number(object, "slot", slot->slot);
	op_add_text(object, "created", slot->created);
	op_add_number(object, "threshold", slot->threshold);
	op_add_text(object, "set", text_or_null(slot->set));
	json_object_object_add(object, "shares", shares);
	return object;
}

static struct json_object *describe(const struct envelope_record *record)
{
	struct json_object *object = json_object_new_object(), *slots = json_object_new_array();

	for (unsigned int i = 0; i < record->n_slots; i++)
		json_object_array_add(slots, describe_slot(&record->slots[i]));
	op_add_text(object, "uuid", record->uuid);
	op_add_text(object, "device", record->device);
	op_add_text(object, "header", text_or_null(record->header));
	op_add_text(object, "host", record->host);
	op_add_text(object, "seen", record->seen);
	json_object_object_add(object, "slots", slots);
	return object;
}

int op_inventory(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { NULL };
	struct envelope_record record;
	struct json_object *volumes, *warnings;
	struct envelope_error bad;
	char **uuids;
	int r = op_known(op, known, e);

	if (!r)
		r = envelope_record_list(op->manager->inventory_dir, &uuids, e);
	if (r)
		return r;
	volumes = json_object_new_array();
	warnings = json_object_new_array();
	for (char **uuid = uuids; *uuid; uuid++) {
		if (envelope_record_read(op->manager->inventory_dir, *uuid, &record, &bad))
			op_warn(warnings, "%s: this volume is not known", bad.message);
		else
			json_object_array_add(volumes, describe(&record));
		free(*uuid);
	}
	free(uuids);
	*result = json_object_new_object();
	json_object_object_add(*result, "volumes", volumes);
	json_object_object_add(*result, "warnings", warnings);
	return 0;
}
