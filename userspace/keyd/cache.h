/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shares of encryption sets, unwrapped once for many volumes. Each is kept in locked memory for the
 * lease of its KEK at most, counted from when it was asked for, and goes first when the KEK is
 * withdrawn. What is asked for while it is being unwrapped waits for that. A share that is no set's
 * is never kept.
 */
#ifndef KEYD_CACHE_H
#define KEYD_CACHE_H

#include <stdbool.h>
#include <sys/queue.h>

#include "error.h"
#include "token.h"
#include "worker-protocol.h"

struct manager;
struct cached;

/** struct cache_wait - who waits for a share */
struct cache_wait {
	LIST_ENTRY(cache_wait) link;
	struct cached *cached; /* NULL: it does not wait */
	/*
	 * @share: NULL where @reply says that it could not be had
	 * @asked: when the provider was asked for it, µs of boot time
	 */
	void (*done)(struct cache_wait *wait, const struct envelope_worker_reply *reply,
		     const uint8_t *share, uint64_t asked);
};

/** cache_declare() - these shares are a set's; LIMIT */
int cache_declare(struct manager *m, const struct envelope_token *set, struct envelope_error *e);

/** cache_takes() - is what this request unwraps a set's share, of a KEK that may be kept? */
bool cache_takes(const struct manager *m, const char *kek,
		 const struct envelope_worker_request *request);

/**
 * cache_unwrap() - have such a share
 * @wait: with its function
 *
 * @wait->done is called before this returns where the share is there; never where this fails.
 */
int cache_unwrap(struct manager *m, const char *kek, const struct envelope_worker_request *request,
		 struct cache_wait *wait, struct envelope_error *e);

/** cache_cancel() - it waits no longer */
void cache_cancel(struct cache_wait *wait);

/** cache_purge() - what this version of the KEK unwrapped is wiped; @version NULL: all, @kek NULL:
 * everything */
void cache_purge(struct manager *m, const char *kek, const char *version);

/** cache_free_all() - at the end */
void cache_free_all(struct manager *m);

#endif
