// SPDX-License-Identifier: GPL-2.0-or-later
/* How much a header holds: so many tokens, and so many bytes of JSON. */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "volume-private.h"

#define BINARY_HEADER 4096 /* bytes of a copy that are no JSON */
#define SLACK	      64   /* what a token has around it, and a comma */

/* Bytes of the metadata as libcryptsetup writes it; 0 where it does not tell */
static size_t json_size(struct envelope_volume *volume)
{
	_cleanup_json_ struct json_object *object = NULL;
	const char *text;

	if (crypt_dump_json(volume->cd, &text, 0) < 0)
		return 0;
	object = json_tokener_parse(text);
	return object ? strlen(json_object_to_json_string_ext(object,
							      JSON_C_TO_STRING_NOSLASHESCAPE))
		      : 0;
}

/* Free token numbers, whoever has the others; @largest: bytes of the largest token */
static int free_tokens(struct envelope_volume *volume, size_t *largest)
{
	int n = 0;

	for (int id = 0; id < crypt_token_max(CRYPT_LUKS2); id++) {
		const char *text;

		if (crypt_token_status(volume->cd, id, NULL) == CRYPT_TOKEN_INACTIVE)
			n++;
		else if (crypt_token_json_get(volume->cd, id, &text) >= 0 &&
			 strlen(text) > *largest)
			*largest = strlen(text);
	}
	return n;
}

int envelope_volume_check_room(struct envelope_volume *volume, const struct envelope_token *token,
			       struct envelope_error *e)
{
	char *text = envelope_token_format(token);
	size_t used = json_size(volume), size = text ? strlen(text) : 0, largest = size;
	int tokens = free_tokens(volume, &largest);
	uint64_t metadata, keyslots;

	free(text);
	if (!used || !size)
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: out of memory", volume->device);
	envelope_volume_areas(volume, &metadata, &keyslots);
	if (tokens < 2 || used + size + largest + 2 * SLACK + BINARY_HEADER > metadata) {
		envelope_fail(e, ENVELOPE_E_LIMIT, "%s: its header has no room for another slot",
			      volume->device);
		return envelope_cure(e, "remove one that is not needed: envelopectl slot remove %s",
				     volume->device);
	}
	return 0;
}
