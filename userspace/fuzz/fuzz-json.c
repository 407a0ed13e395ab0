// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);
	struct json_object *object = envelope_json_parse(text, size);

	require(!object || json_object_is_type(object, json_type_object));
	json_object_put(object);
	free(text);
	return 0;
}
