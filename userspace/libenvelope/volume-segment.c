// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a LUKS2 header must say of its data, whoever wrote it, for the target to map it. What
 * libcryptsetup's functions do not tell, its JSON does.
 */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "volume-private.h"

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, name, &value);
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static int misfit(struct envelope_volume *volume, const char *why, struct envelope_error *e)
{
	envelope_fail(e, ENVELOPE_E_UNSUPPORTED, "%s: %s", volume->device, why);
	return envelope_cure(e,
			     "leave it to cryptsetup; if the header was edited, restore a backup "
			     "of it");
}

/* One piece of data, encrypted alike, to the end of the disk */
static int check_segments(struct envelope_volume *volume, struct json_object *segments,
			  struct envelope_error *e)
{
	struct json_object *flags;

	if (!json_object_is_type(segments, json_type_object) ||
	    json_object_object_length(segments) != 1)
		return misfit(volume, "its data lies in several segments", e);
	json_object_object_foreach (segments, number, segment) {
		(void)number;
		if (strcmp(text_of(segment, "type"), "crypt"))
			return misfit(volume, "its segment is no crypt segment", e);
		if (strcmp(text_of(segment, "size"), "dynamic"))
			return misfit(volume,
				      "its data has a fixed size, and need not end where "
				      "the disk ends",
				      e);
		if (strcmp(text_of(segment, "iv_tweak"), "0"))
			return misfit(volume, "its sectors are not counted from 0", e);
		if (json_object_object_get_ex(segment, "flags", &flags) &&
		    json_object_array_length(flags))
			return misfit(volume,
				      "its segment has flags that this version does not "
				      "know",
				      e);
	}
	return 0;
}

/* 0 where there is no key slot that tells */
static int check_key_size(struct envelope_volume *volume, struct envelope_error *e)
{
	int size = crypt_get_volume_key_size(volume->cd);
	char why[64];

	snprintf(why, sizeof(why), "its key has %d bytes; this version knows 32 and 64", size);
	if (size > 0 && size != ENVELOPE_DEK_MAX && size != ENVELOPE_DEK_MAX / 2)
		return misfit(volume, why, e);
	if (size > 0)
		volume->geometry.key_size = (unsigned int)size;
	return 0;
}

int envelope_volume_check_segment(struct envelope_volume *volume, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *metadata = NULL;
	struct json_object *segments = NULL;
	const char *text;
	int r = crypt_dump_json(volume->cd, &text, 0);

	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_HEADER_DAMAGED,
					      "reading its metadata", r);
	metadata = json_tokener_parse(text);
	json_object_object_get_ex(metadata, "segments", &segments);
	r = check_segments(volume, segments, e);
	return r < 0 ? r : check_key_size(volume, e);
}
