// SPDX-License-Identifier: GPL-2.0-or-later
/* A slot token as text: the JSON that lies in the LUKS2 header. */
#include <ctype.h>
#include <string.h>

#include "json.h"
#include "token.h"

static const char *const token_members[] = { "type", "keyslots", "format",    "uuid",
					     "slot", "created",	 "threshold", "shares",
					     "salt", "nonce",	 "dek",	      NULL };
static const char *const share_members[] = { "index",	"kek",	      "version", "algorithm",
					     "wrapped", "commitment", NULL };

int envelope_kek_name_valid(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > ENVELOPE_KEK_NAME_MAX || *name == '.' || *name == '-')
		return 0;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return 0;
	return 1;
}

bool envelope_word_valid(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text >= 0x7f || *text == '"' || *text == '\\')
			return false;
	return true;
}

/* "2026-01-31T12:00:00Z" */
int envelope_time_valid(const char *text)
{
	static const char pattern[] = "dddd-dd-ddTdd:dd:ddZ";

	for (size_t i = 0; i < sizeof(pattern); i++)
		if (pattern[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != pattern[i])
			return 0;
	return 1;
}

int envelope_uuid_valid(const char *text)
{
	static const char pattern[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; i < sizeof(pattern); i++)
		if (pattern[i] == 'x' ? !strchr("0123456789abcdef", text[i]) || !text[i]
				      : text[i] != pattern[i])
			return 0;
	return 1;
}

static int bad(struct envelope_error *e, const char *member)
{
	return envelope_fail(e, ENVELOPE_E_TOKEN_INVALID,
			     "slot token: member \"%s\" is missing, malformed or out of range",
			     member);
}

static int parse_share(struct json_object *object, struct envelope_share *share,
		       struct envelope_error *e)
{
	uint64_t index;
	size_t size;

	if (!json_object_is_type(object, json_type_object) ||
	    !envelope_json_members(object, share_members))
		return bad(e, "shares");
	if (envelope_json_u64(object, "index", 1, 255, &index) < 0)
		return bad(e, "index");
	share->index = (unsigned int)index;
	if (envelope_json_text(object, "kek", share->kek, sizeof(share->kek)) < 0 ||
	    !envelope_kek_name_valid(share->kek))
		return bad(e, "kek");
	if (envelope_json_text(object, "version", share->version, sizeof(share->version)) < 0 ||
	    !envelope_word_valid(share->version))
		return bad(e, "version");
	if (envelope_json_text(object, "algorithm", share->algorithm, sizeof(share->algorithm)) <
		    0 ||
	    !envelope_word_valid(share->algorithm))
		return bad(e, "algorithm");
	if (envelope_json_base64(object, "wrapped", share->wrapped, 1, sizeof(share->wrapped),
				 &share->wrapped_size) < 0)
		return bad(e, "wrapped");
	if (envelope_json_base64(object, "commitment", share->commitment, sizeof(share->commitment),
				 sizeof(share->commitment), &size) < 0)
		return bad(e, "commitment");
	return 0;
}

static int parse_shares(struct json_object *object, struct envelope_token *token,
			struct envelope_error *e)
{
	struct json_object *shares;
	uint64_t threshold;
	size_t n;

	if (!json_object_object_get_ex(object, "shares", &shares) ||
	    !json_object_is_type(shares, json_type_array))
		return bad(e, "shares");
	n = json_object_array_length(shares);
	if (n < 1 || n > ENVELOPE_SHARES_MAX)
		return bad(e, "shares");
	token->n_shares = (unsigned int)n;
	if (envelope_json_u64(object, "threshold", 1, n, &threshold) < 0)
		return bad(e, "threshold");
	token->threshold = (unsigned int)threshold;
	for (size_t i = 0; i < n; i++) {
		int r = parse_share(json_object_array_get_idx(shares, i), &token->shares[i], e);

		if (r < 0)
			return r;
		for (size_t j = 0; j < i; j++)
			if (token->shares[i].index == token->shares[j].index)
				return bad(e, "index");
	}
	return 0;
}

static int parse_identity(struct json_object *object, struct envelope_token *token,
			  struct envelope_error *e)
{
	struct json_object *keyslots;
	char type[16];
	uint64_t slot;

	if (envelope_json_text(object, "type", type, sizeof(type)) < 0 || strcmp(type, "envelope"))
		return bad(e, "type");
	if (!json_object_object_get_ex(object, "keyslots", &keyslots) ||
	    !json_object_is_type(keyslots, json_type_array) || json_object_array_length(keyslots))
		return bad(e, "keyslots");
	if (envelope_json_text(object, "uuid", token->uuid, sizeof(token->uuid)) < 0 ||
	    !envelope_uuid_valid(token->uuid))
		return bad(e, "uuid");
	if (envelope_json_u64(object, "slot", 0, ENVELOPE_SLOTS_MAX - 1, &slot) < 0)
		return bad(e, "slot");
	token->slot = (unsigned int)slot;
	if (envelope_json_text(object, "created", token->created, sizeof(token->created)) < 0 ||
	    !envelope_time_valid(token->created))
		return bad(e, "created");
	return 0;
}

static int parse_seal(struct json_object *object, struct envelope_token *token,
		      struct envelope_error *e)
{
	size_t size;

	if (envelope_json_base64(object, "salt", token->salt, sizeof(token->salt),
				 sizeof(token->salt), &size) < 0)
		return bad(e, "salt");
	if (envelope_json_base64(object, "nonce", token->nonce, sizeof(token->nonce),
				 sizeof(token->nonce), &size) < 0)
		return bad(e, "nonce");
	if (envelope_json_base64(object, "dek", token->dek, 32 + ENVELOPE_TAG_BYTES,
				 sizeof(token->dek), &token->dek_size) < 0 ||
	    (token->dek_size != 32 + ENVELOPE_TAG_BYTES && token->dek_size != sizeof(token->dek)))
		return bad(e, "dek");
	return 0;
}

int envelope_token_parse(const char *text, size_t size, struct envelope_token *token,
			 struct envelope_error *e)
{
	_cleanup_json_ struct json_object *object = NULL;
	uint64_t format;
	int r;

	memset(token, 0, sizeof(*token));
	if (size > ENVELOPE_TOKEN_TEXT_MAX)
		return envelope_fail(e, ENVELOPE_E_TOKEN_INVALID,
				     "slot token: longer than %d bytes", ENVELOPE_TOKEN_TEXT_MAX);
	object = envelope_json_parse(text, size);
	if (!object)
		return envelope_fail(e, ENVELOPE_E_TOKEN_INVALID, "slot token: not a JSON object");
	if (envelope_json_u64(object, "format", 1, UINT32_MAX, &format) < 0)
		return bad(e, "format");
	if (format > ENVELOPE_TOKEN_FORMAT)
		return envelope_fail(e, ENVELOPE_E_UNSUPPORTED,
				     "slot token: format %u; this version knows %u",
				     (unsigned int)format, ENVELOPE_TOKEN_FORMAT);
	if (!envelope_json_members(object, token_members))
		return envelope_fail(e, ENVELOPE_E_TOKEN_INVALID,
				     "slot token: a member is missing or unknown");
	r = parse_identity(object, token, e);
	if (r == 0)
		r = parse_shares(object, token, e);
	if (r == 0)
		r = parse_seal(object, token, e);
	return r;
}

static struct json_object *format_share(const struct envelope_share *share)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "index", json_object_new_int((int)share->index));
	json_object_object_add(object, "kek", json_object_new_string(share->kek));
	json_object_object_add(object, "version", json_object_new_string(share->version));
	json_object_object_add(object, "algorithm", json_object_new_string(share->algorithm));
	envelope_json_add_base64(object, "wrapped", share->wrapped, share->wrapped_size);
	envelope_json_add_base64(object, "commitment", share->commitment,
				 sizeof(share->commitment));
	return object;
}

char *envelope_token_format(const struct envelope_token *token)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	struct json_object *shares = json_object_new_array();

	for (unsigned int i = 0; i < token->n_shares; i++)
		json_object_array_add(shares, format_share(&token->shares[i]));
	json_object_object_add(object, "type", json_object_new_string("envelope"));
	json_object_object_add(object, "keyslots", json_object_new_array());
	json_object_object_add(object, "format", json_object_new_int(ENVELOPE_TOKEN_FORMAT));
	json_object_object_add(object, "uuid", json_object_new_string(token->uuid));
	json_object_object_add(object, "slot", json_object_new_int((int)token->slot));
	json_object_object_add(object, "created", json_object_new_string(token->created));
	json_object_object_add(object, "threshold", json_object_new_int((int)token->threshold));
	json_object_object_add(object, "shares", shares);
	envelope_json_add_base64(object, "salt", token->salt, sizeof(token->salt));
	envelope_json_add_base64(object, "nonce", token->nonce, sizeof(token->nonce));
	envelope_json_add_base64(object, "dek", token->dek, token->dek_size);
	return strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
}
