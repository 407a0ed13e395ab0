// SPDX-License-Identifier: GPL-2.0-or-later
#include "op.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "broker-client.h"
#include "device-use.h"
#include "device.h"
#include "rights.h"
#include "server.h"
#include "varlink.h"

/* What a session may ask the main process for */
#define ANY	     (BROKER_BIT(BROKER_ALIVE) | BROKER_BIT(BROKER_DONE))
#define CHANGES_DISK (ANY | BROKER_BIT(BROKER_LOCK_DISK))
#define CHANGES_NAME (ANY | BROKER_BIT(BROKER_LOCK_NAME))
#define READS_KEK    (ANY | BROKER_BIT(BROKER_KEK_DECLARED) | BROKER_BIT(BROKER_KEK_READ))
#define USES_KEK                                                                                   \
	(READS_KEK | BROKER_BIT(BROKER_KEK_USE) | BROKER_BIT(BROKER_UNWRAP) |                      \
	 BROKER_BIT(BROKER_UNWRAPPED) | BROKER_BIT(BROKER_UNWRAP_END) | BROKER_BIT(BROKER_DOUBT))
#define USES_SET    (USES_KEK | BROKER_BIT(BROKER_SET))
#define CHANGES_KEK (READS_KEK | BROKER_BIT(BROKER_KEK_CHANGE))

#define GIVES_KEY (CHANGES_NAME | USES_KEK | BROKER_BIT(BROKER_SET_KEY) | BROKER_BIT(BROKER_OPENED))

static const struct method methods[] = {
	{ "Format", RIGHT_NONE, CHANGES_DISK | USES_SET | CHANGES_KEK, op_format },
	{ "Adopt", RIGHT_NONE, CHANGES_DISK | USES_SET | CHANGES_KEK, op_adopt },
	{ "Release", RIGHT_NONE, CHANGES_DISK | USES_KEK, op_release },
	{ "CloneFix", RIGHT_NONE, CHANGES_DISK | USES_KEK, op_clone_fix },
	{ "Open", RIGHT_NONE,
	  CHANGES_DISK | CHANGES_NAME | USES_KEK | BROKER_BIT(BROKER_ACTIVATE) |
		  BROKER_BIT(BROKER_FORGET),
	  op_open },
	{ "Lock", RIGHT_GROUP, ANY | BROKER_BIT(BROKER_LOCK), op_lock },
	{ "Unlock", RIGHT_USE, GIVES_KEY | BROKER_BIT(BROKER_WOKEN), op_unlock },
	{ "Close", RIGHT_NONE, CHANGES_NAME | BROKER_BIT(BROKER_FORGET), op_close },
	{ "Resize", RIGHT_NONE, CHANGES_NAME | BROKER_BIT(BROKER_RELOAD), op_resize },
	{ "Status", RIGHT_GROUP, ANY, op_status },
	{ "Dump", RIGHT_NONE, ANY, op_dump },
	{ "Rewrap", RIGHT_NONE, CHANGES_DISK | USES_SET | CHANGES_KEK | BROKER_BIT(BROKER_OPENED),
	  op_rewrap },
	{ "SetCreate", RIGHT_NONE, USES_SET | CHANGES_KEK, op_set_create },
	{ "SetRewrap", RIGHT_NONE, USES_SET | CHANGES_KEK, op_set_rewrap },
	{ "SetList", RIGHT_GROUP, ANY, op_set_list },
	{ "SetShow", RIGHT_GROUP, ANY, op_set_show },
	{ "SlotAdd", RIGHT_NONE, CHANGES_DISK | USES_SET | CHANGES_KEK | BROKER_BIT(BROKER_OPENED),
	  op_slot_add },
	{ "SlotRemove", RIGHT_NONE, CHANGES_DISK | USES_KEK | BROKER_BIT(BROKER_OPENED),
	  op_slot_remove },
	{ "Erase", RIGHT_NONE, CHANGES_DISK, op_erase },
	{ "KekCreate", RIGHT_NONE, CHANGES_KEK, op_kek_create },
	{ "KekList", RIGHT_GROUP, READS_KEK, op_kek_list },
	{ "KekShow", RIGHT_GROUP, READS_KEK, op_kek_show },
	{ "KekCheck", RIGHT_USE | RIGHT_ADMINISTER, USES_KEK, op_kek_check },
	{ "Inventory", RIGHT_GROUP, ANY, op_inventory },
	{ "KekUsage", RIGHT_GROUP | RIGHT_ADMINISTER, READS_KEK, op_kek_usage },
	{ "KekRotate", RIGHT_ADMINISTER, CHANGES_KEK, op_kek_rotate },
	{ "KekDisable", RIGHT_ADMINISTER, CHANGES_KEK, op_kek_disable },
	{ "KekEnable", RIGHT_ADMINISTER, CHANGES_KEK, op_kek_enable },
};

