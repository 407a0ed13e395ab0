// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "recovery.h"

/* What is taken for a key is printed as the same letters */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[ENVELOPE_RECOVERY_TEXT + 1], *typed = text_of(data, size);
	uint8_t key[ENVELOPE_RECOVERY_BYTES], again[ENVELOPE_RECOVERY_BYTES];
	struct envelope_error e = {};

	if (envelope_recovery_parse(typed, size, key, &e) == 0) {
		require(envelope_recovery_text(key, text) == 0);
		require(envelope_recovery_parse(text, strlen(text), again, &e) == 0);
		require(!memcmp(key, again, sizeof(key)));
	}
	free(typed);
	return 0;
}
