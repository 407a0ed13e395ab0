/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encryption sets, in a session: how a volume becomes one of a set. */
#ifndef KEYD_SETS_H
#define KEYD_SETS_H

#include "op.h"
#include "policy.h"

/** set_make() - a set of this policy; EXISTS */
int set_make(struct op *op, const char *name, const struct policy *policy,
	     struct envelope_token *set, struct envelope_error *e);

/**
 * set_renew() - a fresh secret for a set, by the newest versions of its KEKs
 * @policy:  by others; NULL: by its own
 * @dry_run: only tell
 * @due:     it was not by these; else nothing is done
 * @set:     as it is then
 *
 * Its volumes open as before, and are of the set again once they are sealed anew. NOT_FOUND, CONFIG
 */
int set_renew(struct op *op, const char *name, const struct policy *policy, bool dry_run, bool *due,
	      struct envelope_token *set, struct envelope_error *e);

/** set_seal() - as seal_slot(), with the shares of a set */
int set_seal(struct op *op, const char *name, const struct envelope_geometry *geometry,
	     unsigned int slot, const uint8_t *dek, struct envelope_token *token,
	     struct envelope_error *e);

/** set_has() - is this a slot with the shares that the set has now? NOT_FOUND, CONFIG */
int set_has(struct op *op, const char *name, const struct envelope_token *token, bool *has,
	    struct envelope_error *e);

#endif
