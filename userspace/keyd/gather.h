/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the slots of a volume to its DEK: shares from providers, until one slot has enough. */
#ifndef KEYD_GATHER_H
#define KEYD_GATHER_H

#include "unlock.h"

/**
 * gather() - unwrap until a slot opens
 * @u: with its slots; dek, opened, shares and had are filled
 *
 * All shares of a slot are asked for at once, and the first ones that are enough open it: who does
 * not answer holds up nobody. The next slot is tried beside it when this one cannot open any more,
 * or has not for a second. A share that does not match its commitment is as good as none, and
 * whose KEK gave it is told.
 */
int gather(struct op *op, const struct unlock_by *by, struct unlocked *u, struct envelope_error *e);

#endif
