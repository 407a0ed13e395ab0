// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwraps.h"

#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "manager.h"
#include "secret.h"
#include "session.h"

struct unwrap {
	TAILQ_ENTRY(unwrap) link;
	struct session *session;
	uint32_t cell;
	struct worker_call call; /* of its own, or */
	struct cache_wait wait;	 /* for a set's share */
	bool done;
	struct envelope_worker_reply reply; /* where it is */
};

static void unwrap_free(struct unwrap *u)
{
	TAILQ_REMOVE(&u->session->unwraps, u, link);
	worker_cancel(&u->call);
	cache_cancel(&u->wait);
	free(u);
}

static struct unwrap *first_done(const struct session *s)
{
	struct unwrap *u;

	TAILQ_FOREACH(u, &s->unwraps, link)
	if (u->done)
		return u;
	return NULL;
}

static void take(struct unwrap *u, struct broker_reply *reply)
{
	reply->cell = u->cell;
	reply->worker = u->reply;
	unwrap_free(u);
}

/* The session waits: for @u, or for nothing any more where that is NULL */
static void answer(struct session *s, struct unwrap *u)
{
	struct broker_reply reply = { .cell = BROKER_CELLS };

	s->patience = sd_event_source_disable_unref(s->patience);
	s->calling = false;
	if (u)
		take(u, &reply);
	session_reply(s, &reply);
}

static void done(struct unwrap *u, const struct envelope_worker_reply *reply)
{
	u->reply = *reply;
	u->done = true;
	if (u->session->patience)
		answer(u->session, u);
}

static void on_unwrapped(struct worker_call *call, const struct envelope_worker_reply *reply)
{
	done((void *)((char *)call - offsetof(struct unwrap, call)), reply);
}

/* The older a share is, the older the proof is that its KEK is well */
static void on_cached(struct cache_wait *wait, const struct envelope_worker_reply *reply,
		      const uint8_t *share, uint64_t asked)
{
	struct unwrap *u = (void *)((char *)wait - offsetof(struct unwrap, wait));
	struct session *s = u->session;

	if (share)
		envelope_secret_copy(s->secrets->cells[u->cell], share, ENVELOPE_SHARE_BYTES);
	if (!s->unwrapped || asked < s->unwrapped)
		s->unwrapped = asked;
	done(u, reply);
}

static int on_impatience(sd_event_source *source, uint64_t usec, void *data)
{
	answer(data, NULL);
	return 0;
}

static bool is_free(const struct session *s, uint32_t cell)
{
	const struct unwrap *u;

	TAILQ_FOREACH(u, &s->unwraps, link)
	if (u->cell == cell)
		return false;
	return cell < BROKER_CELLS;
}

static int ask_worker(struct unwrap *u, const char *kek, struct envelope_error *e)
{
	struct session *s = u->session;

	if (!s->unwrapped)
		s->unwrapped = manager_now();
	return worker_call(s->manager, kek, &u->call, e);
}

void unwraps_begin(struct session *s, const struct broker_request *request,
		   struct broker_reply *reply)
{
	struct unwrap *u = is_free(s, request->cell) ? calloc(1, sizeof(*u)) : NULL;
	int r;

	if (!u) {
		envelope_fail(&reply->error, ENVELOPE_E_LIMIT, "no room for another unwrap");
		return;
	}
	u->session = s;
	u->cell = request->cell;
	u->call.request = request->worker;
	u->call.share = s->secrets->cells[u->cell];
	u->call.done = on_unwrapped;
	u->wait.done = on_cached;
	TAILQ_INSERT_TAIL(&s->unwraps, u, link);
	if (cache_takes(s->manager, request->kek, &request->worker))
		r = cache_unwrap(s->manager, request->kek, &request->worker, &u->wait,
				 &reply->error);
	else
		r = ask_worker(u, request->kek, &reply->error);
	if (r)
		unwrap_free(u);
}

bool unwraps_next(struct session *s, const struct broker_request *request,
		  struct broker_reply *reply)
{
	struct unwrap *u = first_done(s);

	if (u) {
		take(u, reply);
		return true;
	}
	if (TAILQ_EMPTY(&s->unwraps)) {
		envelope_fail(&reply->error, ENVELOPE_E_FAILED, "nothing is being unwrapped");
		return true;
	}
	if (manager_timer(s->manager, &s->patience, request->patience * 1000ULL, on_impatience, s) <
	    0) {
		envelope_fail(&reply->error, ENVELOPE_E_FAILED, "out of memory");
		return true;
	}
	s->calling = true;
	return false;
}

void unwraps_forget(struct session *s)
{
	s->patience = sd_event_source_disable_unref(s->patience);
	while (!TAILQ_EMPTY(&s->unwraps))
		unwrap_free(TAILQ_FIRST(&s->unwraps));
	envelope_secret_wipe(s->secrets->cells, sizeof(s->secrets->cells));
}
