// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The provider "service": KEKs in a key store on this machine, the default where
 * nobody configured another.
 *
 * The store is read anew at every call: what changed on disk counts at once, and no
 * KEK stays in memory between calls. Each call is done when the function that begins it returns.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keystore.h"
#include "provider.h"

#define ALGORITHM   "A256KWP"
#define MAY_BE_USED "if it may be used again: envelopectl kek enable "

struct envelope_provider_key {
	struct envelope_kek_config config;
};

static int service_open(const struct envelope_kek_config *config, sd_event *event,
			struct envelope_provider_key **key, struct envelope_error *e)
{
	*key = calloc(1, sizeof(**key));
	if (!*key)
		return envelope_fail(e, ENVELOPE_E_FAILED, "KEK %s: out of memory", config->name);
	(*key)->config = *config;
	return 0;
}

static const char *service_directory(const struct envelope_kek_config *config)
{
	return config->keystore;
}

static void service_close(struct envelope_provider_key *key)
{
	free(key);
}

static int load(struct envelope_provider_key *key, struct keystore *store, struct keystore_kek *kek,
		struct envelope_error *e)
{
	int r = keystore_open(store, key->config.keystore, false, e);

	if (r < 0)
		return r;
	r = keystore_load(store, key->config.name, kek, e);
	if (r < 0)
		keystore_close(store);
	return r;
}

static void unload(struct keystore *store, struct keystore_kek *kek)
{
	keystore_kek_free(kek);
	keystore_close(store);
}

static void describe(const struct keystore_kek *kek, size_t index, struct envelope_kek_version *out)
{
	const struct keystore_version *version = &kek->versions[index];

	snprintf(out->version, sizeof(out->version), "%zu", index + 1);
	memcpy(out->created, version->created, sizeof(out->created));
	out->state = version->enabled ? ENVELOPE_PROVIDER_OK : ENVELOPE_PROVIDER_DISABLED;
}

/* The KEK to change: the one there is; or a new one, where there is none yet */
static int find_or_begin(struct envelope_provider_key *key, const struct keystore *store,
			 bool create, struct keystore_kek *kek, struct envelope_error *e)
{
	int r = keystore_load(store, key->config.name, kek, e);

	if (!create)
		return r;
	if (r == 0)
		return envelope_fail(e, ENVELOPE_E_EXISTS, "KEK %s: there is one already",
				     key->config.name);
	if (r != -ENVELOPE_E_KEK_NOT_FOUND)
		return r;
	memcpy(kek->name, key->config.name, sizeof(kek->name));
	envelope_time_now(kek->created);
	return 0;
}

static void end_change(struct keystore *store, struct keystore_kek *kek, int lock)
{
	if (lock >= 0)
		close(lock);
	unload(store, kek);
}

/* Return: what end_change() takes; or an error */
static int begin_change(struct envelope_provider_key *key, bool create, struct keystore *store,
			struct keystore_kek *kek, struct envelope_error *e)
{
	int lock, r = keystore_open(store, key->config.keystore, create, e);

	if (r < 0)
		return r;
	memset(kek, 0, sizeof(*kek));
	lock = keystore_lock(store, e);
	r = lock < 0 ? lock : find_or_begin(key, store, create, kek, e);
	if (r < 0)
		end_change(store, kek, lock);
	return r < 0 ? r : lock;
}

static int add_version(struct envelope_provider_key *key, bool create,
		       struct envelope_kek_version *version, struct envelope_error *e)
{
	struct keystore_kek kek;
	struct keystore store;
	int r, lock = begin_change(key, create, &store, &kek, e);

	if (lock < 0)
		return lock;
	r = keystore_add_version(&store, &kek, e);
	if (r == 0)
		describe(&kek, kek.n_versions - 1, version);
	end_change(&store, &kek, lock);
	return r;
}

/* The index of a version by its name; -1 where this KEK has none such */
static ssize_t find_version(const struct keystore_kek *kek, const char *version)
{
	char name[24];

	for (size_t i = 0; i < kek->n_versions; i++) {
		snprintf(name, sizeof(name), "%zu", i + 1);
		if (!strcmp(name, version))
			return (ssize_t)i;
	}
	return -1;
}

