// SPDX-License-Identifier: GPL-2.0-or-later
#include "json.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"

/*
 * json-c keeps the last of two members of one name, and which one counts is the start of
 * many a forgery: an object must have as many members as its text has names.
 */
struct scan {
	const char *at;
	const char *end;
};

static void skip_string(struct scan *s)
{
	for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
		if (*s->at == '\\')
			s->at++;
	s->at++;
}

/* Names in the whole text: strings that a colon follows */
static size_t count_names(const char *text, size_t size)
{
	struct scan s = { text, text + size };
	size_t names = 0;

	while (s.at < s.end) {
		if (*s.at == '"') {
			skip_string(&s);
			while (s.at < s.end && strchr(" \t\r\n", *s.at))
				s.at++;
			names += s.at < s.end && *s.at == ':';
		} else {
			s.at++;
		}
	}
	return names;
}

static size_t count_members(struct json_object *value)
{
	size_t n = 0;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach (value, name, member) {
			(void)name;
			n += 1 + count_members(member);
		}
	} else if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			n += count_members(json_object_array_get_idx(value, i));
	}
	return n;
}

struct json_object *envelope_json_parse(const char *text, size_t size)
{
	struct json_tokener *tokener;
	struct json_object *object;
	bool good;

	if (size > INT_MAX || memchr(text, '\0', size))
		return NULL;
	tokener = json_tokener_new_ex(ENVELOPE_JSON_DEPTH);
	if (!tokener)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 |
						JSON_TOKENER_ALLOW_TRAILING_CHARS);
	object = json_tokener_parse_ex(tokener, text, (int)size);
	good = json_tokener_get_error(tokener) == json_tokener_success &&
	       json_object_is_type(object, json_type_object);
	for (size_t i = json_tokener_get_parse_end(tokener); good && i < size; i++)
		good = strchr(" \t\r\n", text[i]) != NULL;
	json_tokener_free(tokener);
	if (!good || count_members(object) != count_names(text, size)) {
		json_object_put(object);
		return NULL;
	}
	return object;
}

bool envelope_json_members(struct json_object *object, const char *const *names)
{
	int n = 0;

	for (; names[n]; n++)
		if (!json_object_object_get_ex(object, names[n], NULL))
			return false;
	return json_object_object_length(object) == n;
}

int envelope_json_text(struct json_object *object, const char *name, char *out, size_t room)
{
	struct json_object *value;
	size_t length;

	if (!json_object_object_get_ex(object, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return -EINVAL;
	length = (size_t)json_object_get_string_len(value);
	if (length >= room || strlen(json_object_get_string(value)) != length)
		return -EINVAL;
	memcpy(out, json_object_get_string(value), length + 1);
	return 0;
}

int envelope_json_u64(struct json_object *object, const char *name, uint64_t min, uint64_t max,
		      uint64_t *out)
{
	struct json_object *value;
	uint64_t number;

	if (!json_object_object_get_ex(object, name, &value) ||
	    !json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return -EINVAL;
	number = json_object_get_uint64(value);
	if (number < min || number > max)
		return -EINVAL;
	*out = number;
	return 0;
}

int envelope_json_base64(struct json_object *object, const char *name, uint8_t *out, size_t min,
			 size_t max, size_t *size)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(object, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return -EINVAL;
	text = json_object_get_string(value);
	if (strlen(text) != (size_t)json_object_get_string_len(value) ||
	    envelope_base64_decode(text, out, max, size) < 0 || *size < min)
		return -EINVAL;
	return 0;
}

void envelope_json_add_base64(struct json_object *object, const char *name, const uint8_t *data,
			      size_t size)
{
	char *text = envelope_base64_encode(data, size);

	json_object_object_add(object, name, text ? json_object_new_string(text) : NULL);
	free(text);
}
