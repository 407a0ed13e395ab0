// SPDX-License-Identifier: GPL-2.0-or-later
#include "pin.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "json.h"

#define PIN_LABEL  "dm-envelope pin v1"
#define PIN_FORMAT 1
#define PIN_LIMIT  16384 /* bytes of text */

static const char *const members[] = { "type",	    "format", "uuid",	 "dek",
				       "threshold", "keks",   "created", NULL };

static void path_of(char *path, size_t room, const char *directory, const char *uuid)
{
	snprintf(path, room, "%s/%s.json", directory, uuid);
}

static int digest_of(const struct envelope_geometry *geometry, const uint8_t *dek,
		     uint8_t out[static ENVELOPE_HASH_BYTES], struct envelope_error *e)
{
	if (envelope_hmac(dek, geometry->key_size, PIN_LABEL, strlen(PIN_LABEL), out) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "HMAC failed in OpenSSL");
	return 0;
}

static bool names(const struct envelope_pin *pin, const char *kek)
{
	for (unsigned int i = 0; i < pin->n_keks; i++)
		if (!strcmp(pin->keks[i], kek))
			return true;
	return false;
}

int envelope_pin_make(struct envelope_pin *pin, const struct envelope_geometry *geometry,
		      const uint8_t *dek, struct envelope_error *e)
{
	memset(pin, 0, sizeof(*pin));
	memcpy(pin->uuid, geometry->uuid, sizeof(pin->uuid));
	envelope_time_now(pin->created);
	return digest_of(geometry, dek, pin->dek, e);
}

int envelope_pin_add(struct envelope_pin *pin, const struct envelope_token *token,
		     struct envelope_error *e)
{
	if (!pin->threshold || token->threshold < pin->threshold)
		pin->threshold = token->threshold;
	for (unsigned int i = 0; i < token->n_shares; i++) {
		if (names(pin, token->shares[i].kek))
			continue;
		if (pin->n_keks == ENVELOPE_PIN_KEKS_MAX)
			return envelope_fail(e, ENVELOPE_E_LIMIT,
					     "volume %s: its slots name more than %d KEKs",
					     pin->uuid, ENVELOPE_PIN_KEKS_MAX);
		memcpy(pin->keks[pin->n_keks++], token->shares[i].kek, sizeof(pin->keks[0]));
	}
	return 0;
}

static int parse_keks(struct json_object *object, struct envelope_pin *pin)
{
	struct json_object *keks;
	size_t n;

	if (!json_object_object_get_ex(object, "keks", &keks) ||
	    !json_object_is_type(keks, json_type_array))
		return -EINVAL;
	n = json_object_array_length(keks);
	if (n < 1 || n > ENVELOPE_PIN_KEKS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		struct json_object *kek = json_object_array_get_idx(keks, i);

		if (!json_object_is_type(kek, json_type_string) ||
		    strlen(json_object_get_string(kek)) !=
			    (size_t)json_object_get_string_len(kek) ||
		    !envelope_kek_name_valid(json_object_get_string(kek)))
			return -EINVAL;
		snprintf(pin->keks[i], sizeof(pin->keks[i]), "%s", json_object_get_string(kek));
	}
	pin->n_keks = (unsigned int)n;
	return 0;
}

int envelope_pin_parse(const char *text, size_t size, struct envelope_pin *pin,
		       struct envelope_error *e)
{
	_cleanup_json_ struct json_object *object = envelope_json_parse(text, size);
	uint64_t format, threshold;
	char type[16];
	size_t n;

	memset(pin, 0, sizeof(*pin));
	if (!object || !envelope_json_members(object, members) ||
	    envelope_json_text(object, "type", type, sizeof(type)) < 0 ||
	    strcmp(type, "envelope-pin") ||
	    envelope_json_u64(object, "format", PIN_FORMAT, PIN_FORMAT, &format) < 0 ||
	    envelope_json_text(object, "uuid", pin->uuid, sizeof(pin->uuid)) < 0 ||
	    !envelope_uuid_valid(pin->uuid) ||
	    envelope_json_base64(object, "dek", pin->dek, sizeof(pin->dek), sizeof(pin->dek), &n) <
		    0 ||
	    envelope_json_u64(object, "threshold", 1, ENVELOPE_SHARES_MAX, &threshold) < 0 ||
	    parse_keks(object, pin) < 0 ||
	    envelope_json_text(object, "created", pin->created, sizeof(pin->created)) < 0 ||
	    !envelope_time_valid(pin->created))
		return envelope_fail(e, ENVELOPE_E_CONFIG, "not a pin of format %d", PIN_FORMAT);
	pin->threshold = (unsigned int)threshold;
	return 0;
}

