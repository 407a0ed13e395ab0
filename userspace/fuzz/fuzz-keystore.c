// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "keystore.h"

/* Without the MAC, which would stop every input at the door */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keystore_kek kek;
	const char *why;
	char *text = text_of(data, size);

	if (keystore_file_parse(text, size, NULL, &kek, &why) == 0) {
		require(kek.n_versions >= 1 && kek.n_versions <= KEYSTORE_VERSIONS_MAX);
		require(envelope_kek_name_valid(kek.name));
		keystore_kek_free(&kek);
	} else {
		require(why != NULL);
	}
	free(text);
	return 0;
}
