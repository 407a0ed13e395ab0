// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Adopt: a LUKS2 volume of cryptsetup's gets a slot, and is ours. Its data stays where it is and
 * as it is, and so do its key slots, until they are dropped by the next call.
 */
#include <errno.h>
#include <string.h>

#include "device-use.h"
#include "header.h"
#include "inventory.h"
#include "kek-ready.h"
#include "log.h"
#include "op.h"
#include "passed.h"
#include "seal.h"
#include "unlock.h"

#define KEYSLOTS_STAY                                                                              \
	"%s: its key slots of cryptsetup's still open it, by no KEK: once it opens without them, " \
	"envelopectl adopt %s --drop-keyslots"
#define BACKUPS_HAVE_KEYSLOTS                                                                      \
	"header backups of before, and copies of the disk, still open by a passphrase: see %s"
#define STILL_DM_CRYPT                                                                             \
	"%s is in use (%s): until it is closed, and opened by envelopectl, no KEK stops it"

struct adopt {
	struct op_disk disk;
	struct policy policy;
	char by[256]; /* the policy, for people */
	enum passed_kind kind;
	bool drop, accept_new;
	struct envelope_volume *volume;
	uint8_t *dek;
	struct envelope_token token;
	bool created_kek;
	unsigned int dropped;
	struct json_object *warnings;
};

static int read_parameters(struct op *op, struct adopt *a, struct envelope_error *e)
{
	static const char *const known[] = { "device",	      "header",	    "keks",
					     "threshold",     "set",	    "by",
					     "drop_keyslots", "accept_new", NULL };
	int r = op_known(op, known, e);

	if (!r)
		r = policy_read(op, &a->policy, e);
	if (!r)
		r = passed_kind(op, &a->kind, e);
	if (!r)
		r = op_bool(op, "drop_keyslots", &a->drop, e);
	if (!r)
		r = op_bool(op, "accept_new", &a->accept_new, e);
	if (!r)
		r = op_disk(op, &a->disk, e);
	return r;
}

/* What cryptsetup would be told, or the key that it would find */
static int get_dek(struct op *op, struct adopt *a, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(PASSPHRASE_MAX);
	size_t size;
	int r;

	if (!secret)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = passed_secret(op, a->kind, secret, &size, e);
	if (r)
		return r;
	op_step(op, "opening %s", a->disk.device);
	if (a->kind != PASSED_VOLUME_KEY)
		return envelope_volume_open_keyslot(a->volume, secret, size, a->dek, e);
	if (size != ENVELOPE_DEK_MAX && size != ENVELOPE_DEK_MAX / 2)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "a key of %zu bytes: it has 32 or 64, and nothing after them",
				     size);
	envelope_secret_copy(a->dek, secret, size);
	return envelope_volume_take_key(a->volume, a->dek, size, e);
}

/* A volume under a uuid that this host trusts may be that one only */
static int check_pin(struct op *op, const struct adopt *a, struct envelope_error *e)
{
	const struct envelope_geometry *geometry = envelope_volume_geometry(a->volume);
	struct envelope_error ignored;
	struct envelope_pin pin;
	int r = envelope_pin_read(op->manager->volumes_dir, geometry->uuid, &pin, &ignored);

	if (a->accept_new || r == -ENVELOPE_E_NOT_PINNED)
		return 0;
	if (r) {
		*e = ignored;
		return r;
	}
	return envelope_pin_check(&pin, geometry, &a->token, a->dek, e);
}

/* Before the slot: power may fail between the two, and what has a slot is to open */
static int pin(struct op *op, const struct adopt *a, struct envelope_error *e)
{
	struct envelope_pin new;
	int r = envelope_pin_make(&new, envelope_volume_geometry(a->volume), a->dek, e);

	if (!r)
		r = envelope_pin_add(&new, &a->token, e);
	return r ? r : envelope_pin_write(op->manager->volumes_dir, &new, e);
}

static void note(struct op *op, const struct adopt *a)
{
	inventory_note(
		op, &(struct inventory_entry) { .device = a->disk.device,
						.header = a->disk.header,
						.uuid = envelope_volume_geometry(a->volume)->uuid,
						.coming = &a->token });
}

static int write_slot(struct op *op, struct adopt *a, struct envelope_error *e)
{
	int r = envelope_volume_check_room(a->volume, &a->token, e);

	if (!r)
		r = header_begin(op, a->volume, e);
	if (!r)
		r = pin(op, a, e);
	if (r)
		return r;
	op_step(op, "writing the slot to %s", a->disk.device);
	note(op, a);
	r = envelope_volume_put_witness(a->volume, a->dek, e);
	if (!r)
		r = envelope_volume_put_slot(a->volume, &a->token, e);
	return r < 0 ? r : envelope_volume_mark(a->volume, true, e);
}

