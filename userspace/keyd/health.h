/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the versions of KEKs stand that devices depend on. Each is proved again and again by
 * an unwrap of a share that it wrapped, once for all devices, and never from memory; but not
 * for devices that are locked, whose shares stay wrapped.
 */
#ifndef KEYD_HEALTH_H
#define KEYD_HEALTH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "follow.h"
#include "kek-config.h"
#include "token.h"
#include "verdict.h"
#include "worker.h"

/** struct health - of one version of a KEK; times are in µs of boot time, 0: never */
struct health {
	LIST_ENTRY(health) link;
	struct manager *manager;
	unsigned int users;	      /* shares of devices */
	struct envelope_token sample; /* a slot that has */
	unsigned int share;	      /* this share by the version */
	struct envelope_kek_config config;
	struct verdict verdict;
	uint64_t proved; /* when the last unwrap that went well was asked for */
	uint64_t asked;	 /* when the last one was */
	uint64_t next;	 /* when the next one will be */
	char problem[256];
	/* private */
	bool told;	/* devices know */
	uint8_t *plain; /* locked memory for what is unwrapped */
	struct worker_call call;
	sd_event_source *timer;
	struct follow follow;
};

/** health_share() - one that the version has wrapped, which names it */
static inline const struct envelope_share *health_share(const struct health *health)
{
	return &health->sample.shares[health->share];
}

/**
 * health_get() - watch the version that wrapped a share
 * @config: what the host says of the KEK now
 *
 * Return: for health_put(); NULL when out of memory.
 */
struct health *health_get(struct manager *m, const struct envelope_token *token, unsigned int share,
			  const struct envelope_kek_config *config);

/** health_put() - @health may be NULL */
void health_put(struct health *health);

/** health_proved() - it unwrapped something else that was asked for at @when: health_tell() follows
 */
void health_proved(struct health *health, uint64_t when);

/**
 * health_tell() - have devices judged by what is new
 *
 * Not before all is known that belongs together: a device that several versions opened would be
 * judged by the first of them and what was known of the others before.
 */
void health_tell(struct manager *m);

/** health_interval() - µs from one proof to the next, at most */
uint64_t health_interval(const struct health *health);

/** health_check_all() - prove all of them now; what was asked for before is not waited for */
void health_check_all(struct manager *m);

/** health_declare() - what the host says of a KEK now */
void health_declare(struct manager *m, const struct envelope_kek_config *config);

#endif
