/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's inventory, as sessions keep it; see record.h. */
#ifndef KEYD_INVENTORY_H
#define KEYD_INVENTORY_H

#include "unlock.h"

/**
 * struct inventory_entry - what is to be recorded of a volume
 * @device, @header: where it is; @header is "" where that is on the device
 * @slots, @n:	     those that its header has
 * @coming:	     one that is about to be written, or NULL: power may fail before it is noted
 */
struct inventory_entry {
	const char *device, *header, *uuid;
	const struct envelope_slot *slots;
	size_t n;
	const struct envelope_token *coming;
};

/**
 * inventory_note() - record a volume, in place of what was known of it
 *
 * An inventory that cannot be written is logged, and no error: the volume is not worse for it.
 */
void inventory_note(struct op *op, const struct inventory_entry *entry);

/** inventory_note_disk() - the same, of what a request has unlocked, with its slots read anew */
static inline void inventory_note_disk(struct op *op, const struct op_disk *disk,
				       const struct unlocked *u,
				       const struct envelope_token *coming)
{
	inventory_note(op,
		       &(struct inventory_entry) { disk->device, disk->header, u->geometry->uuid,
						   u->slots, u->n_slots, coming });
}

/**
 * inventory_set() - of which set is this slot?
 * @name: "" where it is of none that is there: it has the shares of none, and no record says so
 */
void inventory_set(struct op *op, const char *uuid, const struct envelope_token *token,
		   char name[static ENVELOPE_KEK_NAME_MAX + 1]);

/** inventory_knows() - are these the slots, all of them, that this host has seen or written last?
 */
bool inventory_knows(struct op *op, const char *uuid, const struct envelope_slot *slots, size_t n);

/** inventory_forget() - the volume is no more */
void inventory_forget(struct op *op, const char *uuid);

#endif
