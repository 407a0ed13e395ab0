/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a disk to its DEK, and from a DEK to a slot. */
#ifndef KEYD_UNLOCK_H
#define KEYD_UNLOCK_H

#include "op.h"
#include "pin.h"
#include "volume.h"

/** struct unlocked - a volume whose DEK was had and proved right in every way */
struct unlocked {
	struct envelope_volume *volume;
	const struct envelope_geometry *geometry;
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	size_t n_slots;
	size_t opened;		 /* index of the slot that opened it, or was to */
	unsigned int share;	 /* of it, that did */
	struct envelope_pin pin; /* that it has passed */
	uint8_t *dek;		 /* locked memory */
	bool had;		 /* it was unwrapped */
	bool pinned;		 /* by this very unlock */
};

/**
 * unlock() - from a disk to its DEK
 * @accept_new: pin a volume that has no pin or another one
 *
 * Header, slot, commitment, seal, digest, witness and pin are all checked; whatever is
 * wrong with any of them is an error. @u is to be given to unlock_free() in any case.
 */
int unlock(struct op *op, const char *device, bool accept_new, struct unlocked *u,
	   struct envelope_error *e);
void unlock_free(struct unlocked *u);
#define _cleanup_unlocked_ __attribute__((cleanup(unlock_free)))

/**
 * opened_by() - what opened it, for the main process
 *
 * Where nothing did, what is tried first; no shares where there is not even a slot.
 */
void opened_by(struct op *op, const struct unlocked *u, struct broker_opened *opened);

/** opened_lease() - seconds that a device opened so may run without a proof */
unsigned int opened_lease(const struct broker_opened *opened);

/** seal_slot() - a fresh token for @dek whose shares are wrapped anew by @keks */
int seal_slot(struct op *op, const struct envelope_geometry *geometry, unsigned int slot,
	      const char *const *keks, unsigned int n_keks, const uint8_t *dek,
	      struct envelope_token *token, struct envelope_error *e);

#endif