/* Those named: one version, or all where @version is empty */
static int set_versions(const struct keystore *store, struct keystore_kek *kek, const char *version,
			bool enabled, bool *changed, struct envelope_error *e)
{
	ssize_t index = find_version(kek, version);

	if (!*version)
		return keystore_set_enabled(store, kek, 0, kek->n_versions, enabled, changed, e);
	if (index >= 0)
		return keystore_set_enabled(store, kek, (size_t)index, 1, enabled, changed, e);
	envelope_fail(e, ENVELOPE_E_KEK_NOT_FOUND,
		      "KEK %s: it has no version %.40s: its newest is %zu", kek->name, version,
		      kek->n_versions);
	return envelope_cure(e, "see which it has: envelopectl kek show %s", kek->name);
}

static int set_enabled(struct envelope_provider_key *key, const char *version, bool enabled,
		       bool *changed, struct envelope_error *e)
{
	struct keystore_kek kek;
	struct keystore store;
	int r, lock = begin_change(key, false, &store, &kek, e);

	if (lock < 0)
		return lock;
	r = set_versions(&store, &kek, version, enabled, changed, e);
	end_change(&store, &kek, lock);
	return r;
}

/* The index of the newest version that is enabled, by which shares are wrapped; -1: none is */
static ssize_t find_current(const struct keystore_kek *kek)
{
	ssize_t i = (ssize_t)kek->n_versions - 1;

	while (i >= 0 && !kek->versions[i].enabled)
		i--;
	return i;
}

static int tell_attributes(struct envelope_provider_key *key, struct envelope_kek_attributes *out,
			   struct envelope_error *e)
{
	struct keystore store;
	struct keystore_kek kek;
	int r = load(key, &store, &kek, e);
	ssize_t current;

	if (r < 0)
		return r;
	current = find_current(&kek);
	out->versions = (unsigned int)kek.n_versions;
	describe(&kek, current < 0 ? kek.n_versions - 1 : (size_t)current, &out->current);
	out->state = out->current.state;
	out->unbacked = keystore_unbacked(&store, key->config.name);
	unload(&store, &kek);
	return 0;
}

static int tell_version(struct envelope_provider_key *key, unsigned int index,
			struct envelope_kek_version *out, struct envelope_error *e)
{
	struct keystore store;
	struct keystore_kek kek;
	int r = load(key, &store, &kek, e);

	if (r < 0)
		return r;
	if (index < kek.n_versions)
		describe(&kek, index, out);
	else
		r = envelope_fail(e, ENVELOPE_E_KEK_NOT_FOUND, "KEK %s: it has no version %u",
				  key->config.name, index + 1);
	unload(&store, &kek);
	return r;
}

static int wrap_share(struct envelope_provider_key *key, const struct keystore *store,
		      const struct keystore_kek *kek, const uint8_t *share,
		      struct envelope_wrapped *out, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *plain = envelope_secret_alloc(KEYSTORE_KEK_BYTES);
	ssize_t current = find_current(kek);
	int r;

	if (current < 0) {
		envelope_fail(e, ENVELOPE_E_KEK_REFUSED, "KEK %s: every version is disabled",
			      key->config.name);
		return envelope_cure(e, MAY_BE_USED "%s", key->config.name);
	}
	if (!plain)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "key store: no locked memory");
	r = keystore_unwrap_version(store, kek, (size_t)current, plain, e);
	if (r < 0)
		return r;
	snprintf(out->version, sizeof(out->version), "%zd", current + 1);
	snprintf(out->algorithm, sizeof(out->algorithm), ALGORITHM);
	if (envelope_kwp_wrap(plain, share, ENVELOPE_SHARE_BYTES, out->data, &out->size) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "KEK %s: wrapping failed in OpenSSL",
				     key->config.name);
	return 0;
}

static int wrap(struct envelope_provider_key *key, const uint8_t *share,
		struct envelope_wrapped *out, struct envelope_error *e)
{
	struct keystore store;
	struct keystore_kek kek;
	int r = load(key, &store, &kek, e);

	if (r < 0)
		return r;
	r = wrap_share(key, &store, &kek, share, out, e);
	unload(&store, &kek);
	return r;
}

