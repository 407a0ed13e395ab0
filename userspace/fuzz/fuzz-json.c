// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "json.h"

/* What is taken is taken again when it is written out */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);
	struct json_object *object = envelope_json_parse(text, size);

	if (object) {
		const char *written = json_object_to_json_string(object);
		struct json_object *again = envelope_json_parse(written, strlen(written));

		require(json_object_is_type(object, json_type_object));
		require(again != NULL);
		json_object_put(again);
	}
	json_object_put(object);
	free(text);
	return 0;
}
