// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include "json.h"
#include "token.h"

static const struct envelope_geometry geometry = {
	.uuid = "7c0b6a1e-52a7-4e0e-9d0a-6f3a4f9f2b11",
	.key_size = 64,
	.sector_size = 4096,
	.data_offset = 32 << 20,
};

struct sealed {
	struct envelope_token token;
	uint8_t *secret;
	uint8_t *dek;
};

/* A slot of two shares, so that every field of every share is covered */
static void make(struct sealed *s, struct envelope_error *out)
{
	struct envelope_error e = { 0 };

	s->secret = envelope_secret_alloc(32);
	s->dek = envelope_secret_alloc(64);
	envelope_random(s->dek, 64);
	assert_good(envelope_token_begin(&s->token, &geometry, 3, 1, s->secret, &e));
	s->token.n_shares = 2;
	for (unsigned int i = 0; i < 2; i++) {
		struct envelope_share *share = &s->token.shares[i];

		share->index = i + 1;
		snprintf(share->kek, sizeof(share->kek), "kek-%u", i);
		strcpy(share->version, "12");
		strcpy(share->algorithm, "A256KWP");
		share->wrapped_size = 40;
		envelope_random(share->wrapped, 40);
		assert_good(envelope_token_commit(&s->token, i, s->secret, &e));
	}
	assert_good(envelope_token_seal(&s->token, &geometry, s->secret, s->dek, &e));
	*out = e;
}

static void drop(struct sealed *s)
{
	envelope_secret_free(s->secret);
	envelope_secret_free(s->dek);
}

/* A share tells nothing of the secret: what it hides in is other random numbers for each slot */
static void test_begin(void **state)
{
	uint8_t first[3 * ENVELOPE_SHARE_BYTES] = {}, second[3 * ENVELOPE_SHARE_BYTES] = {};
	struct envelope_token token, other;
	struct envelope_error e = { 0 };

	assert_good(envelope_token_begin(&token, &geometry, 3, 3, first, &e));
	assert_good(envelope_token_begin(&other, &geometry, 3, 3, second, &e));
	assert_int_equal(token.threshold, 3);
	assert_memory_not_equal(token.salt, other.salt, sizeof(token.salt));
	assert_memory_not_equal(token.nonce, other.nonce, sizeof(token.nonce));
	for (int i = 0; i < 3; i++) {
		const uint8_t *term = first + i * ENVELOPE_SHARE_BYTES;

		assert_memory_not_equal(term, second + i * ENVELOPE_SHARE_BYTES,
					ENVELOPE_SHARE_BYTES);
		assert_memory_not_equal(term, first + (i + 1) % 3 * ENVELOPE_SHARE_BYTES,
					ENVELOPE_SHARE_BYTES);
	}
}

static void test_round_trip(void **state)
{
	_cleanup_secret_ uint8_t *dek = envelope_secret_alloc(64);
	struct envelope_error e = { 0 };
	struct envelope_token back;
	struct sealed s;
	char *text, *again;

	make(&s, &e);
	text = envelope_token_format(&s.token);
	assert_good(envelope_token_parse(text, strlen(text), &back, &e));
	again = envelope_token_format(&back);
	assert_string_equal(text, again);
	assert_true(envelope_token_committed(&back, 1, s.secret));
	assert_good(envelope_token_open(&back, &geometry, s.secret, dek, &e));
	assert_memory_equal(dek, s.dek, 64);
	s.secret[0] ^= 1;
	assert_false(envelope_token_committed(&back, 1, s.secret));
	assert_fails(SEAL_BROKEN, envelope_token_open(&back, &geometry, s.secret, dek, &e));
	for (int i = 0; i < 64; i++)
		assert_int_equal(dek[i], 0);
	free(text);
	free(again);
	drop(&s);
}

/*
 * Of the secret 40 41 … 5f and the DEK 00 01 … 3f, made from the document by a few lines of
 * Python: what this format is must never change
 */