static int damaged(struct envelope_error *e, const char *path, const char *why)
{
	envelope_fail(e, ENVELOPE_E_CONFIG, "%s: %s", path, why);
	return envelope_cure(e,
			     "restore the file from a backup; or remove it, and trust the volume "
			     "anew with --accept-new");
}

int envelope_pin_read(const char *directory, const char *uuid, struct envelope_pin *pin,
		      struct envelope_error *e)
{
	char path[PATH_MAX];
	char *text;
	size_t size;
	int r;

	path_of(path, sizeof(path), directory, uuid);
	r = envelope_file_read(path, PIN_LIMIT, &text, &size);
	if (r == -ENOENT)
		return envelope_fail(e, ENVELOPE_E_NOT_PINNED,
				     "volume %s: this host never trusted it", uuid);
	if (r < 0)
		return damaged(e, path, strerror(-r));
	r = envelope_pin_parse(text, size, pin, e);
	free(text);
	if (r < 0)
		return damaged(e, path, "not a pin, or damaged");
	if (strcmp(pin->uuid, uuid))
		return damaged(e, path, "the pin of another volume");
	return 0;
}

int envelope_pin_write(const char *directory, const struct envelope_pin *pin,
		       struct envelope_error *e)
{
	struct json_object *object = json_object_new_object();
	struct json_object *keks = json_object_new_array();
	char path[PATH_MAX];
	const char *text;
	int r;

	for (unsigned int i = 0; i < pin->n_keks; i++)
		json_object_array_add(keks, json_object_new_string(pin->keks[i]));
	json_object_object_add(object, "type", json_object_new_string("envelope-pin"));
	json_object_object_add(object, "format", json_object_new_int(PIN_FORMAT));
	json_object_object_add(object, "uuid", json_object_new_string(pin->uuid));
	envelope_json_add_base64(object, "dek", pin->dek, sizeof(pin->dek));
	json_object_object_add(object, "threshold", json_object_new_int((int)pin->threshold));
	json_object_object_add(object, "keks", keks);
	json_object_object_add(object, "created", json_object_new_string(pin->created));
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_NOSLASHESCAPE);
	path_of(path, sizeof(path), directory, pin->uuid);
	r = envelope_file_replace(path, text, strlen(text), 0600);
	json_object_put(object);
	if (r < 0)
		return envelope_fail_file(e, path, -r);
	return 0;
}

int envelope_pin_remove(const char *directory, const char *uuid, struct envelope_error *e)
{
	char path[PATH_MAX];
	int r;

	path_of(path, sizeof(path), directory, uuid);
	r = envelope_file_remove(path);
	if (r < 0)
		return envelope_fail_file(e, path, -r);
	return 0;
}

int envelope_pin_allows(const struct envelope_pin *pin, const struct envelope_token *token,
			struct envelope_error *e)
{
	if (token->threshold < pin->threshold)
		return envelope_fail(e, ENVELOPE_E_PIN_MISMATCH,
				     "volume %s: slot %u asks for %u shares, this host trusted %u",
				     pin->uuid, token->slot, token->threshold, pin->threshold);
	for (unsigned int i = 0; i < token->n_shares; i++)
		if (!names(pin, token->shares[i].kek))
			return envelope_fail(e, ENVELOPE_E_PIN_MISMATCH,
					     "volume %s: slot %u names KEK %s, which this host "
					     "never trusted for it",
					     pin->uuid, token->slot, token->shares[i].kek);
	return 0;
}

int envelope_pin_check(const struct envelope_pin *pin, const struct envelope_geometry *geometry,
		       const struct envelope_token *token, const uint8_t *dek,
		       struct envelope_error *e)
{
	uint8_t digest[ENVELOPE_HASH_BYTES];
	int r = digest_of(geometry, dek, digest, e);

	if (r < 0)
		return r;
	if (!envelope_secret_equal(digest, pin->dek, sizeof(digest)))
		return envelope_fail(
			e, ENVELOPE_E_PIN_MISMATCH,
			"volume %s: its data key is not the one this host trusted on %s", pin->uuid,
			pin->created);
	return envelope_pin_allows(pin, token, e);
}