const struct method method_takeover = {
	.name = "take-over",
	.allowed = GIVES_KEY | BROKER_BIT(BROKER_PROBLEM),
	.run = op_unlock,
};

const struct method method_follow = {
	.name = "follow",
	.allowed = CHANGES_DISK | CHANGES_NAME | USES_SET | CHANGES_KEK |
		   BROKER_BIT(BROKER_OPENED) | BROKER_BIT(BROKER_PROBLEM),
	.run = op_follow,
};

const struct method method_reload = {
	.name = "reload",
	.allowed = ANY | BROKER_BIT(BROKER_KEK_DECLARED) | BROKER_BIT(BROKER_PROBLEM),
	.run = op_reload,
};

const struct method *method_find(const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (!strcmp(methods[i].name, name))
			return &methods[i];
	return NULL;
}

int op_known(const struct op *op, const char *const *names, struct envelope_error *e)
{
	if (!op->parameters)
		return 0;
	json_object_object_foreach (op->parameters, member, value) {
		const char *const *name = names;

		(void)value;
		while (*name && strcmp(*name, member))
			name++;
		if (!*name)
			return envelope_fail(e, ENVELOPE_E_USAGE, "there is no parameter %.64s",
					     member);
	}
	return 0;
}

/* Finds a parameter of a type; false with *r set when there is none or it is wrong */
static bool find(const struct op *op, const char *name, enum json_type type, bool required,
		 struct json_object **value, int *r, struct envelope_error *e)
{
	*r = 0;
	*value = NULL;
	if (op->parameters)
		json_object_object_get_ex(op->parameters, name, value);
	if (!*value) {
		if (required)
			*r = envelope_fail(e, ENVELOPE_E_USAGE, "the parameter %s is missing",
					   name);
		return false;
	}
	if (json_object_is_type(*value, type))
		return true;
	*r = envelope_fail(e, ENVELOPE_E_USAGE, "the parameter %s must be %s", name,
			   json_type_to_name(type));
	return false;
}

int op_text(const struct op *op, const char *name, bool required, char *out, size_t room,
	    struct envelope_error *e)
{
	struct json_object *value;
	size_t length;
	int r;

	if (!find(op, name, json_type_string, required, &value, &r, e))
		return r;
	length = json_object_get_string_len(value);
	if (!length || length >= room || strlen(json_object_get_string(value)) != length)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "the parameter %s must have 1 to %zu characters", name,
				     room - 1);
	memcpy(out, json_object_get_string(value), length + 1);
	return 0;
}

int op_bool(const struct op *op, const char *name, bool *out, struct envelope_error *e)
{
	struct json_object *value;
	int r;

	if (find(op, name, json_type_boolean, false, &value, &r, e))
		*out = json_object_get_boolean(value);
	return r;
}

int op_number(const struct op *op, const char *name, uint64_t max, uint32_t *out,
	      struct envelope_error *e)
{
	struct json_object *value;
	int64_t number;
	int r;

	if (!find(op, name, json_type_int, false, &value, &r, e))
		return r;
	number = json_object_get_int64(value);
	if (number < 0 || (uint64_t)number > max)
		return envelope_fail(e, ENVELOPE_E_USAGE, "the parameter %s must be 0 to %llu",
				     name, (unsigned long long)max);
	*out = number;
	return 0;
}

int op_array(const struct op *op, const char *name, struct json_object **out,
	     struct envelope_error *e)
{
	struct json_object *value;
	int r;

	if (find(op, name, json_type_array, false, &value, &r, e))
		*out = value;
	return r;
}

void op_step(struct op *op, const char *fmt, ...)
{
	struct json_object *parameters;
	_cleanup_json_ struct json_object *message = NULL;
	char text[256];
	va_list args;

	broker_alive(op);
	if (!op->more || op->client < 0)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	parameters = json_object_new_object();
	op_add_text(parameters, "step", text);
	message = varlink_reply(parameters, true);
	if (message && varlink_send(op->client, message, CLIENT_PATIENCE_MS) < 0)
		op->more = false; /* gone or deaf: the work goes on without */
}

static int full_path(const char *path, struct envelope_error *e)
{
	if (*path == '/' || !*path)
		return 0;
	return envelope_fail(e, ENVELOPE_E_USAGE, "%s: a disk is given by its full path", path);
}