static const char known[] =
	"{\"type\":\"envelope\",\"keyslots\":[],\"format\":1,\"uuid\":\"7c0b6a1e-52a7-4e0e-"
	"9d0a-6f3a4f9f2b11\",\"slot\":5,\"created\":\"2026-01-31T12:00:00Z\",\"threshold\":"
	"1,\"shares\":[{\"index\":1,\"kek\":\"default\",\"version\":\"1\",\"algorithm\":\"A"
	"256KWP\",\"wrapped\":\"bRDvp+4wI0YJRcipiG5xATU9ZjNxAMX/K8sIv3kOniAuqijDHXIdhw==\","
	"\"commitment\":\"fJhgG/t65S4O+T/x7EhZJ6TUmV9Ab93tCVZETKB+jX4=\"},{\"index\":7,\"ke"
	"k\":\"customer.eu\",\"version\":\"v-2\",\"algorithm\":\"A256KWP\",\"wrapped\":\"di"
	"hPOkV8yR20m4t0EGTE/J0FIH8NidoHX3O67UJU/ptPDRQ1uDJ/PA==\",\"commitment\":\"8WtW/GNC"
	"ZPpNy1pq2LptJ8eodoU+7QVqpB2gRTTYGV8=\"}],\"salt\":\"gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZ"
	"aXmJmam5ydnp8=\",\"nonce\":\"sLGys7S1tre4ubq7\",\"dek\":\"AlTBHeq++lgVH4gDNlrmFegg"
	"qk9IJVzNonTxQdyG+9CYAIpBSdOCZ1neWK7MaDGMsGHZIZSyPBuVeTgyYdRgIeSnDnKNVHZygUwFnX8ncB"
	"Q=\"}";

static bool same_json(const char *a, const char *b)
{
	_cleanup_json_ struct json_object *x = json_tokener_parse(a), *y = json_tokener_parse(b);

	return json_object_equal(x, y);
}

static void test_known(void **state)
{
	_cleanup_secret_ uint8_t *dek = envelope_secret_alloc(64);
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	struct envelope_error e = { 0 };
	struct envelope_token token;
	char *text;

	for (uint8_t i = 0; i < ENVELOPE_SHARE_BYTES; i++)
		secret[i] = 0x40 + i;
	assert_good(envelope_token_parse(known, strlen(known), &token, &e));
	assert_int_equal(token.slot, 5);
	assert_true(envelope_token_committed(&token, 0, secret));
	assert_true(envelope_token_committed(&token, 1, secret));
	assert_good(envelope_token_open(&token, &geometry, secret, dek, &e));
	for (uint8_t i = 0; i < 64; i++)
		assert_int_equal(dek[i], i);
	memset(token.dek, 0, sizeof(token.dek));
	assert_good(envelope_token_seal(&token, &geometry, secret, dek, &e));
	text = envelope_token_format(&token);
	assert_true(same_json(text, known));
	free(text);
}

static void broken(const struct envelope_token *token, const struct envelope_geometry *of,
		   const struct sealed *s)
{
	_cleanup_secret_ uint8_t *dek = envelope_secret_alloc(64);
	struct envelope_error e = { 0 };

	assert_fails(SEAL_BROKEN, envelope_token_open(token, of, s->secret, dek, &e));
}

#define EDITED(change)                                                                             \
	do {                                                                                       \
		struct envelope_token t = s.token;                                                 \
		change;                                                                            \
		broken(&t, &geometry, &s);                                                         \
	} while (0)

#define OTHERWISE(change)                                                                          \
	do {                                                                                       \
		struct envelope_geometry g = geometry;                                             \
		change;                                                                            \
		broken(&s.token, &g, &s);                                                          \
	} while (0)

/* Everything in the token and of the volume is sealed: no field can be edited */
static void test_every_field_is_sealed(void **state)
{
	struct envelope_error e;
	struct sealed s;

	make(&s, &e);
	EDITED(t.uuid[0] ^= 1);
	EDITED(t.slot = 4);
	EDITED(t.created[3] ^= 1);
	EDITED(t.threshold = 2);
	EDITED(t.n_shares = 1);
	EDITED(t.shares[2] = t.shares[1]; t.n_shares = 3);
	EDITED(t.shares[0] = s.token.shares[1]; t.shares[1] = s.token.shares[0]);
	EDITED(t.salt[31] ^= 1);
	EDITED(t.nonce[0] ^= 1);
	EDITED(t.dek[0] ^= 1);
	EDITED(t.dek[79] ^= 1);
	EDITED(t.dek_size = 48);
	for (int i = 0; i < 2; i++) {
		EDITED(t.shares[i].index = 9);
		EDITED(t.shares[i].kek[4] = '7');
		EDITED(t.shares[i].version[0] = '2');
		EDITED(t.shares[i].algorithm[1] = '1');
		EDITED(t.shares[i].wrapped[39] ^= 1);
		EDITED(t.shares[i].wrapped_size = 39);
		EDITED(t.shares[i].commitment[0] ^= 1);
	}
	OTHERWISE(g.key_size = 32);
	OTHERWISE(g.sector_size = 512);
	OTHERWISE(g.data_offset = 64 << 20);
	drop(&s);
}

