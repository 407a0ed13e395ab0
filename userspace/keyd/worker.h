/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workers: one for each KEK that the host declares, forked from envelope-provider, as an
 * unprivileged user. What is known of a KEK here need not be read again.
 * Calls are queued, answered in any order, and always answered: by the worker, or
 * with an error when it dies, lies or is late. Those that are cancelled it is told.
 */
#ifndef KEYD_WORKER_H
#define KEYD_WORKER_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "error.h"
#include "kek-config.h"
#include "worker-protocol.h"

#define WORKERS_MAX	       64
#define WORKER_CALL_DEADLINE_S 9 /* what a worker is given: then it says itself that it failed */
#define WORKER_GRACE_S	       1 /* after that: then it hangs */

struct manager;
struct worker;

struct worker_call {
	TAILQ_ENTRY(worker_call) link;
	struct envelope_worker_request request; /* op, index, version, algorithm, wrapped */
	uint8_t *share;				/* WRAP: read; UNWRAP: filled */
	void (*done)(struct worker_call *call, const struct envelope_worker_reply *reply);
	uint64_t patience; /* µs, if less than any call has; 0: it is not */
	/* private */
	struct worker *worker; /* NULL: not under way */
	int cell;	       /* -1: waits to be sent */
	bool again;	       /* its worker died once */
	sd_event_source *deadline;
};

/**
 * worker_declare() - what the host says of a KEK: start its worker; LIMIT, FAILED
 *
 * What was known of it before stays, unless it is in doubt.
 */
int worker_declare(struct manager *m, const struct envelope_kek_config *config,
		   struct envelope_error *e);

/** worker_config() - what the host said of a KEK; NULL where it was not asked, or declares none */
const struct envelope_kek_config *worker_config(const struct manager *m, const char *kek);

/**
 * worker_call() - let the KEK's worker do something
 * @call: zeroed but for its public fields; belongs to the worker until @call->done
 *
 * @call->done is not called where this fails. KEK_UNDECLARED
 */
int worker_call(struct manager *m, const char *kek, struct worker_call *call,
		struct envelope_error *e);

/** worker_cancel() - the caller goes away: forget the call, done is not called */
void worker_cancel(struct worker_call *call);

/** worker_doubt_all() - all declarations may have changed: those come now that hold */
void worker_doubt_all(struct manager *m);

/** worker_end_doubted() - and those that did not come, are no more */
void worker_end_doubted(struct manager *m);

/** worker_stop_all() - end and free all workers */
void worker_stop_all(struct manager *m);

/** worker_reply_valid() - may this answer be believed to be well-formed? */
bool worker_reply_valid(const struct envelope_worker_reply *reply, size_t size);

#endif
