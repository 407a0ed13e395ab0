// SPDX-License-Identifier: GPL-2.0-or-later
/* Format: a fresh DEK, sealed in a slot, on a disk that may be overwritten. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inventory.h"
#include "kek-ready.h"
#include "log.h"
#include "op.h"
#include "pin.h"
#include "seal.h"
#include "unlock.h"

struct format {
	struct op_disk disk;
	char label[48], uuid[ENVELOPE_UUID_TEXT + 1];
	struct policy policy;
	char by[256]; /* the policy, for people */
	uint32_t sector_size;
	bool force, accept_new;
	struct envelope_format volume;
	struct envelope_geometry geometry;
	struct envelope_token token;
	bool created_kek;
	struct json_object *warnings;
};

static int read_parameters(struct op *op, struct format *f, struct envelope_error *e)
{
	static const char *const known[] = { "device",	   "header", "keks",	    "threshold",
					     "label",	   "uuid",   "sector_size", "force",
					     "accept_new", "set",    NULL };
	int r = op_known(op, known, e);

	if (!r)
		r = policy_read(op, &f->policy, e);
	if (!r)
		policy_default(&f->policy);
	if (!r)
		r = op_text(op, "label", false, f->label, sizeof(f->label), e);
	if (!r)
		r = op_text(op, "uuid", false, f->uuid, sizeof(f->uuid), e);
	if (!r)
		r = op_number(op, "sector_size", 4096, &f->sector_size, e);
	if (!r)
		r = op_bool(op, "force", &f->force, e);
	if (!r)
		r = op_bool(op, "accept_new", &f->accept_new, e);
	if (!r)
		r = op_disk(op, &f->disk, e);
	f->volume = (struct envelope_format) { .device = f->disk.device,
					       .header = *f->disk.header ? f->disk.header : NULL,
					       .uuid = *f->uuid ? f->uuid : NULL,
					       .label = *f->label ? f->label : NULL,
					       .sector_size = f->sector_size,
					       .force = f->force };
	policy_text(&f->policy, f->by, sizeof(f->by));
	return r;
}

/* A volume under a uuid this host trusts already would take the trusted one's place */
static int check_pin(struct op *op, struct format *f, struct envelope_error *e)
{
	struct envelope_error ignored;
	struct envelope_pin pin;

	if (f->accept_new || envelope_pin_read(op->manager->volumes_dir, f->geometry.uuid, &pin,
					       &ignored) == -ENVELOPE_E_NOT_PINNED)
		return 0;
	return envelope_fail(e, ENVELOPE_E_PIN_MISMATCH, "%s: this host trusts another volume %s",
			     f->disk.device, f->geometry.uuid);
}

static int check(struct op *op, struct format *f, struct envelope_error *e)
{
	int r;

	op_step(op, "checking that %s is free", f->disk.device);
	r = envelope_volume_check_device(&f->volume, &f->geometry, e);
	if (!r)
		r = check_pin(op, f, e);
	return r;
}

/* Opened again as any volume is, trusted by this host, and its header backed up */
static int prove(struct op *op, const struct format *f, const uint8_t *dek,
		 struct envelope_error *e)
{
	const struct unlock_by by = { .accept_new = true };
	_cleanup_unlocked_ struct unlocked u = {};
	int r = unlock_disk(op, &f->disk, &by, &u, e);

	if (!r && !envelope_secret_equal(u.dek, dek, f->geometry.key_size))
		r = envelope_fail(e, ENVELOPE_E_FAILED, "%s opens to another key", f->disk.device);
	if (!r)
		r = envelope_volume_backup(u.volume, op->manager->headers_dir, HEADERS_KEPT, e);
	return r;
}

static void note(struct op *op, const struct format *f)
{
	inventory_note(op, &(struct inventory_entry) { .device = f->disk.device,
						       .header = f->disk.header,
						       .uuid = f->geometry.uuid,
						       .coming = &f->token });
}

static int write_and_prove(struct op *op, struct format *f, const uint8_t *dek,
			   struct envelope_error *e)
{
	int r;

	op_step(op, "wrapping the key by %s", f->by);
	r = seal_slot(op, &f->geometry, 0, &f->policy, dek, &f->token, e);
	if (r)
		return r;
	op_step(op, "writing the header to %s", f->disk.device);
	note(op, f);
	f->volume.uuid = f->geometry.uuid;
	r = envelope_volume_format(&f->volume, &f->geometry, dek, &f->token, e);
	if (r)
		return r;
	r = prove(op, f, dek, e);
	if (r)
		envelope_cure(
			e,
			"%s has its header, but is not done: mend this, then repeat with --force",
			f->disk.device);
	return r;
}

static int format(struct op *op, struct format *f, uint8_t *dek, struct envelope_error *e)
{
	int r = read_parameters(op, f, e);

	if (!r)
		r = check(op, f, e);
	if (!r)
		r = kek_ready(op, &f->policy, f->disk.device, &f->disk.st, &f->created_kek,
			      f->warnings, e);
	if (!r && envelope_random(dek, f->geometry.key_size))
		r = envelope_fail(e, ENVELOPE_E_FAILED, "no random numbers for a key");
	return r ? r : write_and_prove(op, f, dek, e);
}

int op_format(struct op *op, struct json_object **result, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *dek = envelope_secret_alloc(ENVELOPE_DEK_MAX);
	struct format f = {};
	int r;

	if (!dek)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	f.warnings = json_object_new_array();
	r = format(op, &f, dek, e);
	if (r) {
		json_object_put(f.warnings);
		return r;
	}
	log_line(LOG_NOTICE,
		 &(struct log_fields) { .id = LOG_ID_FORMATTED,
					.volume = f.geometry.uuid,
					.kek = f.token.shares[0].kek },
		 "%s is formatted as volume %s, under %s", f.disk.device, f.geometry.uuid, f.by);
	*result = json_object_new_object();
	op_add_text(*result, "uuid", f.geometry.uuid);
	json_object_object_add(*result, "slot", op_slot(0, &f.token));
	op_add_bool(*result, "created_kek", f.created_kek);
	json_object_object_add(*result, "warnings", f.warnings);
	return 0;
}
