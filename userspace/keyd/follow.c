// SPDX-License-Identifier: GPL-2.0-or-later
#include "follow.h"

#include <stddef.h>
#include <string.h>

#include "health.h"
#include "log.h"
#include "manager.h"
#include "op.h"
#include "session.h"

static int on_time(sd_event_source *source, uint64_t usec, void *data);

void follow_begin(struct health *h)
{
	uint64_t delay = manager_jittered(h->config.rotation_interval * SECOND);

	if (delay) /* 0 s is never */
		manager_timer(h->manager, &h->follow.timer, delay, on_time, h);
}

static bool depends_on(const struct device *device, const struct health *h)
{
	for (unsigned int i = 0; i < device->n_shares; i++)
		if (device->shares[i] == h)
			return true;
	return false;
}

static void on_answer(struct worker_call *call, const struct envelope_worker_reply *reply)
{
	struct health *h = (void *)((char *)call - offsetof(struct health, follow.call));
	struct device *device;

	follow_begin(h);
	if (reply->code != ENVELOPE_OK || !strcmp(reply->version, health_share(h)->version))
		return;
	log_line(LOG_NOTICE,
		 &(struct log_fields) { .id = LOG_ID_REWRAPPED, .kek = health_share(h)->kek },
		 "KEK %s has version %s: volumes of version %s follow", health_share(h)->kek,
		 reply->version, health_share(h)->version);
	LIST_FOREACH(device, &h->manager->devices, link)
	device->behind |= depends_on(device, h);
	follow_go_on(h->manager);
}

static int on_time(sd_event_source *source, uint64_t usec, void *data)
{
	struct health *h = data;

	h->follow.timer = sd_event_source_disable_unref(h->follow.timer);
	memset(&h->follow.call, 0, sizeof(h->follow.call));
	h->follow.call.request.op = ENVELOPE_WORKER_ATTRIBUTES;
	h->follow.call.done = on_answer;
	if (worker_call(h->manager, health_share(h)->kek, &h->follow.call, NULL))
		follow_begin(h);
	return 0;
}

void follow_end(struct health *h)
{
	worker_cancel(&h->follow.call);
	h->follow.timer = sd_event_source_disable_unref(h->follow.timer);
}

/* One that has no key now is unlocked by what it has, and follows another time */
static bool may_follow(const struct device *device)
{
	return device->behind && device->managed && !device->loss && !device->taking;
}

static void follow(struct device *device)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();
	struct manager *m = device->manager;
	struct envelope_error e;

	device->behind = false;
	*device->problem = '\0'; /* which the session may tell */
	op_add_text(parameters, "name", device->name);
	m->following = !session_start(m, NULL, &method_follow, parameters, false, &e);
	if (!m->following)
		log_line(LOG_WARNING, &(struct log_fields) { .device = device->name },
			 "%s: its volume is not rewrapped: %s", device->name, e.message);
}

void follow_go_on(struct manager *m)
{
	struct device *device;

	LIST_FOREACH(device, &m->devices, link)
	{
		if (m->following || m->stopping || !session_has_room(m, &method_follow))
			return;
		if (may_follow(device))
			follow(device);
	}
}

void follow_ended(struct manager *m, const char *name, bool done)
{
	const struct device *device = device_find(m, name);

	m->following = false;
	if (!done && device)
		log_line(LOG_WARNING,
			 &(struct log_fields) { .volume = device->uuid, .device = name },
			 "%s: its volume is not rewrapped: %s", name,
			 *device->problem ? device->problem : "its session died");
}
