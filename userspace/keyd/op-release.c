// SPDX-License-Identifier: GPL-2.0-or-later
/* Release: a volume gets a key slot of cryptsetup's, by which stock tools open it without us. */
#include <errno.h>
#include <string.h>

#include "header.h"
#include "inventory.h"
#include "log.h"
#include "op.h"
#include "passed.h"
#include "unlock.h"

#define OPENS_BY_PASSPHRASE                                                                        \
	"%s opens by its passphrase from now on: no KEK, and no lease, stops that"
#define BACKUPS_HAVE_SLOTS                                                                         \
	"header backups of before, and copies of the disk, still open by their KEKs: see %s"

struct release {
	struct op_disk disk;
	enum passed_kind kind;
	bool drop;
	int keyslot;
	size_t dropped;
};

static int read_parameters(struct op *op, struct release *release, struct envelope_error *e)
{
	static const char *const known[] = { "device", "header", "by", "drop_slots", NULL };
	int r = op_known(op, known, e);

	if (!r)
		r = passed_kind(op, &release->kind, e);
	if (!r && release->kind == PASSED_VOLUME_KEY)
		r = envelope_fail(e, ENVELOPE_E_USAGE, "by must be passphrase or key_file");
	if (!r)
		r = op_bool(op, "drop_slots", &release->drop, e);
	return r ? r : op_disk(op, &release->disk, e);
}

static int drop_slots(struct op *op, struct release *release, struct unlocked *u,
		      struct envelope_error *e)
{
	int r;

	op_step(op, "dropping its slots");
	release->dropped = u->n_slots;
	r = envelope_volume_drop_slots(u->volume, e);
	if (!r)
		r = envelope_volume_mark(u->volume, false, e);
	return r ? r : envelope_pin_remove(op->manager->volumes_dir, u->geometry->uuid, e);
}

static int add_keyslot(struct op *op, struct release *release, struct unlocked *u,
		       struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(PASSPHRASE_MAX);
	size_t size;
	int r;

	if (!secret)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = passed_secret(op, release->kind, secret, &size, e);
	if (!r)
		r = unlock_disk(op, &release->disk, NULL, u, e);
	if (!r && release->drop) /* a lease of it could not be renewed any more */
		r = op_check_closed(&release->disk, u->geometry->uuid, e);
	if (!r)
		r = header_begin(op, u->volume, e);
	if (r)
		return r;
	op_step(op, "adding a key slot, and opening it");
	r = envelope_volume_add_keyslot(u->volume, u->dek, secret, size, e);
	if (r < 0)
		return r;
	release->keyslot = r;
	return release->drop ? drop_slots(op, release, u, e) : 0;
}

int op_release(struct op *op, struct json_object **result, struct envelope_error *e)
{
	_cleanup_unlocked_ struct unlocked u = {};
	struct release release = {};
	struct json_object *warnings;
	int r = read_parameters(op, &release, e);

	if (!r)
		r = add_keyslot(op, &release, &u, e);
	if (r)
		return r;
	log_line(LOG_NOTICE,
		 &(struct log_fields) { .id = LOG_ID_RELEASED, .volume = u.geometry->uuid },
		 "%s: volume %s is released to key slot %d of cryptsetup's; slots dropped: %zu",
		 release.disk.device, u.geometry->uuid, release.keyslot, release.dropped);
	if (release.drop)
		inventory_forget(op, u.geometry->uuid);
	warnings = json_object_new_array();
	if (release.drop)
		op_warn(warnings, BACKUPS_HAVE_SLOTS, op->manager->headers_dir);
	else
		op_warn(warnings, OPENS_BY_PASSPHRASE, release.disk.device);
	*result = json_object_new_object();
	op_add_text(*result, "uuid", u.geometry->uuid);
	op_add_number(*result, "keyslot", (uint64_t)release.keyslot);
	op_add_number(*result, "dropped", release.dropped);
	op_add_text(*result, "backup", op->manager->headers_dir);
	json_object_object_add(*result, "warnings", warnings);
	return 0;
}
