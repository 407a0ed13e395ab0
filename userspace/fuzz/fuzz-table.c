// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "table.h"

/* Table and status lines as a kernel might print them; what is written again is the same */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct table table = { .name = "fuzz",
			       .length = 2048,
			       .uuid = "7c0b6a1e-52a7-4e0e-9d0a-6f3a4f9f2b11" };
	char uuid[ENVELOPE_UUID_TEXT + 1];
	struct table again = table;
	struct table_status status;
	char line[TABLE_LINE_MAX];
	char *text = text_of(data, size);

	if (table_parse(text, &table) == 0 && table_format(&table, line, sizeof(line)) == 0)
		require(table_parse(line, &again) == 0 &&
			!strcmp(again.key_check, table.key_check));
	table_status_parse(text, &status);
	if (table_volume_uuid(text, uuid))
		require(strlen(uuid) == ENVELOPE_UUID_TEXT);
	free(text);
	return 0;
}
