// SPDX-License-Identifier: GPL-2.0-or-later
#include "health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "lease.h"
#include "log.h"
#include "manager.h"
#include "secret.h"

#define RETRY_MIN SECOND /* for a KEK that is not well */

static void check(struct health *h);

static int on_time(sd_event_source *source, uint64_t usec, void *data)
{
	struct health *h = data;

	h->timer = sd_event_source_disable_unref(h->timer);
	check(h);
	return 0;
}

static void check_in(struct health *h, uint64_t delay)
{
	h->next = manager_now() + delay;
	manager_timer(h->manager, &h->timer, delay, on_time, h);
}

uint64_t health_interval(const struct health *h)
{
	uint64_t interval = h->config.check_interval * SECOND;
	const struct device *device;

	LIST_FOREACH(device, &h->manager->devices, link)
	{
		uint64_t third = device->lease * SECOND / 3;

		for (unsigned int i = 0; i < device->n_shares; i++)
			if (device->shares[i] == h && third && third < interval)
				interval = third;
	}
	return interval;
}

static void check_later(struct health *h)
{
	uint64_t delay = manager_jittered(health_interval(h));

	if (h->verdict.state != ENVELOPE_PROVIDER_OK && delay / 4 > RETRY_MIN)
		delay /= 4;
	check_in(h, delay);
}

static void say(const struct health *h, const char *how)
{
	const struct envelope_share *share = health_share(h);

	log_line(h->verdict.state == ENVELOPE_PROVIDER_OK ? LOG_NOTICE : LOG_WARNING,
		 &(struct log_fields) { .id = LOG_ID_HEALTH, .kek = share->kek },
		 "KEK %s, version %s: %s%s%s", share->kek, share->version, how,
		 *h->problem ? ": " : "", h->problem);
}

/* What devices are to hear of: health_tell(). @when: it was asked for */
static void enter(struct health *h, enum envelope_provider_state before, const char *problem,
		  uint64_t when)
{
	h->told = false;
	snprintf(h->problem, sizeof(h->problem), "%s", problem);
	if (h->verdict.state == ENVELOPE_PROVIDER_OK)
		h->proved = when;
	if (h->verdict.withdrawn)
		cache_purge(h->manager, health_share(h)->kek, health_share(h)->version);
	if (h->verdict.state != before)
		say(h, envelope_provider_state_name(h->verdict.state));
	check_later(h);
}

static void take(struct health *h, enum envelope_provider_state state, const char *problem)
{
	enum envelope_provider_state before = h->verdict.state;

	if (verdict_take(&h->verdict, state, h->config.on_state)) {
		enter(h, before, problem, h->asked);
		health_tell(h->manager);
	} else {
		check(h);
	}
}

static void on_answer(struct worker_call *call, const struct envelope_worker_reply *reply)
{
	struct health *h = (void *)((char *)call - offsetof(struct health, call));
	bool right = reply->code == ENVELOPE_OK &&
		     envelope_token_committed(&h->sample, h->share, h->plain);

	envelope_secret_wipe(h->plain, ENVELOPE_SHARE_BYTES);
	if (right)
		take(h, ENVELOPE_PROVIDER_OK, "");
	else if (reply->code == ENVELOPE_OK)
		take(h, ENVELOPE_PROVIDER_UNREACHABLE, "it unwraps something else than was sealed");
	else if (reply->state == ENVELOPE_PROVIDER_OK) /* but it did not unwrap this */
		take(h, ENVELOPE_PROVIDER_UNREACHABLE, reply->message);
	else
		take(h, reply->state, reply->message);
}

/* What is unwrapped next: never of a device that is locked, whose secrets are to stay away */
static bool take_sample(struct health *h)
{
	const struct device *device;
	struct envelope_token token;

	LIST_FOREACH(device, &h->manager->devices, link)
	for (unsigned int i = 0; i < device->n_shares; i++) {
		if (device->shares[i] != h || lease_is_locked(device) || !device->token ||
		    envelope_token_parse(device->token, strlen(device->token), &token, NULL))
			continue;
		h->sample = token;
		h->share = i;
		return true;
	}
	return false;
}

