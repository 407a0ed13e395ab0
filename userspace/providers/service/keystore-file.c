// SPDX-License-Identifier: GPL-2.0-or-later
/* One KEK as text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "keystore.h"

static const char *const kek_members[] = { "type",     "format", "name", "created",
					   "versions", "mac",	 NULL };
static const char *const version_members[] = { "version", "created", "state", "wrapped", NULL };

void keystore_kek_free(struct keystore_kek *kek)
{
	free(kek->versions);
	memset(kek, 0, sizeof(*kek));
}

static const char *state_name(const struct keystore_version *version)
{
	return version->enabled ? "enabled" : "disabled";
}

static int mac_of(const struct keystore_kek *kek, const uint8_t *mac_key,
		  uint8_t out[static ENVELOPE_HASH_BYTES])
{
	struct envelope_bytes b = { 0 };
	int r;

	envelope_bytes_lp_text(&b, "dm-envelope keystore v1");
	envelope_bytes_lp_text(&b, kek->name);
	envelope_bytes_lp_text(&b, kek->created);
	envelope_bytes_lp_u64(&b, kek->n_versions);
	for (size_t i = 0; i < kek->n_versions; i++) {
		const struct keystore_version *version = &kek->versions[i];

		envelope_bytes_lp_u64(&b, i + 1);
		envelope_bytes_lp_text(&b, version->created);
		envelope_bytes_lp_text(&b, state_name(version));
		envelope_bytes_lp(&b, version->wrapped, sizeof(version->wrapped));
	}
	r = b.failed ? b.failed : envelope_hmac(mac_key, 32, b.data, b.size, out);
	envelope_bytes_free(&b);
	return r;
}

static bool parse_version(struct json_object *object, size_t number,
			  struct keystore_version *version)
{
	uint64_t found;
	char state[16];
	size_t size;

	if (!json_object_is_type(object, json_type_object) ||
	    !envelope_json_members(object, version_members) ||
	    envelope_json_u64(object, "version", number, number, &found) < 0 ||
	    envelope_json_text(object, "created", version->created, sizeof(version->created)) < 0 ||
	    !envelope_time_valid(version->created) ||
	    envelope_json_text(object, "state", state, sizeof(state)) < 0 ||
	    envelope_json_base64(object, "wrapped", version->wrapped, sizeof(version->wrapped),
				 sizeof(version->wrapped), &size) < 0)
		return false;
	version->enabled = !strcmp(state, "enabled");
	return version->enabled || !strcmp(state, "disabled");
}

static int parse_versions(struct json_object *object, struct keystore_kek *kek, const char **why)
{
	struct json_object *versions;
	size_t n;

	*why = "\"versions\" is missing or out of range";
	if (!json_object_object_get_ex(object, "versions", &versions) ||
	    !json_object_is_type(versions, json_type_array))
		return -EINVAL;
	n = json_object_array_length(versions);
	if (n < 1 || n > KEYSTORE_VERSIONS_MAX)
		return -EINVAL;
	kek->versions = calloc(n, sizeof(*kek->versions));
	if (!kek->versions)
		return -EINVAL;
	kek->n_versions = n;
	*why = "a version is malformed, or they do not count up from 1";
	for (size_t i = 0; i < n; i++)
		if (!parse_version(json_object_array_get_idx(versions, i), i + 1,
				   &kek->versions[i]))
			return -EINVAL;
	return 0;
}

static int parse_kek(struct json_object *object, const uint8_t *mac_key, struct keystore_kek *kek,
		     const char **why)
{
	uint8_t mac[ENVELOPE_HASH_BYTES], expected[ENVELOPE_HASH_BYTES];
	uint64_t format;
	char type[16];
	size_t size;

	*why = "a member is missing, unknown or malformed";
	if (!envelope_json_members(object, kek_members) ||
	    envelope_json_text(object, "type", type, sizeof(type)) < 0 ||
	    strcmp(type, "envelope-kek") ||
	    envelope_json_text(object, "name", kek->name, sizeof(kek->name)) < 0 ||
	    !envelope_kek_name_valid(kek->name) ||
	    envelope_json_text(object, "created", kek->created, sizeof(kek->created)) < 0 ||
	    !envelope_time_valid(kek->created) ||
	    envelope_json_base64(object, "mac", mac, sizeof(mac), sizeof(mac), &size) < 0)
		return -EINVAL;
	*why = "its format is not one that this version knows";
	if (envelope_json_u64(object, "format", KEYSTORE_FORMAT, KEYSTORE_FORMAT, &format) < 0)
		return -EINVAL;
	if (parse_versions(object, kek, why) < 0)
		return -EINVAL;
	*why = "its MAC does not match: it was edited, or the root key is another";
	if (mac_key && (mac_of(kek, mac_key, expected) < 0 ||
			!envelope_secret_equal(mac, expected, sizeof(mac))))
		return -EINVAL;
	return 0;
}

int keystore_file_parse(const char *text, size_t size, const uint8_t *mac_key,
			struct keystore_kek *kek, const char **why)
{
	_cleanup_json_ struct json_object *object = NULL;
	int r;

	memset(kek, 0, sizeof(*kek));
	*why = "it is not a JSON object";
	object = envelope_json_parse(text, size);
	r = object ? parse_kek(object, mac_key, kek, why) : -EINVAL;
	if (r < 0)
		keystore_kek_free(kek);
	return r;
}

char *keystore_file_format(const struct keystore_kek *kek, const uint8_t *mac_key)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	struct json_object *versions = json_object_new_array();
	uint8_t mac[ENVELOPE_HASH_BYTES];

	if (mac_of(kek, mac_key, mac) < 0) {
		json_object_put(versions);
		return NULL;
	}
	for (size_t i = 0; i < kek->n_versions; i++) {
		const struct keystore_version *version = &kek->versions[i];
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "version", json_object_new_int((int)i + 1));
		json_object_object_add(one, "created", json_object_new_string(version->created));
		json_object_object_add(one, "state", json_object_new_string(state_name(version)));
		envelope_json_add_base64(one, "wrapped", version->wrapped,
					 sizeof(version->wrapped));
		json_object_array_add(versions, one);
	}
	json_object_object_add(object, "type", json_object_new_string("envelope-kek"));
	json_object_object_add(object, "format", json_object_new_int(KEYSTORE_FORMAT));
	json_object_object_add(object, "name", json_object_new_string(kek->name));
	json_object_object_add(object, "created", json_object_new_string(kek->created));
	json_object_object_add(object, "versions", versions);
	envelope_json_add_base64(object, "mac", mac, sizeof(mac));
	return strdup(json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}
