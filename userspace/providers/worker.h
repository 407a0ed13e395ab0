/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of envelope-provider. */
#ifndef ENVELOPE_WORKER_H
#define ENVELOPE_WORKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "provider.h"

/**
 * worker_request_valid() - may this be answered at all?
 * @now: worker_now()
 *
 * Checks all that the protocol fixes: number, operation, cell, deadline, terminators, sizes.
 */
bool worker_request_valid(const struct envelope_worker_request *request, uint64_t now);

/** worker_now() - µs of boot time, as deadlines are told */
uint64_t worker_now(void);

/**
 * worker_begin() - put a valid request, which is no CANCEL, to the provider
 * @cell: the share's place in the shared memory, wiped where it is an input
 * @call: zeroed but for @share, locked memory of its own, and @done, which may be called by now
 */
void worker_begin(const struct envelope_provider *provider, struct envelope_provider_key *key,
		  const struct envelope_worker_request *request, uint8_t *cell,
		  struct envelope_provider_call *call);

/**
 * worker_end() - what came of it; all of @call is wiped
 * @r: as @call->done had it
 */
void worker_end(const struct envelope_worker_request *request, uint8_t *cell,
		struct envelope_provider_call *call, int r, struct envelope_worker_reply *reply);

/** struct worker_view - what a worker sees of the file system */
struct worker_view {
	const char *directory; /* in which it may do all that a provider needs; NULL: nothing */
	/* private: which directory that was */
	dev_t device;
	ino_t inode;
};

/** struct worker - what a worker has; it frees none of it */
struct worker {
	sd_event *event;
	int socket;
	struct envelope_worker_memory *memory;
	const char *kek;
	const struct envelope_provider *provider;
	struct envelope_provider_key *key;
	struct worker_view view;
};

/**
 * worker_run() - answer requests until the other side hangs up
 *
 * No call is under way when it returns: 0 at the end, -errno, -EPROTO after a request that is not
 * valid.
 */
int worker_run(const struct worker *worker);

/**
 * zygote_run() - fork a worker for each order until the other side hangs up
 * @worker: what it does, with its descriptors in place; returns its exit status
 *
 * Return: 0 at the end, -errno, -EPROTO after an order that is not valid.
 */
int zygote_run(int socket, int (*worker)(const struct envelope_kek_config *config));

/** worker_limit() - have no more memory and descriptors than a provider needs; 0 or -errno */
int worker_limit(void);

/**
 * worker_confine() - see nothing of the file system but @view->directory
 *
 * That may not be there yet: then the directory above it is seen, in which it can be made.
 * Return: 0, -EOPNOTSUPP where this kernel has no Landlock, and all is seen still; -errno.
 */
int worker_confine(struct worker_view *view);

/** worker_view_stale() - is another directory there now, which it cannot see? */
bool worker_view_stale(const struct worker_view *view);

/** worker_sandbox() - give up every system call that no provider needs; 0 or -errno */
int worker_sandbox(void);

#endif
