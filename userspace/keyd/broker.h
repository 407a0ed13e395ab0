/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a session, the forked process that works for one request, asks of the main
 * process. Fixed structures over a SOCK_SEQPACKET socketpair, one request at a time;
 * secrets only in memory that the two share. As in OpenSSH's monitor, a table says
 * which session may ask what.
 */
#ifndef KEYD_BROKER_H
#define KEYD_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "kek-config.h"
#include "pin.h"
#include "secret.h"
#include "table.h"
#include "token.h"
#include "worker-protocol.h"

enum broker_op {
	BROKER_ALIVE,	     /* the session makes progress: its deadline begins anew */
	BROKER_LOCK_DISK,    /* be the only one that changes this disk; until the session ends */
	BROKER_LOCK_NAME,    /* the same for a mapping */
	BROKER_KEK_DECLARED, /* the host declares request.declared */
	BROKER_KEK_READ,     /* let the KEK's worker do request.worker: ATTRIBUTES, VERSION */
	BROKER_KEK_USE,	     /* WRAP, UNWRAP: secrets.share is read or filled */
	BROKER_UNWRAP,	     /* begin to unwrap request.worker into secrets.cells[request.cell] */
	BROKER_UNWRAPPED,    /* the next of these that is done: reply.cell, reply.worker */
	BROKER_UNWRAP_END,   /* the others are not needed any more */
	BROKER_DOUBT,	     /* what request.kek unwrapped is not what was sealed: ask it anew */
	BROKER_SET,	     /* request.opened.token is an encryption set's */
	BROKER_KEK_CHANGE,   /* CREATE, ROTATE */
	BROKER_ACTIVATE,     /* put secrets.dek into the keyring and load request.table with it */
	BROKER_RELOAD,	     /* load request.table with the key that is there */
	BROKER_SET_KEY,	     /* put secrets.dek into the keyring and hand it to the mapping */
	BROKER_OPENED,	     /* this is what the mapping depends on */
	BROKER_LOCK,	     /* take its key from a mapping, until somebody says unlock */
	BROKER_WOKEN,	     /* the mapping is not to be asleep any more */
	BROKER_FORGET,	     /* the mapping is gone: drop its key */
	BROKER_PROBLEM,	     /* a device could not be taken over: request.error says why */
	BROKER_DONE,	     /* the work is done: unlock, before the client is told */
	BROKER_OPS,
};

/** struct broker_opened - by what a device was opened, or would be */
struct broker_opened {
	struct envelope_token token;
	struct envelope_kek_config configs[ENVELOPE_SHARES_MAX];
	struct envelope_pin pin; /* uuid "": it was not read */
	uint32_t declared;	 /* bits: these shares have a config */
	uint32_t proved;	 /* bits: these were unwrapped by this session */
	bool guessed;		 /* it was not, and who knows by which slot it was before */
};

struct broker_request {
	uint32_t op;
	uint32_t cell;	   /* UNWRAP: less than BROKER_CELLS, and not in use */
	uint32_t patience; /* UNWRAPPED: ms to wait for one */
	uint64_t disk[2];  /* identity, see op_lock_disk() */
	char kek[ENVELOPE_KEK_NAME_MAX + 1];
	struct envelope_kek_config declared;
	char name[TABLE_NAME_MAX + 1];
	bool asleep; /* LOCK: until the machine wakes */
	struct envelope_worker_request worker;
	struct table table;
	struct broker_opened opened;
	struct envelope_error error;
};

struct broker_reply {
	struct envelope_error error; /* code ENVELOPE_OK where all is well */
	uint32_t cell;		     /* UNWRAPPED: BROKER_CELLS where none was done in time */
	struct envelope_worker_reply worker;
};

#define BROKER_PAGE	    4096
#define BROKER_CELLS	    32	  /* unwraps of a session at once */
#define BROKER_PATIENCE_MAX 60000 /* ms */

/**
 * struct broker_secrets - shared by a session and the main process; each wipes what it has read
 * @pool: what else the session has, which the main process wipes where it cannot
 */
struct broker_secrets {
	uint8_t share[ENVELOPE_SHARE_BYTES];
	uint8_t cells[BROKER_CELLS][ENVELOPE_SHARE_BYTES];
	uint8_t dek[ENVELOPE_DEK_MAX];
	_Alignas(BROKER_PAGE) uint8_t pool[16 * BROKER_PAGE];
};

#define BROKER_BIT(op) (1U << (op))

struct session;

/** broker_handle() - main process: answer a request of @session, now or later */
void broker_handle(struct session *session, const struct broker_request *request);

#endif
