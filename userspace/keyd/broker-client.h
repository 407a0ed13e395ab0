/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session's side of broker.h. Each waits for the main process; -code with @e filled. */
#ifndef KEYD_BROKER_CLIENT_H
#define KEYD_BROKER_CLIENT_H

#include "op.h"

void broker_alive(struct op *op);
int broker_lock_disk(struct op *op, const uint64_t disk[2], struct envelope_error *e);
int broker_lock_name(struct op *op, const char *name, struct envelope_error *e);
int broker_kek_declared(struct op *op, const struct envelope_kek_config *config,
			struct envelope_error *e);
int broker_kek(struct op *op, enum broker_op kind, const char *kek,
	       const struct envelope_worker_request *request, struct envelope_worker_reply *reply,
	       struct envelope_error *e);

/**
 * broker_wrap() - wrap @secret by the current version of a KEK, and prove that it unwraps
 * @share: index and kek are set; version, algorithm and wrapped are filled
 */
int broker_wrap(struct op *op, const uint8_t *secret, struct envelope_share *share,
		struct envelope_error *e);

/** broker_unwrap_begin() - let a provider unwrap @share into op->secrets->cells[@cell] */
int broker_unwrap_begin(struct op *op, const struct envelope_share *share, unsigned int cell,
			struct envelope_error *e);

/**
 * broker_unwrapped() - wait for the next of these
 * @patience: ms
 * @cell:     which it is; BROKER_CELLS where the time is over
 * @e:	      how it went: code ENVELOPE_OK where the cell has the share
 *
 * Return: 0, or -code with @e where there is nothing to wait for.
 */
int broker_unwrapped(struct op *op, unsigned int patience, unsigned int *cell,
		     struct envelope_error *e);

/** broker_unwrap_end() - the others are not needed any more */
void broker_unwrap_end(struct op *op);

/** broker_doubt() - what this KEK unwrapped is not what was sealed */
void broker_doubt(struct op *op, const char *kek);

/** broker_set() - these are an encryption set's shares, from now on */
int broker_set(struct op *op, const struct envelope_token *set, struct envelope_error *e);

/** broker_table() - ACTIVATE and SET_KEY take @dek, RELOAD has none; @opened may be NULL */
int broker_table(struct op *op, enum broker_op kind, const struct table *table,
		 const struct broker_opened *opened, const uint8_t *dek, struct envelope_error *e);

/** broker_opened() - what the mapping @name depends on */
void broker_opened(struct op *op, const char *name, const struct broker_opened *opened);

/** broker_lock() - take its key from a mapping; the target has done so within a second */
int broker_lock(struct op *op, const char *name, bool asleep, struct envelope_error *e);

/** broker_woken() - what sleeps locked is to get its key, if not now then when its KEKs are well */
void broker_woken(struct op *op, const char *name);
void broker_forget(struct op *op, const char *name);

/** broker_done() - give back what was locked: the client may go on as soon as it is told */
void broker_done(struct op *op);

/** broker_problem() - say why a device could not be taken over */
void broker_problem(struct op *op, const struct envelope_error *e);

#endif
