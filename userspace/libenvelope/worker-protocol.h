/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What envelope-keyd and a worker (envelope-provider) say to each other over a
 * SOCK_SEQPACKET socketpair: fixed structures, so that there is nothing to parse.
 *
 * A worker is ordered of the zygote, with its socket and memory; it begins with a message
 * of the protocol number, whose credentials name the process.
 *
 * The worker answers each request once, in any order, and no later than its deadline. Shares
 * never travel in a message: request and reply name a cell of a small shared memory, which both
 * sides wipe after use. Each side checks everything it reads: sizes, the
 * protocol number, terminators, ranges.
 *
 * A cell is in use until the worker has answered, which may write to it as long as it has not. So a
 * request that is cancelled is answered too: as CANCELED, at once, or as it was, where that
 * answer was sent already. A CANCEL itself has no answer.
 *
 * CANCELED for a request that was not cancelled means that this worker cannot do it, did nothing of
 * it, and ends: the next one may be asked.
 */
#ifndef ENVELOPE_WORKER_PROTOCOL_H
#define ENVELOPE_WORKER_PROTOCOL_H

#include <stdint.h>

#include "kek-config.h"
#include "provider-state.h"
#include "token.h"

#define ENVELOPE_WORKER_PROTOCOL  5
#define ENVELOPE_ZYGOTE_SOCKET_FD 3
#define ENVELOPE_WORKER_SOCKET_FD 3
#define ENVELOPE_WORKER_MEMORY_FD 4  /* a memfd of struct envelope_worker_memory, sealed in size */
#define ENVELOPE_WORKER_CELLS	  16 /* requests under way at once */
#define ENVELOPE_WORKER_TIME_MAX  60000000ULL /* µs that a deadline may be away */

/* Those that change the KEK, those that look at it, those that use it */
enum envelope_worker_op {
	ENVELOPE_WORKER_CREATE = 1, /* make the KEK, version 1 */
	ENVELOPE_WORKER_ROTATE,	    /* add a version; the reply names it */
	ENVELOPE_WORKER_ENABLE,	    /* request.version, or all where that is empty */
	ENVELOPE_WORKER_DISABLE,    /* the same */
	ENVELOPE_WORKER_ATTRIBUTES, /* state of the KEK; the reply names the current version */
	ENVELOPE_WORKER_VERSION,    /* version number request.index, counted from 0 */
	ENVELOPE_WORKER_WRAP,	    /* the cell's share, by the current version */
	ENVELOPE_WORKER_UNWRAP,	    /* request.wrapped into the cell */
	ENVELOPE_WORKER_OPS,
	/* No work: what was asked as request.id is not needed any more */
	ENVELOPE_WORKER_CANCEL = ENVELOPE_WORKER_OPS,
};

/* To the zygote; by SCM_RIGHTS come the worker's socket and its memory */
struct envelope_worker_order {
	uint32_t protocol;
	struct envelope_kek_config config;
};

struct envelope_worker_memory {
	uint8_t cells[ENVELOPE_WORKER_CELLS][ENVELOPE_SHARE_BYTES];
};

struct envelope_worker_request {
	uint32_t protocol;
	uint32_t op; /* enum envelope_worker_op */
	uint64_t id; /* echoed */
	/*
	 * µs of boot time. No time that is left: a request may lie in the socket until a worker
	 * that blocks reads it, and then it is over all the same.
	 */
	uint64_t deadline;
	uint32_t cell;
	uint32_t index;
	uint32_t wrapped_size;
	char version[ENVELOPE_KEK_VERSION_MAX + 1];
	char algorithm[ENVELOPE_ALGORITHM_MAX + 1];
	uint8_t wrapped[ENVELOPE_WRAPPED_MAX];
};

struct envelope_worker_reply {
	uint32_t protocol;
	uint32_t op;
	uint64_t id;
	uint32_t code;	   /* enum envelope_code */
	uint32_t state;	   /* enum envelope_provider_state, of the KEK or the version asked for;
			    * counts where code is not 0 only for UNWRAP, which judges health */
	uint32_t versions; /* how many there are (ATTRIBUTES) */
	uint32_t unbacked; /* 1: no backup holds it as it is (ATTRIBUTES) */
	uint32_t recoverability; /* enum envelope_recoverability (ATTRIBUTES) */
	uint32_t changed;	 /* 1: something was otherwise before (ENABLE, DISABLE) */
	uint32_t wrapped_size;
	char version[ENVELOPE_KEK_VERSION_MAX + 1];
	char algorithm[ENVELOPE_ALGORITHM_MAX + 1];
	/* Of the version named; times are text, or empty where the provider has none */
	char created[ENVELOPE_TIME_TEXT + 1];
	char not_before[ENVELOPE_TIME_TEXT + 1];
	char expires[ENVELOPE_TIME_TEXT + 1];
	char date[ENVELOPE_TIME_TEXT + 1]; /* of the provider's clock (ATTRIBUTES) */
	char message[256];		   /* where code is not ENVELOPE_OK */
	char cure[256];
	uint8_t wrapped[ENVELOPE_WRAPPED_MAX];
};

#endif
