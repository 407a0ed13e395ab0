/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions: one forked process for each request under way. It runs plain sequential
 * code that may wait for a disk, writes progress and result on the client's socket
 * itself, and dies. The main process kills it when it shows no sign of life.
 */
#ifndef KEYD_SESSION_H
#define KEYD_SESSION_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "broker.h"
#include "json.h"
#include "rights.h"
#include "worker.h"

#define SESSION_SILENCE_S 120 /* without a sign of life */
#define SESSION_CALLS_S	  30  /* for all that it asks of providers */

struct client;
struct manager;
struct method;

struct session {
	LIST_ENTRY(session) link;
	struct manager *manager;
	struct client *client; /* NULL: nobody waits (any more) */
	const struct method *method;
	bool own;			 /* envelope-keyd's: no client asked for it */
	struct identity who;		 /* else: who did */
	char device[TABLE_NAME_MAX + 1]; /* of a session of our own; "": of a client's */
	pid_t pid;
	int fd; /* of the broker */
	sd_event_source *io, *child, *deadline;
	struct broker_secrets *secrets;
	uint64_t disk[2];	       /* locked; zeros: none */
	char name[TABLE_NAME_MAX + 1]; /* locked; "": none */
	bool calling;		       /* a worker works for it */
	uint64_t waiting;	       /* for an answer since then, µs of boot time; 0: for none */
	uint64_t waited;	       /* for answers, in all, in µs */
	struct worker_call call;
	TAILQ_HEAD(, unwrap) unwraps; /* see unwraps.h */
	sd_event_source *patience;    /* it waits for one of them */
	uint64_t unwrapped; /* when the first share was asked for, µs of boot time; 0: none */
	bool activated;	    /* the main process has loaded a table for it: */
	struct table table; /* this one */
	bool reloaded;	    /* that is, instead of another */
};

/**
 * session_start() - run a method in a process of its own
 * @client:	NULL for a device that is taken over, or follows its KEK
 * @parameters: may be NULL
 * @more:	the client wants progress
 */
int session_start(struct manager *m, struct client *client, const struct method *method,
		  struct json_object *parameters, bool more, struct envelope_error *e);

/** session_has_room() - for one more of this method? */
bool session_has_room(const struct manager *m, const struct method *method);

/** session_reply() - answer the broker request of a session, and give it more time */
void session_reply(struct session *session, const struct broker_reply *reply);

/** session_abort() - kill it; it is cleaned up when it is dead */
void session_abort(struct session *session, const char *why);

#endif
