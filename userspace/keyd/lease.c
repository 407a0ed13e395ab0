// SPDX-License-Identifier: GPL-2.0-or-later
#include "lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "device.h"
#include "health.h"
#include "hook.h"
#include "keyring.h"
#include "log.h"
#include "mark.h"
#include "note.h"
#include "quorum.h"
#include "recovery.h"
#include "takeover.h"
#include "unlock.h"

#define HURRY  (60 * SECOND) /* is left after the time jumped */
#define WAKING "waking"	     /* in the note that it sleeps */
#define WATCH  SECOND	     /* within that the target has fenced a device whose key is dead */

static const struct {
	const char *event, *text;
} marks[MARKS] = {
	[MARK_HALF] = { "half", "half of its lease is over" },
	[MARK_THREE_QUARTERS] = { "three-quarters", "three quarters of its lease are over" },
	[MARK_FIVE_MINUTES] = { "five-minutes", "its lease ends in five minutes" },
	[MARK_OVER] = { "over", "its lease is over: fenced" },
};

static void wait_for_mark(struct device *device, enum mark first);
static int on_mark(sd_event_source *source, uint64_t usec, void *data);

static uint64_t left(const struct device *device)
{
	uint64_t now = manager_now();

	return device->lease_end > now ? device->lease_end - now : 0;
}

void lease_why(const struct device *device, char *out, size_t room)
{
	size_t used = 0;

	*out = '\0';
	if (lease_is_fixed(device))
		return;
	for (unsigned int i = 0; i < device->n_shares && used < room; i++) {
		const struct health *h = device->shares[i];

		if (h && h->verdict.state == ENVELOPE_PROVIDER_OK)
			continue;
		used += snprintf(out + used, room - used, "%sKEK %s is %s", used ? ", " : "",
				 device->keks[i],
				 h ? envelope_provider_state_name(h->verdict.state)
				   : "not declared");
	}
}

static enum note note_of(enum device_loss as)
{
	return as == DEVICE_LOCKED ? NOTE_LOCKED : NOTE_ASLEEP;
}

/* Why it has no key, before anything else is known of it */
static enum device_loss noted(const struct device *device)
{
	for (enum device_loss as = DEVICE_LOCKED; as <= DEVICE_ASLEEP; as++)
		if (note_is_there(device->manager, note_of(as), device->name, device->uuid))
			return as;
	return DEVICE_RAN_OUT;
}

/* An earlier daemon was told to wake it, and could not */
static void go_on_waking(struct device *device)
{
	char text[NOTE_TEXT_MAX + 1];

	note_text(device->manager, NOTE_ASLEEP, device->name, device->uuid, text);
	if (device->loss == DEVICE_ASLEEP && !strcmp(text, WAKING))
		lease_wake(device);
}

void lease_unlock(const struct device *device)
{
	note_remove(device->manager, NOTE_LOCKED, device->name);
	note_remove(device->manager, NOTE_ASLEEP, device->name);
}

/* By what an earlier keyd opened it, if that was no KEK: none is to decide about it */
static void opened_by_recovery(struct device *device)
{
	if (!note_is_there(device->manager, NOTE_RECOVERY, device->name, device->uuid))
		return;
	snprintf(device->keks[0], sizeof(device->keks[0]), ENVELOPE_RECOVERY_KEK);
	device->threshold = device->n_shares = 1;
}

bool lease_is_fixed(const struct device *device)
{
	return device->n_shares == 1 && !strcmp(device->keks[0], ENVELOPE_RECOVERY_KEK);
}

bool lease_is_locked(const struct device *device)
{
	return device->loss >= DEVICE_LOCKED;
}

bool lease_for_sleep(const struct device *device)
{
	bool wished = false;

	for (unsigned int i = 0; i < device->n_shares; i++)
		wished |= device->shares[i] && device->shares[i]->config.lock_on_sleep;
	return wished;
}

unsigned int lease_well(const struct device *device)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < device->n_shares; i++)
		n += device->shares[i] && device->shares[i]->verdict.state == ENVELOPE_PROVIDER_OK;
	return n;
}

/*
 * A KEK that is not declared any more, or whose declaration cannot be read, nobody has withdrawn:
 * it proves nothing, and the lease runs out
 */
static unsigned int not_withdrawn(const struct device *device)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < device->n_shares; i++)
		n += !device->shares[i] || !device->shares[i]->verdict.withdrawn;
	return n;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When its lease may end, as things were proved; 0: nothing was yet */
