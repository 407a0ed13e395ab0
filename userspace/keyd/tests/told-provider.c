// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * envelope-provider, whose provider also says and does what it is told in a file "told" of its
 * key store, a word and perhaps a value on each line: what a provider elsewhere would.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "provider.h"

extern const struct envelope_provider __real_envelope_provider_service,
	__wrap_envelope_provider_service;

struct envelope_provider_key {
	struct envelope_kek_config config;
};

/* The value of a word that it was told; NULL where it was not */
static const char *told(const struct envelope_provider_key *key, const char *word)
{
	static char value[64];
	char path[300], line[128], name[64];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/told", key->config.keystore);
	file = fopen(path, "r");
	while (file && !found && fgets(line, sizeof(line), file)) {
		*value = '\0';
		found = sscanf(line, "%63s %63s", name, value) > 0 && !strcmp(name, word);
	}
	if (file)
		fclose(file);
	return found ? value : NULL;
}

static void tell_time(const struct envelope_provider_key *key, const char *word,
		      char out[ENVELOPE_TIME_TEXT + 1])
{
	const char *value = told(key, word);

	if (value)
		snprintf(out, ENVELOPE_TIME_TEXT + 1, "%s", value);
}

static int denied(const struct envelope_provider_key *key, const char *what,
		  struct envelope_error *e)
{
	const char *rest = told(key, what);

	if (!rest)
		return 0;
	envelope_fail(e, ENVELOPE_E_KEK_REFUSED, "KEK %s: this host has no right to %s",
		      key->config.name, what);
	return envelope_cure(e, "ask for the right to %s", what);
}

static void tell_version(const struct envelope_provider_key *key, struct envelope_kek_version *out)
{
	tell_time(key, "not_before", out->not_before);
	tell_time(key, "expires", out->expires);
}

static int attributes(struct envelope_provider_key *key, struct envelope_kek_attributes *out,
		      struct envelope_error *e)
{
	int r = denied(key, "attributes", e);

	if (!r)
		r = __real_envelope_provider_service.attributes(key, out, e);
	if (r)
		return r;
	tell_version(key, &out->current);
	tell_time(key, "date", out->date);
	if (told(key, "state"))
		out->state = atoi(told(key, "state"));
	if (told(key, "recoverability"))
		out->recoverability = atoi(told(key, "recoverability"));
	return 0;
}

static int version(struct envelope_provider_key *key, unsigned int index,
		   struct envelope_kek_version *out, struct envelope_error *e)
{
	int r = __real_envelope_provider_service.version(key, index, out, e);

	if (!r)
		tell_version(key, out);
	return r;
}

static int wrap(struct envelope_provider_key *key, const uint8_t *share,
		struct envelope_wrapped *out, struct envelope_error *e)
{
	int r = denied(key, "wrap", e);

	if (!r)
		r = __real_envelope_provider_service.wrap(key, share, out, e);
	if (told(key, "nothing"))
		out->size = 0;
	return r;
}

/* 200 ms; a worker may not sleep */
static void idle(void)
{
	clock_t end = clock() + CLOCKS_PER_SEC / 5;

	while (clock() < end)
		;
}

static int unwrap(struct envelope_provider_key *key, const struct envelope_wrapped *in,
		  uint8_t *share, enum envelope_provider_state *state, struct envelope_error *e)
{
	int r = denied(key, "unwrap", e);

	if (r) {
		*state = ENVELOPE_PROVIDER_DENIED;
		return r;
	}
	if (told(key, "wait"))
		idle();
	r = __real_envelope_provider_service.unwrap(key, in, share, state, e);
	if (!r && told(key, "lie"))
		share[0] ^= 1;
	return r;
}

static int open_key(const struct envelope_kek_config *config, struct envelope_provider_key **key,
		    struct envelope_error *e)
{
	return __real_envelope_provider_service.open(config, key, e);
}

static int create(struct envelope_provider_key *key, struct envelope_kek_version *out,
		  struct envelope_error *e)
{
	return __real_envelope_provider_service.create(key, out, e);
}

static int rotate(struct envelope_provider_key *key, struct envelope_kek_version *out,
		  struct envelope_error *e)
{
	return __real_envelope_provider_service.rotate(key, out, e);
}

static int set_enabled(struct envelope_provider_key *key, const char *name, bool enabled,
		       bool *changed, struct envelope_error *e)
{
	return __real_envelope_provider_service.set_enabled(key, name, enabled, changed, e);
}

static void close_key(struct envelope_provider_key *key)
{
	__real_envelope_provider_service.close(key);
}

const struct envelope_provider __wrap_envelope_provider_service = {
	.name = "service",
	.open = open_key,
	.create = create,
	.rotate = rotate,
	.set_enabled = set_enabled,
	.attributes = attributes,
	.version = version,
	.wrap = wrap,
	.unwrap = unwrap,
	.close = close_key,
};
