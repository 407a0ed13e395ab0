/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovery keys, which come and go by a descriptor that the client passes, never in a message. */
#ifndef KEYD_RECOVER_H
#define KEYD_RECOVER_H

#include "unlock.h"

/** recovery_print() - write a recovery key there, as a line; it is never shown again */
int recovery_print(struct op *op, const uint8_t *key, struct envelope_error *e);

/** recover() - read it from there, and open a volume by it: as gather(), and asks no provider */
int recover(struct op *op, const struct unlock_by *by, struct unlocked *u,
	    struct envelope_error *e);

#endif