static uint64_t earned(const struct device *device)
{
	const struct manager *m = device->manager;
	uint64_t when, end, times[ENVELOPE_SHARES_MAX];
	struct quorum q;

	for (unsigned int i = 0; i < device->n_shares; i++)
		times[i] = device->shares[i] ? device->shares[i]->proved : 0;
	quorum_of(&q, device->threshold, device->n_shares, device->keks);
	when = quorum_time(&q, times);
	end = when ? when + device->lease * SECOND : 0;
	/* A lease that was cut short a moment ago leaves time to be proved so often */
	if (when && end < device->shortened + device->lease * SECOND)
		end = smaller(device->shortened + device->lease * SECOND, device->lease_end);
	/* What was proved before the time jumped counts for a minute yet */
	if (when && when < m->jumped && end > m->jumped + HURRY)
		end = m->jumped + HURRY;
	return end;
}

static void say(struct device *device, const char *event, const char *text)
{
	char why[512];

	lease_why(device, why, sizeof(why));
	log_line(LOG_WARNING,
		 &(struct log_fields) {
			 .id = LOG_ID_LEASE, .volume = device->uuid, .device = device->name },
		 "%s: %s%s%s", device->name, text, *why ? ": " : "", why);
	hook_run(device, event, why, left(device) / SECOND);
}

/* The key is gone, or will be within a second */
static void lose(struct device *device, enum device_loss loss)
{
	device->loss = loss;
	device->waking = false;
	device->lease_end = 0;
	device->timer = sd_event_source_disable_unref(device->timer);
}

static void lost(struct device *device, enum device_loss loss, const char *event, const char *text)
{
	lose(device, loss);
	say(device, event, text);
}

/* Its status, after something that should have fenced it: 1 fenced, 0 not, or -code */
static int is_fenced(const struct device *device)
{
	struct table_status status;
	int r = device_status(device->name, &status, NULL);

	return r ? r : status.fenced;
}

static int on_watch(sd_event_source *source, uint64_t usec, void *data)
{
	struct device *device = data;
	struct envelope_error e = {};

	device->timer = sd_event_source_disable_unref(device->timer);
	if (!is_fenced(device) && device_message(device->name, "key wipe", &e))
		log_line(LOG_ALERT, &(struct log_fields) { .device = device->name },
			 "%s should be fenced and is not", e.message);
	keyring_remove(device->key);
	device->key = 0;
	return 0;
}

static void watch(struct device *device)
{
	if (device->key)
		manager_timer(device->manager, &device->timer, WATCH, on_watch, device);
}

/* The kernel takes it from the device at its next request, or within a second: not one by one */
static int take_key(struct device *device, struct envelope_error *e)
{
	if (!device->key || keyring_revoke(device->key))
		return device_message(device->name, "key wipe", e);
	return 0;
}

static int tell_withdrawn(sd_event_source *source, uint64_t usec, void *data)
{
	struct device *device = data;

	device->timer = sd_event_source_disable_unref(device->timer);
	say(device, "fenced", "fenced");
	watch(device);
	return 0;
}

/* First all keys that hang on a KEK, then words about it */
static void withdraw(struct device *device)
{
	struct envelope_error e = {};

	lose(device, DEVICE_WITHDRAWN);
	if (take_key(device, &e))
		log_line(LOG_ALERT, &(struct log_fields) { .device = device->name },
			 "its key cannot be taken away: %s", e.message);
	manager_timer(device->manager, &device->timer, 0, tell_withdrawn, device);
}

bool lease_may_resume(const struct device *device)
{
	if (device->waking)
		return true;
	for (unsigned int i = 0; i < device->n_shares; i++) {
		const struct health *h = device->shares[i];

		if (h && (h->config.resume == ENVELOPE_RESUME_NONE ||
			  (h->config.resume == ENVELOPE_RESUME_HELD && !device->queue)))
			return false;
	}
	return true;
}

/* @e: what a message met; may be NULL */
static void gone(struct device *device, const struct envelope_error *e)
{
	struct device_info info;
	int is = is_fenced(device);

	if (device_info(device->name, &info, NULL) == -ENVELOPE_E_NOT_FOUND)
		device_forget(device); /* removed behind our back */
	else if (is > 0)
		lost(device, DEVICE_RAN_OUT, "fenced", "fenced");
	else if (e)
		log_line(LOG_ERR, &(struct log_fields) { .device = device->name },
			 "its lease is not renewed: %s", e->message);
}

/*
 * @end: µs of boot time. The kernel is told whole seconds from when it hears of them, which on a
 * busy machine may be later than they were counted: then it is told fewer.
 */