static int adopt(struct op *op, struct adopt *a, struct envelope_error *e)
{
	int r;

	policy_default(&a->policy);
	policy_text(&a->policy, a->by, sizeof(a->by));
	a->dek = envelope_secret_alloc(ENVELOPE_DEK_MAX);
	if (!a->dek)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = get_dek(op, a, e);
	if (!r)
		r = kek_ready(op, &a->policy, a->disk.device, &a->disk.st, &a->created_kek,
			      a->warnings, e);
	if (r)
		return r;
	op_step(op, "wrapping the key by %s", a->by);
	r = seal_slot(op, envelope_volume_geometry(a->volume), 0, &a->policy, a->dek, &a->token, e);
	if (!r)
		r = check_pin(op, a, e);
	return r ? r : write_slot(op, a, e);
}

/* Opened by its KEKs as any volume is; then, if so wished, by nothing else any more */
static int prove(struct op *op, struct adopt *a, struct unlocked *u, struct envelope_error *e)
{
	const struct unlock_by by = { .accept_new = a->accept_new };
	int r = unlock_disk(op, &a->disk, &by, u, e);

	if (!r && a->dek && !envelope_secret_equal(u->dek, a->dek, u->geometry->key_size))
		r = envelope_fail(e, ENVELOPE_E_FAILED, "%s opens to another key", a->disk.device);
	if (r || !a->drop)
		return r;
	a->dropped = envelope_volume_keyslots(u->volume);
	if (!a->dropped)
		return 0;
	op_step(op, "dropping its key slots");
	/* An adoption has backed it up as it was before */
	r = a->dek ? 0 : header_begin(op, u->volume, e);
	if (!r)
		r = envelope_volume_drop_keyslots(u->volume, e);
	if (!r)
		op_warn(a->warnings, BACKUPS_HAVE_KEYSLOTS, op->manager->headers_dir);
	return r;
}

/* One that lost its power half-way may lack its mark */
static int adopted_already(struct adopt *a, struct envelope_error *e)
{
	int r = envelope_volume_mark(a->volume, true, e);

	if (r || a->drop)
		return r;
	envelope_fail(e, ENVELOPE_E_EXISTS, "%s: an envelope volume already", a->disk.device);
	return envelope_cure(e,
			     "open it: envelopectl open %s NAME; other KEKs: envelopectl slot add",
			     a->disk.device);
}

static void warn(const struct adopt *a, const struct unlocked *u)
{
	char user[256];

	if (envelope_volume_keyslots(u->volume))
		op_warn(a->warnings, KEYSLOTS_STAY, a->disk.device, a->disk.device);
	if (S_ISBLK(a->disk.st.st_mode) && device_user(a->disk.st.st_rdev, user, sizeof(user)))
		op_warn(a->warnings, STILL_DM_CRYPT, a->disk.device, user);
}

static int run(struct op *op, struct adopt *a, struct unlocked *u, struct envelope_error *e)
{
	int r = read_parameters(op, a, e);

	if (!r)
		r = op_check_writable(op_header(&a->disk), e);
	if (!r)
		r = envelope_volume_load_luks(a->disk.device, a->disk.header, &a->volume, e);
	if (!r)
		r = envelope_volume_is_ours(a->volume) ? adopted_already(a, e) : adopt(op, a, e);
	if (!r)
		r = prove(op, a, u, e);
	return r;
}

static struct json_object *describe(struct op *op, const struct adopt *a, const struct unlocked *u)
{
	const struct envelope_slot *slot = &u->slots[u->opened];
	struct json_object *result = json_object_new_object();

	op_add_text(result, "uuid", u->geometry->uuid);
	json_object_object_add(result, "slot", op_slot(slot->token_id, &slot->token));
	op_add_bool(result, "adopted", a->dek);
	op_add_number(result, "keyslots", envelope_volume_keyslots(u->volume));
	op_add_number(result, "dropped", a->dropped);
	op_add_text(result, "backup", op->manager->headers_dir);
	op_add_bool(result, "created_kek", a->created_kek);
	json_object_object_add(result, "warnings", json_object_get(a->warnings));
	return result;
}

static void log_result(const struct adopt *a, const struct unlocked *u)
{
	const struct log_fields about = { .id = LOG_ID_ADOPTED, .volume = u->geometry->uuid };

	if (a->dek)
		log_line(LOG_NOTICE, &about, "%s is adopted as volume %s, under %s", a->disk.device,
			 u->geometry->uuid, a->by);
	if (a->dropped)
		log_line(LOG_NOTICE, &about, "%s: volume %s: key slots of cryptsetup's dropped: %u",
			 a->disk.device, u->geometry->uuid, a->dropped);
}

int op_adopt(struct op *op, struct json_object **result, struct envelope_error *e)
{
	_cleanup_unlocked_ struct unlocked u = {};
	struct adopt a = { .warnings = json_object_new_array() };
	int r = run(op, &a, &u, e);

	if (!r) {
		warn(&a, &u);
		log_result(&a, &u);
		*result = describe(op, &a, &u);
	}
	json_object_put(a.warnings);
	envelope_volume_free(a.volume);
	envelope_secret_free(a.dek);
	return r;
}
