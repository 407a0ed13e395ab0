/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of envelope-provider. */
#ifndef ENVELOPE_WORKER_H
#define ENVELOPE_WORKER_H

#include <stdbool.h>

#include "provider.h"

/**
 * worker_request_valid() - may this be answered at all?
 *
 * Checks all that the protocol fixes: number, operation, cell, terminators, sizes.
 */
bool worker_request_valid(const struct envelope_worker_request *request);

/**
 * worker_answer() - carry one valid request out
 * @cell: the share's place in the shared memory, wiped where it was an input
 */
void worker_answer(const struct envelope_provider *provider, struct envelope_provider_key *key,
		   const struct envelope_worker_request *request, uint8_t *cell,
		   struct envelope_worker_reply *reply);

/**
 * worker_run() - answer requests until the other side hangs up
 * Return: 0 at the end, -errno, -EPROTO after a request that is not valid.
 */
int worker_run(int socket, struct envelope_worker_memory *memory,
	       const struct envelope_provider *provider, struct envelope_provider_key *key);

/**
 * zygote_run() - fork a worker for each order until the other side hangs up
 * @worker: what it does, with its descriptors in place; returns its exit status
 *
 * Return: 0 at the end, -errno, -EPROTO after an order that is not valid.
 */
int zygote_run(int socket, int (*worker)(const struct envelope_kek_config *config));

/** worker_sandbox() - give up every system call that no provider needs; 0 or -errno */
int worker_sandbox(void);

#endif