static void set_end(struct device *device, uint64_t end)
{
	struct envelope_error e = {};
	uint64_t seconds;
	char message[48];

	do {
		uint64_t now = manager_now();

		seconds = end > now ? (end - now) / SECOND : 0;
		if (!seconds && left(device) <= SECOND)
			return; /* the kernel knows of an end that is hardly later than that */
		if (!seconds)
			seconds = 1;
		snprintf(message, sizeof(message), "lease renew %llu", (unsigned long long)seconds);
		if (device_message(device->name, message, &e))
			return gone(device, &e);
		device->lease_end = manager_now() + seconds * SECOND;
	} while (device->lease_end > end && seconds > 1);
	wait_for_mark(device, MARK_HALF);
}

/* Is the next proof too late to renew a third of the lease before its end? */
static bool renewal_is_due(const struct device *device)
{
	uint64_t interval = 0;

	for (unsigned int i = 0; i < device->n_shares; i++)
		if (device->shares[i] && health_interval(device->shares[i]) > interval)
			interval = health_interval(device->shares[i]);
	return left(device) < device->lease * SECOND * 2 / 3 + interval;
}

static void renew(struct device *device)
{
	uint64_t end = earned(device);

	if (!end || !device->lease || !device->lease_end)
		return;
	if (end + SECOND < device->lease_end ||
	    (end >= device->lease_end + SECOND && renewal_is_due(device)))
		set_end(device, end);
}

/* The table is loaded once, and another slot may open the device later */
static void choose_lease(struct device *device)
{
	device->lease = device->table_lease < device->wished_lease ? device->table_lease
								   : device->wished_lease;
}

/* What is declared anew counts for what is open; but the kernel grants no more than it did */
static void wish_lease(struct device *device)
{
	uint32_t wished = UINT32_MAX, before = device->lease;

	for (unsigned int i = 0; i < device->n_shares; i++)
		if (device->shares[i] && device->shares[i]->config.lease &&
		    device->shares[i]->config.lease < wished)
			wished = device->shares[i]->config.lease;
	device->wished_lease = wished;
	choose_lease(device);
	if (device->lease < before)
		device->shortened = manager_now();
}

void lease_judge(struct device *device)
{
	bool enough = lease_well(device) >= device->threshold;

	if (!device->n_shares || lease_is_locked(device) || lease_is_fixed(device))
		return;
	wish_lease(device);
	if (!device->loss && not_withdrawn(device) < device->threshold)
		withdraw(device);
	else if (enough && (device->loss ? lease_may_resume(device) : !device->managed))
		takeover_begin(device);
	else if (!device->loss && device->managed)
		renew(device);
}

void lease_judge_all(struct manager *m, const struct health *health)
{
	struct device *device = LIST_FIRST(&m->devices);

	while (device) {
		struct device *next = LIST_NEXT(device, link);

		for (unsigned int i = 0; i < device->n_shares; i++) {
			if (device->shares[i] == health) {
				lease_judge(device);
				break;
			}
		}
		device = next;
	}
}

void lease_hurry(struct manager *m)
{
	struct device *device = LIST_FIRST(&m->devices);

	m->jumped = manager_now();
	cache_purge(m, NULL, NULL); /* who knows how long ago that was unwrapped */
	while (device) {
		struct device *next = LIST_NEXT(device, link);

		/* of one that a recovery key opened no KEK is asked: nothing would prove it anew */
		if (!lease_is_fixed(device) && left(device) > HURRY)
			set_end(device, m->jumped + HURRY);
		device = next;
	}
	health_check_all(m);
}

void lease_restarted(struct device *device)
{
	uint64_t end = device->lease_end;

	if (!end)
		return;
	device->lease_end = manager_now() + device->table_lease * SECOND;
	set_end(device, end);
}

static void is_over(struct device *device)
{
	int is = is_fenced(device);

	if (is > 0)
		lost(device, DEVICE_RAN_OUT, marks[MARK_OVER].event, marks[MARK_OVER].text);
	else if (is < 0)
		gone(device, NULL);
	else /* the kernel's clock is the one that counts */
		manager_timer(device->manager, &device->timer, WATCH / 4, on_mark, device);
}

static int on_mark(sd_event_source *source, uint64_t usec, void *data)
{
	struct device *device = data;

	device->timer = sd_event_source_disable_unref(device->timer);
	if (device->mark == MARK_OVER) {
		is_over(device);
	} else {
		say(device, marks[device->mark].event, marks[device->mark].text);
		wait_for_mark(device, device->mark + 1);
	}
	return 0;
}

static void wait_for_mark(struct device *device, enum mark first)
{
	uint64_t now = left(device), then;

	device->mark = mark_next(device->lease, now, first, &then);
	manager_timer(device->manager, &device->timer, now > then ? now - then : 0, on_mark,
		      device);
}

