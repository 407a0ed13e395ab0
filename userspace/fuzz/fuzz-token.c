// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "token.h"

/* What parses is printed and parses again to the same */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct envelope_token token, again;
	struct envelope_error e = { 0 };
	char *text;
	int r = envelope_token_parse((const char *)data, size, &token, &e);

	require(r == 0 || (r == -(int)e.code && *e.message));
	if (r < 0)
		return 0;
	text = envelope_token_format(&token);
	require(envelope_token_parse(text, strlen(text), &again, &e) == 0);
	require(!memcmp(&token, &again, sizeof(token)));
	free(text);
	return 0;
}