int op_disk(struct op *op, struct op_disk *disk, struct envelope_error *e)
{
	const struct stat *st = &disk->st;
	uint64_t id[2];
	int r = op_text(op, "device", true, disk->device, sizeof(disk->device), e);

	if (!r)
		r = op_text(op, "header", false, disk->header, sizeof(disk->header), e);
	if (!r)
		r = full_path(disk->device, e);
	if (!r)
		r = full_path(disk->header, e);
	if (r)
		return r;
	if (stat(disk->device, &disk->st))
		return envelope_fail(e, errno == ENOENT ? ENVELOPE_E_NOT_FOUND : ENVELOPE_E_IO,
				     "%s: %s", disk->device, strerror(errno));
	/* A block device is the same whatever its node; an image file is its inode */
	id[0] = S_ISBLK(st->st_mode) ? UINT64_MAX : st->st_dev;
	id[1] = S_ISBLK(st->st_mode) ? st->st_rdev : st->st_ino;
	return broker_lock_disk(op, id, e);
}

int op_check_writable(const char *device, struct envelope_error *e)
{
	struct stat st;

	if (stat(device, &st) || !S_ISBLK(st.st_mode) || !device_readonly(st.st_rdev))
		return 0;
	envelope_fail(e, ENVELOPE_E_IO, "%s is read-only", device);
	return envelope_cure(e, "blockdev --setrw %s", device);
}

int op_check_unused(const struct op_disk *disk, struct envelope_error *e)
{
	char user[256];

	if (!S_ISBLK(disk->st.st_mode) || !device_user(disk->st.st_rdev, user, sizeof(user)))
		return 0;
	return envelope_fail(e, ENVELOPE_E_BUSY, "%s is in use: %s", disk->device, user);
}

int op_check_closed(const struct op_disk *disk, const char *uuid, struct envelope_error *e)
{
	char name[TABLE_NAME_MAX + 1] = "";
	struct envelope_error ignored;
	int r = device_of_volume(uuid, name, &ignored);

	/* Without device-mapper nothing is open */
	if (r && r != -ENVELOPE_E_NO_TARGET) {
		*e = ignored;
		return r;
	}
	if (!*name)
		return 0;
	envelope_fail(e, ENVELOPE_E_BUSY, "%s is open as %s", disk->device, name);
	return envelope_cure(e, "envelopectl close %s", name);
}

int op_mapping(struct op *op, char name[static TABLE_NAME_MAX + 1], struct envelope_error *e)
{
	static const char *const known[] = { "name", NULL };
	int r = op_known(op, known, e);

	return r ? r : op_mapping_named(op, name, e);
}

int op_mapping_named(struct op *op, char name[static TABLE_NAME_MAX + 1], struct envelope_error *e)
{
	int r = op_text(op, "name", true, name, TABLE_NAME_MAX + 1, e);

	if (!r)
		r = envelope_name_check(name, e);
	if (!r)
		r = broker_lock_name(op, name, e);
	return r;
}

void op_add_text(struct json_object *object, const char *name, const char *value)
{
	json_object_object_add(object, name, value ? json_object_new_string(value) : NULL);
}

void op_add_number(struct json_object *object, const char *name, uint64_t value)
{
	json_object_object_add(object, name, json_object_new_int64(value));
}

void op_add_bool(struct json_object *object, const char *name, bool value)
{
	json_object_object_add(object, name, json_object_new_boolean(value));
}

void op_warn(struct json_object *warnings, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_object_array_add(warnings, json_object_new_string(text));
}

static struct json_object *shares(const struct envelope_token *token)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < token->n_shares; i++) {
		struct json_object *share = json_object_new_object();

		op_add_number(share, "index", token->shares[i].index);
		op_add_text(share, "kek", token->shares[i].kek);
		op_add_text(share, "version", token->shares[i].version);
		op_add_text(share, "algorithm", token->shares[i].algorithm);
		json_object_array_add(array, share);
	}
	return array;
}

void op_add_policy(struct json_object *object, const struct envelope_token *token)
{
	op_add_text(object, "created", token->created);
	op_add_number(object, "threshold", token->threshold);
	json_object_object_add(object, "shares", shares(token));
}

struct json_object *op_slot(int token_id, const struct envelope_token *token)
{
	struct json_object *slot = json_object_new_object();

	op_add_number(slot, "token", token_id);
	op_add_number(slot, "slot", token->slot);
	op_add_policy(slot, token);
	return slot;
}

struct json_object *op_slots(const struct envelope_slot *slots, size_t n)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int id = 0; id < ENVELOPE_SLOTS_MAX; id++)
		for (size_t i = 0; i < n; i++)
			if (slots[i].token.slot == id)
				json_object_array_add(array,
						      op_slot(slots[i].token_id, &slots[i].token));
	return array;
}
