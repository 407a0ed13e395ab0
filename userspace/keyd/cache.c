// SPDX-License-Identifier: GPL-2.0-or-later
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "manager.h"
#include "secret.h"
#include "worker.h"

#define CACHED_MAX 256	/* pages of locked memory */
#define SHARES_MAX 4096 /* that are known to be sets' */

/* struct set_share - what a set's share is known by */
struct set_share {
	LIST_ENTRY(set_share) link;
	uint8_t digest[ENVELOPE_HASH_BYTES];
};

struct cached {
	LIST_ENTRY(cached) link;
	struct manager *manager;
	char kek[ENVELOPE_KEK_NAME_MAX + 1];
	uint8_t digest[ENVELOPE_HASH_BYTES];
	struct worker_call call; /* its request has the version */
	uint8_t *share;		 /* locked */
	uint64_t asked;		 /* µs of boot time */
	bool ready;
	bool purged; /* while it was under way: it is not kept */
	sd_event_source *end;
	LIST_HEAD(, cache_wait) waiting;
};

static int digest_of(const char *kek, const char *version, const char *algorithm,
		     const uint8_t *wrapped, size_t size, uint8_t out[static ENVELOPE_HASH_BYTES])
{
	struct envelope_bytes b = {};
	int r;

	envelope_bytes_lp_text(&b, kek);
	envelope_bytes_lp_text(&b, version);
	envelope_bytes_lp_text(&b, algorithm);
	envelope_bytes_lp(&b, wrapped, size);
	r = b.failed ? b.failed : envelope_sha256(b.data, b.size, out);
	envelope_bytes_free(&b);
	return r;
}

static bool known(const struct manager *m, const uint8_t *digest, unsigned int *n)
{
	const struct set_share *share;

	*n = 0;
	LIST_FOREACH(share, &m->set_shares, link)
	{
		if (!memcmp(share->digest, digest, sizeof(share->digest)))
			return true;
		(*n)++;
	}
	return false;
}

int cache_declare(struct manager *m, const struct envelope_token *set, struct envelope_error *e)
{
	for (unsigned int i = 0; i < set->n_shares; i++) {
		const struct envelope_share *s = &set->shares[i];
		uint8_t digest[ENVELOPE_HASH_BYTES];
		struct set_share *share;
		unsigned int n;

		if (digest_of(s->kek, s->version, s->algorithm, s->wrapped, s->wrapped_size,
			      digest))
			return envelope_fail(e, ENVELOPE_E_FAILED, "a hash failed in OpenSSL");
		if (known(m, digest, &n))
			continue;
		share = n < SHARES_MAX ? calloc(1, sizeof(*share)) : NULL;
		if (!share)
			return envelope_fail(e, ENVELOPE_E_LIMIT,
					     "there are too many encryption sets");
		memcpy(share->digest, digest, sizeof(digest));
		LIST_INSERT_HEAD(&m->set_shares, share, link);
	}
	return 0;
}

static int digest_of_request(const char *kek, const struct envelope_worker_request *request,
			     uint8_t out[static ENVELOPE_HASH_BYTES])
{
	return digest_of(kek, request->version, request->algorithm, request->wrapped,
			 request->wrapped_size, out);
}

bool cache_takes(const struct manager *m, const char *kek,
		 const struct envelope_worker_request *request)
{
	const struct envelope_kek_config *config = worker_config(m, kek);
	uint8_t digest[ENVELOPE_HASH_BYTES];
	unsigned int n;

	return !LIST_EMPTY(&m->set_shares) && config && config->cache &&
	       !digest_of_request(kek, request, digest) && known(m, digest, &n);
}

static void cached_free(struct cached *c)
{
	LIST_REMOVE(c, link);
	worker_cancel(&c->call);
	sd_event_source_disable_unref(c->end);
	envelope_secret_free(c->share);
	free(c);
}

static int on_end(sd_event_source *source, uint64_t usec, void *data)
{
	cached_free(data);
	return 0;
}