static void begin(struct device *device, uint64_t seconds)
{
	device->timer = sd_event_source_disable_unref(device->timer);
	device->lease_end = device->lease ? manager_now() + seconds * SECOND : 0;
	if (device->lease)
		wait_for_mark(device, MARK_HALF);
}

void lease_began(struct device *device, const struct table *table)
{
	enum device_loss loss = device->loss;

	device->table_lease = table->lease;
	choose_lease(device);
	device->queue = table->queue;
	device->loss = DEVICE_HAS_KEY;
	device->waking = false;
	lease_unlock(device);
	begin(device, table->lease);
	if (loss)
		say(device, "active", "it has its key again");
}

void lease_found(struct device *device, const struct table *table,
		 const struct table_status *status)
{
	device->table_lease = table->lease;
	device->wished_lease = table->lease;
	choose_lease(device);
	device->queue = table->queue;
	opened_by_recovery(device);
	device->loss = noted(device);
	go_on_waking(device);
	if (lease_is_locked(device)) { /* also where its keyd ended between note and deed */
		take_key(device, NULL);
	} else if (!status->fenced) {
		device->loss = DEVICE_HAS_KEY;
		device->waking = false;
		begin(device, status->lease_left);
	}
}

/* For an envelope-keyd that comes after this one */
static void leave_notes(const struct device *device, bool guessed)
{
	char slot[16];

	snprintf(slot, sizeof(slot), "%d", device->slot);
	if (!guessed && !note_leave(device->manager, NOTE_SLOT, device->name, device->uuid, slot))
		log_line(LOG_WARNING, &(struct log_fields) { .device = device->name },
			 "%s: no note of its slot can be left", device->name);
	if (!lease_is_fixed(device))
		note_remove(device->manager, NOTE_RECOVERY, device->name);
	else if (!note_leave(device->manager, NOTE_RECOVERY, device->name, device->uuid, ""))
		log_line(LOG_WARNING, &(struct log_fields) { .device = device->name },
			 "%s: no note of its recovery key can be left", device->name);
}

void lease_opened(struct device *device, const struct broker_opened *opened, uint64_t when)
{
	const struct envelope_token *token = &opened->token;
	struct health *shares[ENVELOPE_SHARES_MAX] = {};
	unsigned int n =
		token->n_shares < ENVELOPE_SHARES_MAX ? token->n_shares : ENVELOPE_SHARES_MAX;

	/* The new ones first: a version that stays is watched on */
	for (unsigned int i = 0; i < n; i++) {
		if (opened->declared & 1U << i)
			shares[i] = health_get(device->manager, token, i, &opened->configs[i]);
		snprintf(device->keks[i], sizeof(device->keks[i]), "%s", token->shares[i].kek);
	}
	for (unsigned int i = 0; i < device->n_shares; i++)
		health_put(device->shares[i]);
	memcpy(device->shares, shares, sizeof(shares));
	free(device->token);
	device->token = envelope_token_format(token);
	device->n_shares = n;
	device->threshold = token->threshold;
	device->slot = token->slot;
	leave_notes(device, opened->guessed);
	device->wished_lease = opened_lease(opened);
	choose_lease(device);
	for (unsigned int i = 0; i < n && when; i++)
		if (shares[i] && opened->proved & 1U << i)
			health_proved(shares[i], when);
}

void lease_forget(struct device *device)
{
	sd_event_source_disable_unref(device->timer);
	for (unsigned int i = 0; i < device->n_shares; i++)
		health_put(device->shares[i]);
	device->n_shares = 0;
	free(device->token);
	device->token = NULL;
}

int lease_lock(struct device *device, enum device_loss as, struct envelope_error *e)
{
	bool noted;
	int r;

	/* First of all the note, and it is not left by the way of sleep where a person said lock */
	if (lease_is_locked(device))
		as = DEVICE_LOCKED;
	noted = note_leave(device->manager, note_of(as), device->name, device->uuid, "");
	for (unsigned int i = 0; i < device->n_shares; i++)
		cache_purge(device->manager, device->keks[i], NULL);
	lose(device, as);
	r = take_key(device, e);
	say(device, "locked", "locked");
	watch(device);
	if (r || noted)
		return r;
	envelope_fail(e, ENVELOPE_E_IO,
		      "%s is locked, for this envelope-keyd alone: no note can be left in %s",
		      device->name, device->manager->options->runtime_dir);
	return envelope_cure(e, "make room there, and repeat it");
}

void lease_wake(struct device *device)
{
	if (device->loss != DEVICE_ASLEEP)
		return;
	device->loss = DEVICE_RAN_OUT;
	device->waking = true;
	/* for a daemon that comes after this one: nobody will say so again */
	note_leave(device->manager, NOTE_ASLEEP, device->name, device->uuid, WAKING);
}
