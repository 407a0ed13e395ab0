// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * envelope-provider, whose provider also says and does what it is told in a file "told" of its
 * key store, a word and perhaps a value on each line: what a provider elsewhere would.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "provider.h"

extern const struct envelope_provider __real_envelope_provider_service,
	__wrap_envelope_provider_service;

struct envelope_provider_key {
	struct envelope_kek_config config;
};

static sd_event *event;
static struct envelope_provider_key *the_key; /* a worker has one */

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

static int result;

static void on_service_done(struct envelope_provider_call *call, int r)
{
	result = r;
}

/* What the service says to it, which is done at once */
static int ask_service(envelope_provider_begin *begin, struct envelope_provider_key *key,
		       struct envelope_provider_call *call)
{
	void (*done)(struct envelope_provider_call * call, int r) = call->done;

	call->done = on_service_done;
	begin(key, call);
	call->done = done;
	return result;
}

/* Where it is told to read a file, it says how that went */
static int look(const struct envelope_provider_key *key, struct envelope_error *e)
{
	const char *path = told(key, "look");
	FILE *file = path ? fopen(path, "r") : NULL;

	if (!path)
		return 0;
	envelope_fail(e, ENVELOPE_E_KEK_REFUSED, "KEK %s: %s", key->config.name,
		      file ? "seen" : strerror(errno));
	if (file)
		fclose(file);
	return envelope_cure(e, "look elsewhere");
}

static void attributes(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	struct envelope_kek_attributes *out = &call->attributes;
	int r = denied(key, "attributes", &call->error);

	if (!r)
		r = look(key, &call->error);
	if (!r)
		r = ask_service(__real_envelope_provider_service.attributes, key, call);
	tell_version(key, &out->current);
	tell_time(key, "date", out->date);
	if (told(key, "state"))
		out->state = atoi(told(key, "state"));
	if (told(key, "recoverability"))
		out->recoverability = atoi(told(key, "recoverability"));
	call->done(call, r);
}

static int on_version(sd_event_source *source, uint64_t usec, void *data)
{
	struct envelope_provider_call *call = data;
	int r = ask_service(__real_envelope_provider_service.version, the_key, call);

	call->data = sd_event_source_disable_unref(call->data);
	tell_version(the_key, &call->found);
	call->done(call, r);
	return 0;
}

/* At once, or so many milliseconds later */
static void version(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	const char *ms = told(key, "slow-version");

	if (!ms)
		on_version(NULL, 0, call);
	else if (sd_event_add_time_relative(event, (sd_event_source **)&call->data, CLOCK_MONOTONIC,
					    strtoull(ms, NULL, 10) * 1000, 1, on_version, call) < 0)
		abort();
}

static void wrap(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	int r = denied(key, "wrap", &call->error);

	if (!r)
		r = ask_service(__real_envelope_provider_service.wrap, key, call);
	if (told(key, "nothing"))
		call->wrapped.size = 0;
	call->done(call, r);
}

/* 200 ms; a worker may not sleep */
static void idle(void)
{
	clock_t end = clock() + CLOCKS_PER_SEC / 5;

	while (clock() < end)
		;
}

/* In a file "unwraps" of its key store, where there is one: when, in milliseconds */
static void note_unwrap(const struct envelope_provider_key *key)
{
	char path[300];
	struct timespec now;
	FILE *file;

	snprintf(path, sizeof(path), "%s/unwraps", key->config.keystore);
	file = fopen(path, "r+");
	if (!file)
		return;
	clock_gettime(CLOCK_BOOTTIME, &now);
	if (!fseek(file, 0, SEEK_END))
		fprintf(file, "%lld\n", now.tv_sec * 1000LL + now.tv_nsec / 1000000);
	fclose(file);
}

/* What another provider would say of its key */
static int in_state(const struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	const char *state = told(key, "unwrap-state");

	if (!state)
		return 0;
	call->state = atoi(state);
	return envelope_fail(&call->error, ENVELOPE_E_KEK_UNAVAILABLE, "KEK %s: it was told so",
			     key->config.name);
}

static void unwrap(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	int r = denied(key, "unwrap", &call->error);

	note_unwrap(key);
	if (!r && in_state(key, call)) {
		call->done(call, -(int)call->error.code);
		return;
	}
	if (r) {
		call->state = ENVELOPE_PROVIDER_DENIED;
		call->done(call, r);
		return;
	}
	if (told(key, "die"))
		_exit(1);
	if (told(key, "hang-unwrap"))
		return; /* for ever, or until it is cancelled */
	if (told(key, "wait"))
		idle();
	r = ask_service(__real_envelope_provider_service.unwrap, key, call);
	if (!r && told(key, "lie"))
		call->share[0] ^= 1;
	call->done(call, r);
}

static int open_key(const struct envelope_kek_config *config, sd_event *loop,
		    struct envelope_provider_key **key, struct envelope_error *e)
{
	int r = __real_envelope_provider_service.open(config, loop, key, e);

	event = loop;
	the_key = r ? NULL : *key;
	return r;
}

static const char *directory(const struct envelope_kek_config *config)
{
	return __real_envelope_provider_service.directory(config);
}

static void create(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	__real_envelope_provider_service.create(key, call);
}

static void rotate(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	if (!told(key, "hang-rotate"))
		__real_envelope_provider_service.rotate(key, call);
}

static void set_enabled(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	if (told(key, "throttle-enable"))
		call->state = ENVELOPE_PROVIDER_THROTTLED;
	else
		__real_envelope_provider_service.set_enabled(key, call);
}

static void cancel(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	sd_event_source_disable_unref(call->data);
}

static void close_key(struct envelope_provider_key *key)
{
	__real_envelope_provider_service.close(key);
}

const struct envelope_provider __wrap_envelope_provider_service = {
	.name = "service",
	.open = open_key,
	.directory = directory,
	.create = create,
	.rotate = rotate,
	.set_enabled = set_enabled,
	.attributes = attributes,
	.version = version,
	.wrap = wrap,
	.unwrap = unwrap,
	.cancel = cancel,
	.close = close_key,
};
