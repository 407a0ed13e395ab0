/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a provider of key-encryption keys implements. It runs in a worker process
 * of its own, one for each KEK in use, and never in envelope-keyd.
 */
#ifndef ENVELOPE_PROVIDER_H
#define ENVELOPE_PROVIDER_H

#include <stdbool.h>

#include "error.h"
#include "kek-config.h"
#include "secret.h"
#include "token.h"
#include "worker-protocol.h"

struct envelope_provider_key; /* an opened KEK, the provider's own */

/** struct envelope_wrapped - a share as a provider wrapped it */
struct envelope_wrapped {
	char version[ENVELOPE_KEK_VERSION_MAX + 1];
	char algorithm[ENVELOPE_ALGORITHM_MAX + 1];
	uint8_t data[ENVELOPE_WRAPPED_MAX];
	size_t size;
};

/**
 * struct envelope_kek_version - what a provider tells of one version
 *
 * Times are as envelope_time_now() writes them; empty where the provider has none.
 */
struct envelope_kek_version {
	char version[ENVELOPE_KEK_VERSION_MAX + 1];
	char created[ENVELOPE_TIME_TEXT + 1];
	char not_before[ENVELOPE_TIME_TEXT + 1];
	char expires[ENVELOPE_TIME_TEXT + 1];
	enum envelope_provider_state state;
};

/**
 * struct envelope_kek_attributes - what a provider tells of a KEK
 *
 * It comes zeroed: what a provider does not know, it leaves so.
 */
struct envelope_kek_attributes {
	enum envelope_provider_state state; /* of the current version */
	unsigned int versions;
	struct envelope_kek_version current; /* the newest enabled, else the newest */
	enum envelope_recoverability recoverability;
	char date[ENVELOPE_TIME_TEXT + 1]; /* of the server's clock, by which it judges */
	int unbacked;			   /* no backup holds it as it is */
};

/**
 * struct envelope_provider - one kind of provider
 *
 * Every function returns 0 or a negative enum envelope_code with @e filled, the
 * KEK's name in the message.
 */
struct envelope_provider {
	const char *name; /* `provider=` in keks.d */
	int (*open)(const struct envelope_kek_config *config, struct envelope_provider_key **key,
		    struct envelope_error *e);
	int (*create)(struct envelope_provider_key *key, struct envelope_kek_version *version,
		      struct envelope_error *e);
	int (*rotate)(struct envelope_provider_key *key, struct envelope_kek_version *version,
		      struct envelope_error *e);
	/*
	 * @version: empty for all
	 * @changed: was one of them otherwise before?
	 *
	 * A provider where this is done by other means refuses: UNSUPPORTED, with these means.
	 */
	int (*set_enabled)(struct envelope_provider_key *key, const char *version, bool enabled,
			   bool *changed, struct envelope_error *e);
	int (*attributes)(struct envelope_provider_key *key, struct envelope_kek_attributes *out,
			  struct envelope_error *e);
	int (*version)(struct envelope_provider_key *key, unsigned int index,
		       struct envelope_kek_version *out, struct envelope_error *e);
	/* @share: ENVELOPE_SHARE_BYTES of locked memory; by the current version */
	int (*wrap)(struct envelope_provider_key *key, const uint8_t *share,
		    struct envelope_wrapped *out, struct envelope_error *e);
	/*
	 * @share: filled, ENVELOPE_SHARE_BYTES; wiped on failure
	 * @state: how the KEK stands, on failure too
	 */
	int (*unwrap)(struct envelope_provider_key *key, const struct envelope_wrapped *in,
		      uint8_t *share, enum envelope_provider_state *state,
		      struct envelope_error *e);
	void (*close)(struct envelope_provider_key *key);
};

extern const struct envelope_provider envelope_provider_service;

#endif
