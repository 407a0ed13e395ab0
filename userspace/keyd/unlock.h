/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a disk to its DEK. */
#ifndef KEYD_UNLOCK_H
#define KEYD_UNLOCK_H

#include "op.h"
#include "pin.h"
#include "volume.h"

/** struct unlocked - a volume whose DEK was had and proved right in every way */
struct unlocked {
	const char *about;		/* its name, for messages */
	struct envelope_volume *volume; /* NULL: an encryption set, see sets.h */
	const struct envelope_geometry *geometry;
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	size_t n_slots;
	size_t opened;		 /* index of the slot that opened it, or was to */
	uint32_t shares;	 /* of it, that did: bits */
	struct envelope_pin pin; /* that it has passed */
	uint8_t *dek;		 /* locked memory */
	uint8_t (*all_shares)[ENVELOPE_SHARE_BYTES]; /* of the slot that opened it, if wanted;
							locked */
	bool had;				     /* it was unwrapped */
	bool pinned;				     /* by this very unlock */
};

/**
 * struct unlock_by - how
 * @accept_new: pin a volume that has no pin or another one
 * @copy:	do not: it is to have a uuid of its own
 * @without:	ids of slots that are not to open it, bits
 * @recovery:	by the recovery key that the client passes, and no KEK
 * @sleep:	it was locked for sleep, and is to be as before
 */
struct unlock_by {
	bool accept_new, copy;
	uint32_t without;
	bool recovery, sleep;
};

/**
 * unlock() - from a disk to its DEK
 * @header: where its header is, if not on the device; else ""
 * @by:	    NULL: as any volume
 *
 * Header, slot, commitment, seal, digest, witness and pin are all checked; whatever is
 * wrong with any of them is an error. @u is to be given to unlock_free() in any case.
 */
int unlock(struct op *op, const char *device, const char *header, const struct unlock_by *by,
	   struct unlocked *u, struct envelope_error *e);

/** unlock_disk() - the same, of a request's own */
static inline int unlock_disk(struct op *op, const struct op_disk *disk, const struct unlock_by *by,
			      struct unlocked *u, struct envelope_error *e)
{
	return unlock(op, disk->device, disk->header, by, u, e);
}
void unlock_free(struct unlocked *u);
#define _cleanup_unlocked_ __attribute__((cleanup(unlock_free)))

/**
 * opened_by() - what opened it, for the main process
 *
 * Where nothing did, what is tried first; no shares where there is not even a slot.
 */
void opened_by(struct op *op, const struct unlocked *u, struct broker_opened *opened);

/**
 * slot_is_there() - find a slot by its number
 * @slot: may be -1, which none has
 * @at:	  its place in @u->slots
 */
bool slot_is_there(const struct unlocked *u, int slot, size_t *at);

/**
 * slot_trusted() - may the key of an unlocked volume be sealed anew for the KEKs of this slot?
 *
 * That one slot opened says nothing of the others. PIN_MISMATCH
 */
int slot_trusted(const struct unlocked *u, const struct envelope_token *token,
		 struct envelope_error *e);

/** opened_lease() - seconds that a device opened so may run without a proof */
unsigned int opened_lease(const struct broker_opened *opened);

#endif
