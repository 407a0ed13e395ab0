// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Take-over: a device that an earlier envelope-keyd opened is unlocked again, with
 * every check of an open, and gets a key that is in this one's keyring. For that it
 * is suspended for a moment; whatever happens meanwhile, it is resumed: a marker in
 * the runtime directory tells the next take-over that it was us who suspended it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker-client.h"
#include "crypto.h"
#include "device-use.h"
#include "device.h"
#include "log.h"
#include "op.h"
#include "unlock.h"

static void marker_path(struct op *op, const char *name, char *path, size_t room)
{
	snprintf(path, room, "%s/%s.suspended", op->manager->options->runtime_dir, name);
}

static int suspend(struct op *op, const char *name, struct envelope_error *e)
{
	char path[512];
	int fd;

	marker_path(op, name, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s cannot be made", path);
	close(fd);
	return device_suspend(name, e);
}

static int resume(struct op *op, const char *name, struct envelope_error *e)
{
	char path[512];
	int r = device_resume(name, e);

	marker_path(op, name, path, sizeof(path));
	if (!r)
		unlink(path);
	return r;
}

static int resume_what_was_left(struct op *op, const char *name, struct envelope_error *e)
{
	char path[512];

	marker_path(op, name, path, sizeof(path));
	return access(path, F_OK) ? 0 : resume(op, name, e);
}

/* Is what was unlocked the volume that is mapped? */
static int check_same(const struct table *table, const struct unlocked *u, struct envelope_error *e)
{
	char check[17];

	if (strcmp(u->geometry->uuid, table->uuid))
		return envelope_fail(e, ENVELOPE_E_WITNESS_MISMATCH,
				     "%s: its disk holds the header of another volume",
				     table->name);
	if (u->geometry->key_size != table->key_size ||
	    envelope_key_check(u->dek, table->key_size, check) ||
	    (*table->key_check && strcmp(check, table->key_check)))
		return envelope_fail(e, ENVELOPE_E_WRONG_KEY,
				     "%s: its disk opens to another key than the one at work",
				     table->name);
	return 0;
}

static int hand_over(struct op *op, const struct table *table, const struct unlocked *u,
		     struct envelope_error *e)
{
	struct broker_opened opened;
	struct envelope_error other;
	struct device_info info;
	int r = device_info(table->name, &info, e);

	if (r)
		return r;
	opened_by(u, &opened);
	if (info.suspended) /* by somebody else, who will resume it */
		return broker_table(op, BROKER_SET_KEY, table, &opened, u->dek, e);
	r = suspend(op, table->name, e);
	if (!r)
		r = broker_table(op, BROKER_SET_KEY, table, &opened, u->dek, e);
	/* Its I/O waits: it goes on with the new key or with the old one */
	if (resume(op, table->name, r ? &other : e) && !r)
		r = -(int)e->code;
	return r;
}

int op_takeover(struct op *op, struct json_object **result, struct envelope_error *e)
{
	_cleanup_unlocked_ struct unlocked u = {};
	char name[TABLE_NAME_MAX + 1], path[64];
	struct table table;
	int r = op_mapping(op, name, e);

	if (!r)
		r = resume_what_was_left(op, name, e);
	if (!r)
		r = device_table(name, &table, e);
	if (!r && !device_path(table.device, path, sizeof(path)))
		r = envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: its disk %s is gone", name,
				  table.device);
	if (!r)
		r = unlock(op, path, false, &u, e);
	if (!r)
		r = check_same(&table, &u, e);
	if (!r)
		r = hand_over(op, &table, &u, e);
	if (r)
		return r;
	log_line(LOG_NOTICE,
		 &(struct log_fields) { .id = LOG_ID_TAKEN, .volume = table.uuid, .device = name },
		 "%s is taken over", name);
	*result = json_object_new_object();
	return 0;
}
