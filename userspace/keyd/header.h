/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes with every change of a header. */
#ifndef KEYD_HEADER_H
#define KEYD_HEADER_H

#include "unlock.h"

/** header_begin() - before the first change: may the disk be written? Then back its header up */
int header_begin(struct op *op, struct envelope_volume *volume, struct envelope_error *e);

/**
 * header_changed() - after the last one
 * @u:	  with its slots read anew
 * @slot: id of the one by which the change was made
 *
 * A device that is open hangs on the slot that opened the device, as it is now, from here on. Where
 * that is gone, on @slot, or where that has a recovery key, on the first other one, unproved.
 */
void header_changed(struct op *op, struct unlocked *u, unsigned int slot);

#endif
