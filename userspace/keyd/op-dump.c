// SPDX-License-Identifier: GPL-2.0-or-later
/* Dump: what the header says, unproved, and without any secret. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "op.h"
#include "pin.h"
#include "volume.h"

#define WITNESS_MAGIC "DM-ENVELOPE-WIT1"

static bool has_witness(const char *device)
{
	char magic[sizeof(WITNESS_MAGIC) - 1];
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	bool found = fd >= 0 &&
		     pread(fd, magic, sizeof(magic), ENVELOPE_WITNESS_OFFSET) == sizeof(magic) &&
		     !memcmp(magic, WITNESS_MAGIC, sizeof(magic));

	if (fd >= 0)
		close(fd);
	return found;
}

static struct json_object *describe(struct op *op, struct envelope_volume *volume, uint64_t sectors)
{
	const struct envelope_geometry *geometry = envelope_volume_geometry(volume);
	const char *device = envelope_volume_device(volume);
	const char *label = envelope_volume_label(volume);
	struct json_object *result = json_object_new_object();
	struct envelope_error ignored;
	struct envelope_pin pin;

	op_add_text(result, "device", device);
	op_add_text(result, "uuid", geometry->uuid);
	op_add_text(result, "label", label ? label : "");
	op_add_text(result, "cipher", ENVELOPE_CIPHER);
	op_add_number(result, "key_size", geometry->key_size);
	op_add_number(result, "sector_size", geometry->sector_size);
	op_add_number(result, "data_offset", geometry->data_offset);
	op_add_number(result, "size", sectors * 512);
	if (envelope_volume_has_witness(volume))
		op_add_bool(result, "witness", has_witness(device));
	else
		op_add_text(result, "witness", NULL);
	op_add_number(result, "keyslots", envelope_volume_keyslots(volume));
	op_add_bool(result, "pinned",
		    !envelope_pin_read(op->manager->volumes_dir, geometry->uuid, &pin, &ignored));
	return result;
}

int op_dump(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { "device", "header", NULL };
	_cleanup_volume_ struct envelope_volume *volume = NULL;
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	char device[256], header[256] = "";
	uint64_t sectors;
	size_t n;
	int r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "device", true, device, sizeof(device), e);
	if (!r)
		r = op_text(op, "header", false, header, sizeof(header), e);
	if (!r)
		r = envelope_volume_load(device, header, &volume, e);
	if (!r)
		r = envelope_volume_slots(volume, slots, &n, e);
	if (!r)
		r = envelope_volume_data_sectors(volume, &sectors, e);
	if (r)
		return r;
	*result = describe(op, volume, sectors);
	json_object_object_add(*result, "slots", op_slots(slots, n));
	return 0;
}
