// SPDX-License-Identifier: GPL-2.0-or-later
#include "record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "json.h"

#define TYPE   "envelope-record"
#define FORMAT 1
#define SUFFIX ".json"
#define LIMIT  (256 << 10) /* bytes of text: all slots, with the longest names in them */

static const char *const members[] = { "type", "format", "uuid",  "device", "header",
				       "host", "seen",	 "slots", NULL };
static const char *const slot_members[] = { "slot", "created", "salt", "threshold",
					    "set",  "shares",  NULL };
static const char *const share_members[] = { "kek", "version", NULL };

static void path_of(char path[static PATH_MAX], const char *directory, const char *uuid)
{
	snprintf(path, PATH_MAX, "%s/%s" SUFFIX, directory, uuid);
}

void envelope_record_slot(const struct envelope_token *token, struct envelope_record_slot *slot)
{
	memset(slot, 0, sizeof(*slot));
	slot->slot = token->slot;
	slot->threshold = token->threshold;
	slot->n_shares = token->n_shares;
	strcpy(slot->created, token->created);
	memcpy(slot->salt, token->salt, sizeof(slot->salt));
	for (unsigned int i = 0; i < token->n_shares; i++) {
		strcpy(slot->shares[i].kek, token->shares[i].kek);
		strcpy(slot->shares[i].version, token->shares[i].version);
	}
}

/* An array of so many objects; NULL where it is none */
static struct json_object *objects(struct json_object *object, const char *name, size_t min,
				   size_t max, unsigned int *n)
{
	struct json_object *array;
	size_t length;

	if (!json_object_object_get_ex(object, name, &array) ||
	    !json_object_is_type(array, json_type_array))
		return NULL;
	length = json_object_array_length(array);
	*n = (unsigned int)length;
	return length >= min && length <= max ? array : NULL;
}

static bool parse_shares(struct json_object *object, struct envelope_record_slot *slot)
{
	struct json_object *array =
		objects(object, "shares", 1, ENVELOPE_SHARES_MAX, &slot->n_shares);

	for (unsigned int i = 0; array && i < slot->n_shares; i++) {
		struct json_object *share = json_object_array_get_idx(array, i);
		char *kek = slot->shares[i].kek, *version = slot->shares[i].version;

		if (!json_object_is_type(share, json_type_object) ||
		    !envelope_json_members(share, share_members) ||
		    envelope_json_text(share, "kek", kek, sizeof(slot->shares[i].kek)) < 0 ||
		    !envelope_kek_name_valid(kek) ||
		    envelope_json_text(share, "version", version, sizeof(slot->shares[i].version)) <
			    0 ||
		    !envelope_word_valid(version))
			return false;
	}
	return array;
}

static bool parse_slot(struct json_object *object, struct envelope_record_slot *slot)
{
	uint64_t number, threshold;
	size_t n;

	if (!json_object_is_type(object, json_type_object) ||
	    !envelope_json_members(object, slot_members) ||
	    envelope_json_u64(object, "slot", 0, ENVELOPE_SLOTS_MAX - 1, &number) < 0 ||
	    envelope_json_text(object, "created", slot->created, sizeof(slot->created)) < 0 ||
	    !envelope_time_valid(slot->created) ||
	    envelope_json_base64(object, "salt", slot->salt, sizeof(slot->salt), sizeof(slot->salt),
				 &n) < 0 ||
	    envelope_json_text(object, "set", slot->set, sizeof(slot->set)) < 0 ||
	    (*slot->set && !envelope_kek_name_valid(slot->set)) || !parse_shares(object, slot) ||
	    envelope_json_u64(object, "threshold", 1, slot->n_shares, &threshold) < 0)
		return false;
	slot->slot = (unsigned int)number;
	slot->threshold = (unsigned int)threshold;
	return true;
}

static bool parse_slots(struct json_object *object, struct envelope_record *record)
{
	struct json_object *array =
		objects(object, "slots", 0, ENVELOPE_RECORD_SLOTS_MAX, &record->n_slots);

	for (unsigned int i = 0; array && i < record->n_slots; i++)
		if (!parse_slot(json_object_array_get_idx(array, i), &record->slots[i]))
			return false;
	return array;
}

int envelope_record_parse(const char *text, size_t size, struct envelope_record *record,
			  struct envelope_error *e)
{
	_cleanup_json_ struct json_object *object = envelope_json_parse(text, size);
	uint64_t format;
	char type[sizeof(TYPE)];