static int unwrap_share(struct envelope_provider_key *key, const struct keystore *store,
			const struct keystore_kek *kek, const struct envelope_wrapped *in,
			uint8_t *share, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(KEYSTORE_KEK_BYTES + 64);
	uint8_t *plain = secret ? secret + KEYSTORE_KEK_BYTES : NULL;
	ssize_t index = find_version(kek, in->version);
	size_t size;
	int r;

	if (index < 0)
		return envelope_fail(e, ENVELOPE_E_KEK_NOT_FOUND,
				     "KEK %s: the key store has no version %.40s", key->config.name,
				     in->version);
	if (!kek->versions[index].enabled) {
		envelope_fail(e, ENVELOPE_E_KEK_REFUSED, "KEK %s: version %s is disabled",
			      key->config.name, in->version);
		return envelope_cure(e, MAY_BE_USED "%s %s", key->config.name, in->version);
	}
	if (strcmp(in->algorithm, ALGORITHM) || in->size != KEYSTORE_WRAPPED)
		return envelope_fail(e, ENVELOPE_E_SEAL_BROKEN,
				     "KEK %s: a share that this provider did not wrap",
				     key->config.name);
	if (!secret)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "key store: no locked memory");
	r = keystore_unwrap_version(store, kek, (size_t)index, secret, e);
	if (r < 0)
		return r;
	if (envelope_kwp_unwrap(secret, in->data, in->size, plain, &size) < 0 ||
	    size != ENVELOPE_SHARE_BYTES) {
		envelope_fail(e, ENVELOPE_E_SEAL_BROKEN,
			      "KEK %s: version %s did not wrap this share", key->config.name,
			      in->version);
		return envelope_cure(
			e,
			"the key store may be another than the one the disk was sealed "
			"with: restore %.200s from its backup",
			key->config.keystore);
	}
	envelope_secret_copy(share, plain, ENVELOPE_SHARE_BYTES);
	return 0;
}

static enum envelope_provider_state state_after(int r)
{
	switch (-r) {
	case ENVELOPE_OK:
	case ENVELOPE_E_SEAL_BROKEN: /* of the share, not of the KEK */
		return ENVELOPE_PROVIDER_OK;
	case ENVELOPE_E_KEK_REFUSED:
		return ENVELOPE_PROVIDER_DISABLED;
	case ENVELOPE_E_KEK_NOT_FOUND:
		return ENVELOPE_PROVIDER_DELETED;
	default: /* damage and want of memory can be mended: nobody forbade anything */
		return ENVELOPE_PROVIDER_UNREACHABLE;
	}
}

static int unwrap(struct envelope_provider_key *key, const struct envelope_wrapped *in,
		  uint8_t *share, enum envelope_provider_state *state, struct envelope_error *e)
{
	struct keystore_kek kek = { 0 };
	struct keystore store;
	int r = keystore_open(&store, key->config.keystore, false, e);

	/* A whole store that is away may be no more than not mounted yet */
	*state = ENVELOPE_PROVIDER_UNREACHABLE;
	if (r < 0)
		return r;
	r = keystore_load(&store, key->config.name, &kek, e);
	if (r == 0)
		r = unwrap_share(key, &store, &kek, in, share, e);
	*state = state_after(r);
	unload(&store, &kek);
	return r;
}

static void service_create(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	call->done(call, add_version(key, true, &call->found, &call->error));
}

static void service_rotate(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	call->done(call, add_version(key, false, &call->found, &call->error));
}

static void service_set_enabled(struct envelope_provider_key *key,
				struct envelope_provider_call *call)
{
	call->done(call,
		   set_enabled(key, call->version, call->enabled, &call->changed, &call->error));
}

static void service_attributes(struct envelope_provider_key *key,
			       struct envelope_provider_call *call)
{
	call->done(call, tell_attributes(key, &call->attributes, &call->error));
}

static void service_version(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	call->done(call, tell_version(key, call->index, &call->found, &call->error));
}

static void service_wrap(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	call->done(call, wrap(key, call->share, &call->wrapped, &call->error));
}

static void service_unwrap(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	call->done(call, unwrap(key, &call->wrapped, call->share, &call->state, &call->error));
}

const struct envelope_provider envelope_provider_service = {
	.name = "service",
	.open = service_open,
	.directory = service_directory,
	.create = service_create,
	.rotate = service_rotate,
	.set_enabled = service_set_enabled,
	.attributes = service_attributes,
	.version = service_version,
	.wrap = service_wrap,
	.unwrap = service_unwrap,
	.close = service_close,
};