/* A member of the JSON replaced by another text, or taken away (NULL) */
static char *edited_text(const struct envelope_token *token, bool share, const char *name,
			 const char *value)
{
	char *text = envelope_token_format(token);
	struct json_object *object = json_tokener_parse(text), *in = object;
	char *result;

	free(text);
	if (share) {
		json_object_object_get_ex(object, "shares", &in);
		in = json_object_array_get_idx(in, 0);
	}
	json_object_object_del(in, name);
	if (value)
		json_object_object_add(in, name, json_tokener_parse(value));
	result = strdup(json_object_to_json_string(object));
	json_object_put(object);
	return result;
}

static const struct {
	bool share;
	const char *name, *value;
} malformed[] = {
	{ 0, "type", NULL },
	{ 0, "type", "\"luks2-keyring\"" },
	{ 0, "keyslots", "[\"0\"]" },
	{ 0, "keyslots", "{}" },
	{ 0, "format", NULL },
	{ 0, "format", "0" },
	{ 0, "format", "\"1\"" },
	{ 0, "uuid", "\"7C0B6A1E-52A7-4E0E-9D0A-6F3A4F9F2B11\"" },
	{ 0, "uuid", "\"7c0b6a1e\"" },
	{ 0, "uuid", "7" },
	{ 0, "slot", "31" },
	{ 0, "slot", "-1" },
	{ 0, "slot", "1.5" },
	{ 0, "created", "\"2026-01-31 12:00:00Z\"" },
	{ 0, "created", "\"\"" },
	{ 0, "threshold", "0" },
	{ 0, "threshold", "3" },
	{ 0, "shares", "[]" },
	{ 0, "shares", "[1]" },
	{ 0, "shares", "{}" },
	{ 0, "salt", "\"AAAA\"" },
	{ 0, "nonce", "\"AAAA\"" },
	{ 0, "dek", "\"AAAA\"" },
	{ 0, "dek", "\"not base64 at all\"" },
	{ 0, "more", "1" },
	{ 1, "index", "0" },
	{ 1, "index", "256" },
	{ 1, "index", "2" },
	{ 1, "kek", "\"../etc\"" },
	{ 1, "kek", "\"\"" },
	{ 1, "kek", "\".hidden\"" },
	{ 1, "version", "\"a b\"" },
	{ 1, "version", "\"\"" },
	{ 1, "algorithm", "\"A256KWP\\n\"" },
	{ 1, "algorithm", "\"a-name-of-more-than-thirty-two-letters\"" },
	{ 1, "wrapped", "\"\"" },
	{ 1, "commitment", "\"AAAA\"" },
	{ 1, "commitment", NULL },
	{ 1, "more", "1" },
};

static void test_malformed(void **state)
{
	struct envelope_error e;
	struct envelope_token token;
	struct sealed s;
	char *text;

	make(&s, &e);
	for (size_t i = 0; i < N(malformed); i++) {
		text = edited_text(&s.token, malformed[i].share, malformed[i].name,
				   malformed[i].value);
		print_message("# %s\n", malformed[i].name);
		assert_fails(TOKEN_INVALID, envelope_token_parse(text, strlen(text), &token, &e));
		free(text);
	}
	text = edited_text(&s.token, false, "format", "2");
	assert_fails(UNSUPPORTED, envelope_token_parse(text, strlen(text), &token, &e));
	free(text);
	text = envelope_token_format(&s.token);
	for (size_t n = 0; n < strlen(text); n += 7)
		assert_fails(TOKEN_INVALID, envelope_token_parse(text, n, &token, &e));
	free(text);
	text = calloc(1, ENVELOPE_TOKEN_TEXT_MAX + 2);
	memset(text, ' ', ENVELOPE_TOKEN_TEXT_MAX + 1);
	assert_fails(TOKEN_INVALID, envelope_token_parse(text, strlen(text), &token, &e));
	free(text);
	drop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin),	  cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_known),	  cmocka_unit_test(test_every_field_is_sealed),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
