// SPDX-License-Identifier: GPL-2.0-or-later
/* Resize: a mapping follows its disk, which has grown. */
#include <string.h>

#include "broker-client.h"
#include "device-use.h"
#include "device.h"
#include "log.h"
#include "note.h"
#include "op.h"
#include "volume.h"

static int measure(struct op *op, const struct table *table, uint64_t *length,
		   struct envelope_error *e)
{
	_cleanup_volume_ struct envelope_volume *volume = NULL;
	char path[64], header[NOTE_TEXT_MAX + 1];
	int r;

	if (!device_path(table->device, path, sizeof(path)))
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: its disk %s is gone",
				     table->name, table->device);
	note_text(op->manager, NOTE_HEADER, table->name, table->uuid, header);
	r = envelope_volume_load(path, header, &volume, e);
	if (!r && strcmp(envelope_volume_geometry(volume)->uuid, table->uuid))
		r = envelope_fail(e, ENVELOPE_E_WITNESS_MISMATCH,
				  "%s: %s holds the header of another volume", table->name, path);
	if (!r)
		r = envelope_volume_data_sectors(volume, length, e);
	if (r)
		return r;
	*length -= *length % (table->sector_size / 512);
	if (*length >= table->length)
		return 0;
	envelope_fail(e, ENVELOPE_E_TOO_SMALL, "%s: its disk %s is smaller than the mapping",
		      table->name, path);
	return envelope_cure(e, "give the disk its size back: a mapping only grows");
}

int op_resize(struct op *op, struct json_object **result, struct envelope_error *e)
{
	char name[TABLE_NAME_MAX + 1];
	struct table table;
	uint64_t old, new;
	int r = op_mapping(op, name, e);

	if (!r)
		r = device_table(name, &table, e);
	if (r)
		return r;
	old = table.length;
	r = measure(op, &table, &new, e);
	if (!r && new != old) {
		table.length = new;
		r = broker_table(op, BROKER_RELOAD, &table, NULL, NULL, e);
		if (!r)
			r = device_resume(name, e);
		if (r)
			device_clear(name);
		else
			log_line(LOG_NOTICE,
				 &(struct log_fields) { .volume = table.uuid, .device = name },
				 "%s has grown to %llu bytes", name,
				 (unsigned long long)table.length * 512);
	}
	if (r)
		return r;
	*result = json_object_new_object();
	op_add_number(*result, "old_size", old * 512);
	op_add_number(*result, "size", table.length * 512);
	return 0;
}
