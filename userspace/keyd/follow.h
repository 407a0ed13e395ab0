/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Following: when the provider of a KEK has a newer version than one that devices depend on, their
 * volumes are rewrapped, one after the other, in a session of envelope-keyd's own.
 */
#ifndef KEYD_FOLLOW_H
#define KEYD_FOLLOW_H

#include <stdbool.h>

#include "worker.h"

struct health;
struct manager;

/** struct follow - of one version of a KEK: when the provider is asked for its newest */
struct follow {
	struct worker_call call;
	sd_event_source *timer;
};

/** follow_begin() - ask once, when rotation_interval is over, and go on so */
void follow_begin(struct health *h);
void follow_end(struct health *h);

/** follow_go_on() - a session has ended: it may be the next volume's turn */
void follow_go_on(struct manager *m);

/** follow_ended() - the session for this device has ended */
void follow_ended(struct manager *m, const char *name, bool done);

#endif