	memset(record, 0, sizeof(*record));
	if (!object || !envelope_json_members(object, members) ||
	    envelope_json_text(object, "type", type, sizeof(type)) < 0 || strcmp(type, TYPE) ||
	    envelope_json_u64(object, "format", FORMAT, FORMAT, &format) < 0 ||
	    envelope_json_text(object, "uuid", record->uuid, sizeof(record->uuid)) < 0 ||
	    !envelope_uuid_valid(record->uuid) ||
	    envelope_json_text(object, "device", record->device, sizeof(record->device)) < 0 ||
	    envelope_json_text(object, "header", record->header, sizeof(record->header)) < 0 ||
	    envelope_json_text(object, "host", record->host, sizeof(record->host)) < 0 ||
	    envelope_json_text(object, "seen", record->seen, sizeof(record->seen)) < 0 ||
	    !envelope_time_valid(record->seen) || !parse_slots(object, record))
		return envelope_fail(e, ENVELOPE_E_CONFIG, "not a record of format %d", FORMAT);
	return 0;
}

static int damaged(const char *path, const char *why, struct envelope_error *e)
{
	envelope_fail(e, ENVELOPE_E_CONFIG, "%s: %s", path, why);
	return envelope_cure(e, "restore the file from a backup; or remove it, and have the volume "
				"recorded anew: envelopectl open, or rewrap");
}

int envelope_record_read(const char *directory, const char *uuid, struct envelope_record *record,
			 struct envelope_error *e)
{
	char path[PATH_MAX], *text;
	size_t size;
	int r;

	path_of(path, directory, uuid);
	r = envelope_file_read(path, LIMIT, &text, &size);
	if (r == -ENOENT)
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND,
				     "volume %s: this host has no record of it", uuid);
	if (r < 0)
		return damaged(path, strerror(-r), e);
	r = envelope_record_parse(text, size, record, NULL);
	free(text);
	if (r)
		return damaged(path, "not a record, or damaged", e);
	return strcmp(record->uuid, uuid) ? damaged(path, "the record of another volume", e) : 0;
}

static void add_text(struct json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

static struct json_object *format_slot(const struct envelope_record_slot *slot)
{
	struct json_object *object = json_object_new_object(), *shares = json_object_new_array();

	for (unsigned int i = 0; i < slot->n_shares; i++) {
		struct json_object *share = json_object_new_object();

		add_text(share, "kek", slot->shares[i].kek);
		add_text(share, "version", slot->shares[i].version);
		json_object_array_add(shares, share);
	}
	json_object_object_add(object, "slot", json_object_new_int((int)slot->slot));
	add_text(object, "created", slot->created);
	envelope_json_add_base64(object, "salt", slot->salt, sizeof(slot->salt));
	json_object_object_add(object, "threshold", json_object_new_int((int)slot->threshold));
	add_text(object, "set", slot->set);
	json_object_object_add(object, "shares", shares);
	return object;
}

int envelope_record_write(const char *directory, const struct envelope_record *record,
			  struct envelope_error *e)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	struct json_object *slots = json_object_new_array();
	char path[PATH_MAX];
	const char *text;
	int r;

	for (unsigned int i = 0; i < record->n_slots; i++)
		json_object_array_add(slots, format_slot(&record->slots[i]));
	add_text(object, "type", TYPE);
	json_object_object_add(object, "format", json_object_new_int(FORMAT));
	add_text(object, "uuid", record->uuid);
	add_text(object, "device", record->device);
	add_text(object, "header", record->header);
	add_text(object, "host", record->host);
	add_text(object, "seen", record->seen);
	json_object_object_add(object, "slots", slots);
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_NOSLASHESCAPE);
	path_of(path, directory, record->uuid);
	r = envelope_file_replace(path, text, strlen(text), 0600);
	return r < 0 ? envelope_fail_file(e, path, -r) : 0;
}

int envelope_record_remove(const char *directory, const char *uuid, struct envelope_error *e)
{
	char path[PATH_MAX];
	int r;

	path_of(path, directory, uuid);
	r = envelope_file_remove(path);
	return r < 0 ? envelope_fail_file(e, path, -r) : 0;
}

int envelope_record_list(const char *directory, char ***uuids, struct envelope_error *e)
{
	int r = envelope_file_list(directory, SUFFIX, envelope_uuid_valid, uuids);

	if (r < 0)
		return envelope_fail(e, ENVELOPE_E_CONFIG, "%s: %s", directory, strerror(-r));
	return 0;
}
