// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * envelope-provider, whose provider waits, as one elsewhere would. What a call waits for is the
 * version that it is asked for:
 *
 *   now           nothing
 *   timer-MS      so many milliseconds
 *   fifo-NAME     a byte in the FIFO of this name in its key store
 *   never, patience  nothing that comes; the second one says that it is throttled
 *   block-MS      so many milliseconds, in which the worker does nothing else
 *
 * It wraps nothing. A share that it unwraps is the first byte of what was wrapped, again and again.
 * Version number COUNT_… of its KEK is what it counted. It exits with status 9 where it is closed
 * with a call under way.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "provider.h"
#include "waiting-provider.h"

/* A call under way */
struct wait {
	LIST_ENTRY(wait) link;
	struct envelope_provider_key *key;
	struct envelope_provider_call *call;
	sd_event_source *source;
	int fd; /* -1: none */
};

struct envelope_provider_key {
	const struct envelope_kek_config *config;
	sd_event *event;
	LIST_HEAD(, wait) waits;
	unsigned int counts[COUNTS];
	const uint8_t *shares[ENVELOPE_WORKER_CELLS]; /* where calls had theirs */
};

static void remember_share(struct envelope_provider_key *key, const uint8_t *share)
{
	unsigned int i = 0;

	while (i < ENVELOPE_WORKER_CELLS && key->shares[i] && key->shares[i] != share)
		i++;
	if (i == ENVELOPE_WORKER_CELLS)
		_exit(8);
	key->shares[i] = share;
}

static bool in_use(const struct envelope_provider_key *key, const uint8_t *share)
{
	const struct wait *w;

	LIST_FOREACH(w, &key->waits, link)
	if (w->call->share == share)
		return true;
	return false;
}

/* Shares of calls that are over, in which there is something still */
static unsigned int count_unwiped(const struct envelope_provider_key *key)
{
	static const uint8_t nothing[ENVELOPE_SHARE_BYTES];
	unsigned int n = 0;

	for (unsigned int i = 0; i < ENVELOPE_WORKER_CELLS && key->shares[i]; i++)
		n += !in_use(key, key->shares[i]) &&
		     memcmp(key->shares[i], nothing, sizeof(nothing)) != 0;
	return n;
}

static void forget(struct wait *w)
{
	LIST_REMOVE(w, link);
	sd_event_source_disable_unref(w->source);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

static void finish(struct wait *w)
{
	struct envelope_provider_call *call = w->call;

	w->key->counts[COUNT_DONE]++;
	forget(w);
	memset(call->share, call->wrapped.data[0], ENVELOPE_SHARE_BYTES);
	call->state = ENVELOPE_PROVIDER_OK;
	call->done(call, 0);
}

static int on_time(sd_event_source *source, uint64_t usec, void *data)
{
	finish(data);
	return 0;
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	finish(data);
	return 0;
}

static int wait_for_time(struct wait *w, uint64_t ms)
{
	return sd_event_add_time_relative(w->key->event, &w->source, CLOCK_MONOTONIC, ms * 1000, 1,
					  on_time, w);
}

static int wait_for_fifo(struct wait *w, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", w->key->config->keystore, name);
	w->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return sd_event_add_io(w->key->event, &w->source, w->fd, EPOLLIN, on_input, w);
}

/* Return: negative where it is told nonsense */
static int wait_for(struct wait *w, const char *what)
{
	unsigned int ms;

	if (sscanf(what, "block-%u", &ms) == 1)
		return poll(NULL, 0, (int)ms) + wait_for_time(w, 0);
	if (sscanf(what, "timer-%u", &ms) == 1)
		return wait_for_time(w, ms);
	if (!strncmp(what, "fifo-", 5))
		return wait_for_fifo(w, what);
	if (!strcmp(what, "patience"))
		w->call->state = ENVELOPE_PROVIDER_THROTTLED;
	else if (strcmp(what, "never"))
		return -1;
	return wait_for_time(w, 3600000);
}

static void begin(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	struct wait *w = calloc(1, sizeof(*w));

	if (!w)
		_exit(8);
	key->counts[COUNT_BEGUN]++;
	remember_share(key, call->share);
	*w = (struct wait) { .key = key, .call = call, .fd = -1 };
	LIST_INSERT_HEAD(&key->waits, w, link);
	if (!strcmp(call->version, "now"))
		return finish(w);
	memset(call->share, 0x77, ENVELOPE_SHARE_BYTES); /* half of it is there */
	if (wait_for(w, call->version) < 0)
		_exit(8);
}

static void version(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	if (call->index >= COUNTS)
		_exit(8);
	key->counts[COUNT_UNWIPED] = count_unwiped(key);
	snprintf(call->found.version, sizeof(call->found.version), "%u", key->counts[call->index]);
	call->done(call, 0);
}

static void cancel(struct envelope_provider_key *key, struct envelope_provider_call *call)
{
	struct wait *w;

	LIST_FOREACH(w, &key->waits, link)
	if (w->call == call)
		break;
	if (!w)
		_exit(8);
	key->counts[COUNT_CANCELLED]++;
	forget(w);
}

static int open_key(const struct envelope_kek_config *config, sd_event *event,
		    struct envelope_provider_key **key, struct envelope_error *e)
{
	*key = calloc(1, sizeof(**key));
	if (!*key)
		return envelope_fail(e, ENVELOPE_E_FAILED, "out of memory");
	(*key)->config = config;
	(*key)->event = event;
	return 0;
}

static const char *directory(const struct envelope_kek_config *config)
{
	return config->keystore;
}

static void close_key(struct envelope_provider_key *key)
{
	if (!LIST_EMPTY(&key->waits))
		_exit(9);
	free(key);
}

/* In the place of the real one */
const struct envelope_provider envelope_provider_service = {
	.name = "service",
	.open = open_key,
	.directory = directory,
	.create = begin,
	.rotate = begin,
	.set_enabled = begin,
	.attributes = begin,
	.version = version,
	.wrap = begin,
	.unwrap = begin,
	.cancel = cancel,
	.close = close_key,
};
