/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host trusts of an unlocked volume, as its slots change. Trust is widened before a slot
 * is written and narrowed after one is dropped, so that power may fail at any point.
 */
#ifndef KEYD_TRUST_H
#define KEYD_TRUST_H

#include "unlock.h"

/** trust_widen() - the slot that is about to be written too; LIMIT, IO */
int trust_widen(struct op *op, struct unlocked *u, const struct envelope_token *token,
		struct envelope_error *e);

/**
 * trust_narrow() - no KEK any more that no slot names, @u having its slots read anew
 *
 * What the host does not trust now, it does not trust because a slot went.
 */
int trust_narrow(struct op *op, struct unlocked *u, struct envelope_error *e);

#endif
