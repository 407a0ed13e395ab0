/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict reading of small JSON objects over json-c. */
#ifndef ENVELOPE_JSON_H
#define ENVELOPE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_JSON_DEPTH 10

/**
 * envelope_json_parse() - one object, the whole text, nothing behind it
 *
 * Depth is limited, duplicate members and invalid UTF-8 are refused.
 * Return: the object, to be put by json_object_put(); NULL otherwise.
 */
struct json_object *envelope_json_parse(const char *text, size_t size);

/** envelope_json_members() - true when @object has exactly these members (NULL-terminated) */
bool envelope_json_members(struct json_object *object, const char *const *names);

/* Each returns 0, or -EINVAL where the member is missing, of another type or out of range. */
int envelope_json_text(struct json_object *object, const char *name, char *out, size_t room);
int envelope_json_u64(struct json_object *object, const char *name, uint64_t min, uint64_t max,
		      uint64_t *out);
int envelope_json_base64(struct json_object *object, const char *name, uint8_t *out, size_t min,
			 size_t max, size_t *size);

/** envelope_json_add_base64() - add a member that envelope_json_base64() reads */
void envelope_json_add_base64(struct json_object *object, const char *name, const uint8_t *data,
			      size_t size);

static inline void envelope_json_putp(struct json_object **object)
{
	json_object_put(*object);
}
#define _cleanup_json_ __attribute__((cleanup(envelope_json_putp)))

#endif
