// SPDX-License-Identifier: GPL-2.0-or-later
/* Erase: every way to this volume's key goes, here and in the backups of its header. */
#include <string.h>

#include "inventory.h"
#include "log.h"
#include "op.h"
#include "pin.h"
#include "volume.h"

static int check(const struct op_disk *disk, const char *uuid, struct envelope_volume **volume,
		 struct envelope_error *e)
{
	const char *found, *device = disk->device;
	int r = op_check_writable(op_header(disk), e);

	if (!r)
		r = envelope_volume_load(device, disk->header, volume, e);
	if (r)
		return r;
	found = envelope_volume_geometry(*volume)->uuid;
	if (strcmp(found, uuid)) {
		envelope_fail(e, ENVELOPE_E_USAGE, "%s holds volume %s, not %s", device, found,
			      uuid);
		return envelope_cure(e, "give the uuid of the volume that is to be erased");
	}
	r = op_check_closed(disk, uuid, e);
	return r ? r : op_check_unused(disk, e);
}

int op_erase(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { "device", "header", "uuid", NULL };
	_cleanup_volume_ struct envelope_volume *volume = NULL;
	char uuid[ENVELOPE_UUID_TEXT + 1];
	struct op_disk disk = {};
	const char *device = disk.device;
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	size_t n = 0;
	unsigned int keyslots;
	int backups, r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "uuid", true, uuid, sizeof(uuid), e);
	if (!r)
		r = op_disk(op, &disk, e);
	if (!r)
		r = check(&disk, uuid, &volume, e);
	if (r)
		return r;
	if (envelope_volume_slots(volume, slots, &n, NULL))
		n = 0; /* a damaged slot is no reason to keep the others */
	keyslots = envelope_volume_keyslots(volume);
	op_step(op, "destroying the slots of %s", device);
	r = envelope_volume_erase(volume, e);
	if (r)
		return r;
	backups = envelope_volume_forget_backups(op->manager->headers_dir, uuid);
	if (backups < 0) {
		envelope_fail(e, ENVELOPE_E_IO, "%s: erased, but a backup of its header stays: %s",
			      device, strerror(-backups));
		return envelope_cure(e,
				     "remove %s/%s-*: whoever has it may open a copy of the disk",
				     op->manager->headers_dir, uuid);
	}
	inventory_forget(op, uuid);
	r = envelope_pin_remove(op->manager->volumes_dir, uuid, e);
	if (r)
		return r;
	log_line(LOG_NOTICE, &(struct log_fields) { .id = LOG_ID_ERASED, .volume = uuid },
		 "%s: volume %s is erased", device, uuid);
	*result = json_object_new_object();
	op_add_number(*result, "slots", n);
	op_add_number(*result, "keyslots", keyslots);
	op_add_number(*result, "backups", (uint64_t)backups);
	return 0;
}