static void check(struct health *h)
{
	struct envelope_worker_request *request = &h->call.request;
	const struct envelope_share *share;
	struct envelope_error e = {};

	if (h->call.worker)
		return; /* under way */
	if (!take_sample(h))
		return check_later(h);
	share = health_share(h);
	h->asked = manager_now();
	memset(&h->call, 0, sizeof(h->call));
	request->op = ENVELOPE_WORKER_UNWRAP;
	memcpy(request->version, share->version, sizeof(request->version));
	memcpy(request->algorithm, share->algorithm, sizeof(request->algorithm));
	memcpy(request->wrapped, share->wrapped, share->wrapped_size);
	request->wrapped_size = share->wrapped_size;
	h->call.share = h->plain;
	h->call.done = on_answer;
	if (worker_call(h->manager, share->kek, &h->call, &e))
		take(h, ENVELOPE_PROVIDER_UNREACHABLE, e.message);
}

static struct health *find(struct manager *m, const struct envelope_share *share)
{
	struct health *h;

	LIST_FOREACH(h, &m->healths, link)
	if (!strcmp(health_share(h)->kek, share->kek) &&
	    !strcmp(health_share(h)->version, share->version))
		return h;
	return NULL;
}

struct health *health_get(struct manager *m, const struct envelope_token *token, unsigned int share,
			  const struct envelope_kek_config *config)
{
	struct health *h = find(m, &token->shares[share]);

	if (!h) {
		h = calloc(1, sizeof(*h));
		if (h)
			h->plain = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
		if (!h || !h->plain) {
			free(h);
			return NULL;
		}
		h->manager = m;
		h->sample = *token;
		h->share = share;
		h->told = true;
		h->verdict.state = ENVELOPE_PROVIDER_UNREACHABLE;
		snprintf(h->problem, sizeof(h->problem), "it was not asked yet");
		LIST_INSERT_HEAD(&m->healths, h, link);
		check_in(h, 0);
	}
	h->config = *config;
	if (!h->users++)
		follow_begin(h);
	return h;
}

static void health_free(struct health *h)
{
	worker_cancel(&h->call);
	follow_end(h);
	sd_event_source_disable_unref(h->timer);
	envelope_secret_free(h->plain);
	LIST_REMOVE(h, link);
	free(h);
}

void health_put(struct health *h)
{
	if (h && !--h->users)
		health_free(h);
}

void health_proved(struct health *h, uint64_t when)
{
	enum envelope_provider_state before = h->verdict.state;

	/* A later answer counts for more */
	if (when <= h->proved || (before != ENVELOPE_PROVIDER_OK && when <= h->asked))
		return;
	verdict_take(&h->verdict, ENVELOPE_PROVIDER_OK, h->config.on_state);
	enter(h, before, "", when);
}

static struct health *first_untold(const struct manager *m)
{
	struct health *h;

	LIST_FOREACH(h, &m->healths, link)
	if (!h->told)
		break;
	return h;
}

void health_tell(struct manager *m)
{
	struct health *h;

	/* A device that is no more takes the versions along that only it depended on */
	while ((h = first_untold(m))) {
		h->told = true;
		lease_judge_all(m, h);
	}
}

void health_check_all(struct manager *m)
{
	struct health *h;

	LIST_FOREACH(h, &m->healths, link)
	{
		worker_cancel(&h->call);
		check_in(h, 0);
	}
}

void health_declare(struct manager *m, const struct envelope_kek_config *config)
{
	struct health *h;

	LIST_FOREACH(h, &m->healths, link)
	if (!strcmp(health_share(h)->kek, config->name)) {
		bool other = h->config.rotation_interval != config->rotation_interval;

		h->config = *config;
		if (!other)
			continue;
		follow_end(h);
		follow_begin(h);
	}
}
