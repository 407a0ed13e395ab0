/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real envelope-provider, over its socket and shared memory, as envelope-keyd has it. */
#ifndef ENVELOPE_WORKER_PROCESS_H
#define ENVELOPE_WORKER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "kek-config.h"
#include "worker-protocol.h"

#define NOBODY		65534 /* who workers are, where the tests are root's */
#define REQUEST_ID	4711
#define CALL_DEADLINE_S 10 /* as envelope-keyd has it: later is not at all */

struct worker_process {
	pid_t pid;
	int socket;
	struct envelope_worker_memory *memory;
};

/** worker_program() - which program the others start */
void worker_program(const char *path);

/** zygote_start() - the program itself; Return: its process, which the caller waits for */
pid_t zygote_start(int *socket);

/**
 * zygote_send_order() - what envelope-keyd sends, or something like it
 * @n: how many of the two descriptors come with it
 */
ssize_t zygote_send_order(int zygote, const void *order, size_t size, const int *fds, size_t n);

/** worker_start() - a worker of a zygote of its own */
void worker_start(struct worker_process *w, const struct envelope_kek_config *config);

/** worker_stop() - hang up; Return: its exit status */
int worker_stop(struct worker_process *w);

/** worker_kill() - and wait until it is dead */
void worker_kill(struct worker_process *w);

/** worker_request() - a request without parameters, in cell 0 */
struct envelope_worker_request worker_request(uint32_t op);

/** worker_deadline() - one that is so far away */
uint64_t worker_deadline(unsigned int ms);

/** worker_unwrap_request() - for what a reply to WRAP holds, in cell 2 */
struct envelope_worker_request worker_unwrap_request(const struct envelope_worker_reply *wrapped);

/** worker_send() - a request, without waiting for its reply; where it has no deadline, a usual one
 */
void worker_send(struct worker_process *w, const struct envelope_worker_request *request);

/** worker_receive() - the next reply, which is well-formed and in time, or the test fails */
struct envelope_worker_reply worker_receive(struct worker_process *w);

/** worker_ask() - both; @request has the id that worker_request() gave it */
struct envelope_worker_reply worker_ask(struct worker_process *w,
					const struct envelope_worker_request *request);
struct envelope_worker_reply worker_ask_op(struct worker_process *w, uint32_t op);

struct worker_use {
	unsigned int descriptors, sockets;
	unsigned long resident; /* bytes */
};

/** worker_measure() - what it has of the machine; for root alone */
struct worker_use worker_measure(const struct worker_process *w);

#endif
