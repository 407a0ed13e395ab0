// SPDX-License-Identifier: GPL-2.0-or-later
/* Format: a fresh DEK, sealed in a slot, on a disk that may be overwritten. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker-client.h"
#include "device-use.h"
#include "kek.h"
#include "log.h"
#include "op.h"
#include "pin.h"
#include "unlock.h"

struct format {
	char device[256], kek[ENVELOPE_KEK_NAME_MAX + 1], label[48], uuid[ENVELOPE_UUID_TEXT + 1];
	uint32_t sector_size;
	bool force, accept_new;
	struct envelope_format volume;
	struct envelope_geometry geometry;
	struct stat st;
	struct envelope_kek_config config;
	struct envelope_worker_reply current;
	bool created_kek;
};

static int read_parameters(struct op *op, struct format *f, struct envelope_error *e)
{
	static const char *const known[] = { "device",	    "kek",   "label",	   "uuid",
					     "sector_size", "force", "accept_new", NULL };
	int r = op_known(op, known, e);

	strcpy(f->kek, ENVELOPE_DEFAULT_KEK);
	if (!r)
		r = op_text(op, "device", true, f->device, sizeof(f->device), e);
	if (!r)
		r = op_text(op, "kek", false, f->kek, sizeof(f->kek), e);
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
	f->volume = (struct envelope_format) { .device = f->device,
					       .uuid = *f->uuid ? f->uuid : NULL,
					       .label = *f->label ? f->label : NULL,
					       .sector_size = f->sector_size,
					       .force = f->force };
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
			     f->device, f->geometry.uuid);
}

static int check(struct op *op, struct format *f, struct envelope_error *e)
{
	int r = op_lock_disk(op, f->device, &f->st, e);

	if (r)
		return r;
	op_step(op, "checking that %s is free", f->device);
	r = envelope_volume_check_device(&f->volume, &f->geometry, e);
	if (!r)
		r = check_pin(op, f, e);
	if (!r)
		r = kek_declared(op, f->kek, &f->config, e);
	return r;
}

/* Opened again as any volume is, trusted by this host, and its header backed up */
static int prove(struct op *op, const struct format *f, const uint8_t *dek,
		 struct envelope_error *e)
{
	_cleanup_unlocked_ struct unlocked u = {};
	int r = unlock(op, f->device, true, &u, e);

	if (!r && !envelope_secret_equal(u.dek, dek, f->geometry.key_size))
		r = envelope_fail(e, ENVELOPE_E_FAILED, "%s opens to another key", f->device);
	if (!r)
		r = envelope_volume_backup(u.volume, op->manager->headers_dir, HEADERS_KEPT, e);
	return r;
}

static int write_and_prove(struct op *op, struct format *f, const uint8_t *dek,
			   struct envelope_error *e)
{
	const char *keks[] = { f->kek };
	struct envelope_token token;
	int r;

	op_step(op, "wrapping the key by KEK %s, version %s", f->kek, f->current.version);
	r = seal_slot(op, &f->geometry, 0, keks, 1, dek, &token, e);
	if (r)
		return r;
	op_step(op, "writing the header to %s", f->device);
	f->volume.uuid = f->geometry.uuid;
	r = envelope_volume_format(&f->volume, &f->geometry, dek, &token, e);
	if (r)
		return r;
	r = prove(op, f, dek, e);
	if (r)
		envelope_cure(
			e,
			"%s has its header, but is not done: mend this, then repeat with --force",
			f->device);
	return r;
}

static void warn(struct json_object *warnings, const char *fmt, const char *a, const char *b)
{
	char text[1024];

	snprintf(text, sizeof(text), fmt, a, b);
	json_object_array_add(warnings, json_object_new_string(text));
}

static struct json_object *warnings(const struct format *f)
{
	struct json_object *array = json_object_new_array();
	struct stat store;

	if (f->current.unbacked)
		warn(array,
		     "no backup holds the key store %s as it is: should it be lost, so may be %s; "
		     "copy it to a safe place (envelope-keyd(8) tells how)",
		     f->config.keystore, f->device);
	if (S_ISBLK(f->st.st_mode) && !stat(f->config.keystore, &store) &&
	    device_same_disk(store.st_dev, f->st.st_rdev))
		warn(array,
		     "the key store %s lies on the disk of %s: "
		     "whoever has the disk has the key too",
		     f->config.keystore, f->device);
	return array;
}

int op_format(struct op *op, struct json_object **result, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *dek = envelope_secret_alloc(ENVELOPE_DEK_MAX);
	struct format f = {};
	int r;

	if (!dek)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = read_parameters(op, &f, e);
	if (!r)
		r = check(op, &f, e);
	if (!r)
		r = kek_ensure(op, f.kek, &f.created_kek, &f.current, e);
	if (!r && envelope_random(dek, f.geometry.key_size))
		r = envelope_fail(e, ENVELOPE_E_FAILED, "no random numbers for a key");
	if (!r)
		r = write_and_prove(op, &f, dek, e);
	if (r)
		return r;
	log_line(LOG_NOTICE,
		 &(struct log_fields) {
			 .id = LOG_ID_FORMATTED, .volume = f.geometry.uuid, .kek = f.kek },
		 "%s is formatted as volume %s, under KEK %s", f.device, f.geometry.uuid, f.kek);
	*result = json_object_new_object();
	op_add_text(*result, "uuid", f.geometry.uuid);
	op_add_text(*result, "kek", f.kek);
	op_add_text(*result, "version", f.current.version);
	op_add_bool(*result, "created_kek", f.created_kek);
	json_object_object_add(*result, "warnings", warnings(&f));
	return 0;
}
