// SPDX-License-Identifier: GPL-2.0-or-later
#include "crypto.h"
#include "fuzz.h"

/* No value has two texts */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size), *again;
	uint8_t *out = malloc(size + 1);
	size_t n;

	require(out != NULL);
	if (envelope_base64_decode(text, out, size, &n) == 0) {
		require(n <= size);
		again = envelope_base64_encode(out, n);
		require(again != NULL && !strcmp(again, text));
		free(again);
	}
	free(out);
	free(text);
	return 0;
}
