// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * envelope-provider, whose provider "service" does each call a little later, by a timer, as one
 * elsewhere would: so that the conformance suite meets calls that are under way. While there is a
 * file KEYSTORE.stalled, it does none.
 */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider.h"

#define LATER_USEC 3000 /* at most */

extern const struct envelope_provider __real_envelope_provider_service,
	__wrap_envelope_provider_service;

/* What is kept of a call */
struct deferred {
	struct envelope_provider_key *key;
	envelope_provider_begin *begin;
	sd_event_source *timer;
};

static sd_event *event;
static char stalled[PATH_MAX];

static void forget(struct envelope_provider_call *call)
{
	struct deferred *d = call->data;

	sd_event_source_disable_unref(d->timer);
	free(d);
}

static int on_time(sd_event_source *source, uint64_t usec, void *data)
{
	struct envelope_provider_call *call = data;
	const struct deferred d = *(struct deferred *)call->data;

	forget(call);
	d.begin(d.key, call);
	return 0;
}

static bool is_stalled(void)
{
	int fd = open(stalled, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void defer(envelope_provider_begin *begin, struct envelope_provider_key *key,
		  struct envelope_provider_call *call)
{
	struct deferred *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	*d = (struct deferred) { .key = key, .begin = begin };
	call->data = d;
	if (!is_stalled() &&
	    sd_event_add_time_relative(event, &d->timer, CLOCK_MONOTONIC,
				       (uint64_t)rand() % LATER_USEC, 1, on_time, call) < 0)
		abort();
}

#define DEFERRED(name)                                                                             \
	static void name(struct envelope_provider_key *key, struct envelope_provider_call *call)   \
	{                                                                                          \
		defer(__real_envelope_provider_service.name, key, call);                           \
	}

DEFERRED(create)
DEFERRED(rotate)
DEFERRED(set_enabled)
DEFERRED(attributes)
DEFERRED(version)
DEFERRED(wrap)
DEFERRED(unwrap)

static void cancel(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	forget(call);
}

static int open_key(const struct envelope_kek_config *config, sd_event *loop,
		    struct envelope_provider_key **key, struct envelope_error *e)
{
	event = loop;
	snprintf(stalled, sizeof(stalled), "%s.stalled", config->keystore);
	return __real_envelope_provider_service.open(config, loop, key, e);
}

/* The one above the key store, where the file may be */
static const char *directory(const struct envelope_kek_config *config)
{
	static char above[sizeof(config->keystore)];

	memcpy(above, config->keystore, sizeof(above));
	return dirname(above);
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