static void on_unwrapped(struct worker_call *call, const struct envelope_worker_reply *reply)
{
	struct cached *c = (void *)((char *)call - offsetof(struct cached, call));
	const struct envelope_kek_config *config = worker_config(c->manager, c->kek);
	struct cache_wait *wait;
	uint64_t age;

	c->ready = reply->code == ENVELOPE_OK;
	while ((wait = LIST_FIRST(&c->waiting))) {
		cache_cancel(wait);
		wait->done(wait, reply, c->ready ? c->share : NULL, c->asked);
	}
	age = manager_now() - c->asked;
	if (!c->ready || c->purged || !config || age >= config->lease * SECOND ||
	    manager_timer(c->manager, &c->end, config->lease * SECOND - age, on_end, c) < 0)
		cached_free(c);
}

static struct cached *find(const struct manager *m, const uint8_t *digest, unsigned int *n)
{
	struct cached *c;

	*n = 0;
	LIST_FOREACH(c, &m->cache, link)
	{
		if (!c->purged && !memcmp(c->digest, digest, sizeof(c->digest)))
			return c;
		(*n)++;
	}
	return NULL;
}

static struct cached *begin(struct manager *m, const char *kek,
			    const struct envelope_worker_request *request, const uint8_t *digest,
			    struct envelope_error *e)
{
	struct cached *c = calloc(1, sizeof(*c));

	if (c)
		c->share = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	if (!c || !c->share) {
		free(c);
		envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
		return NULL;
	}
	c->manager = m;
	strcpy(c->kek, kek);
	memcpy(c->digest, digest, sizeof(c->digest));
	c->call.request = *request;
	c->call.share = c->share;
	c->call.done = on_unwrapped;
	c->asked = manager_now();
	LIST_INSERT_HEAD(&m->cache, c, link);
	if (!worker_call(m, kek, &c->call, e))
		return c;
	cached_free(c);
	return NULL;
}

/* For the share that comes next: the one asked for first goes */
static void make_room(struct manager *m)
{
	struct cached *c, *oldest = NULL;

	LIST_FOREACH(c, &m->cache, link)
	if (c->ready && (!oldest || c->asked < oldest->asked))
		oldest = c;
	if (oldest)
		cached_free(oldest);
}

int cache_unwrap(struct manager *m, const char *kek, const struct envelope_worker_request *request,
		 struct cache_wait *wait, struct envelope_error *e)
{
	const struct envelope_worker_reply good = { .op = ENVELOPE_WORKER_UNWRAP };
	uint8_t digest[ENVELOPE_HASH_BYTES];
	struct cached *c;
	unsigned int n;

	if (digest_of_request(kek, request, digest))
		return envelope_fail(e, ENVELOPE_E_FAILED, "a hash failed in OpenSSL");
	c = find(m, digest, &n);
	if (c && c->ready) {
		wait->done(wait, &good, c->share, c->asked);
		return 0;
	}
	if (!c && n >= CACHED_MAX)
		make_room(m);
	if (!c)
		c = begin(m, kek, request, digest, e);
	if (!c)
		return -(int)e->code;
	wait->cached = c;
	LIST_INSERT_HEAD(&c->waiting, wait, link);
	return 0;
}

void cache_cancel(struct cache_wait *wait)
{
	if (wait->cached)
		LIST_REMOVE(wait, link);
	wait->cached = NULL;
}

void cache_purge(struct manager *m, const char *kek, const char *version)
{
	struct cached *c = LIST_FIRST(&m->cache);

	while (c) {
		struct cached *next = LIST_NEXT(c, link);

		if ((!kek || !strcmp(c->kek, kek)) &&
		    (!version || !strcmp(c->call.request.version, version))) {
			c->purged = true;
			if (c->ready)
				cached_free(c);
		}
		c = next;
	}
}

void cache_free_all(struct manager *m)
{
	struct set_share *share;

	while (!LIST_EMPTY(&m->cache))
		cached_free(LIST_FIRST(&m->cache));
	while ((share = LIST_FIRST(&m->set_shares))) {
		LIST_REMOVE(share, link);
		free(share);
	}
}
