// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "tab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope_error e = { 0 };
	struct envelope_tab tab;
	char *text = text_of(data, size);

	if (envelope_tab_parse(text, "tab", &tab, &e) == 0) {
		for (size_t i = 0; i < tab.n; i++)
			require(envelope_name_valid(tab.entries[i].name) && *tab.entries[i].device);
		envelope_tab_free(&tab);
	} else {
		require(e.code != ENVELOPE_OK);
	}
	free(text);
	return 0;
}
