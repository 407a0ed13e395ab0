/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a DEK to a slot. */
#ifndef KEYD_SEAL_H
#define KEYD_SEAL_H

#include "op.h"
#include "policy.h"

/**
 * seal_slot() - a fresh token for @dek: a fresh secret, whose shares are wrapped anew
 *
 * What each KEK wrapped is unwrapped and compared, and the DEK is had from it once.
 */
int seal_slot(struct op *op, const struct envelope_geometry *geometry, unsigned int slot,
	      const struct policy *policy, const uint8_t *dek, struct envelope_token *token,
	      struct envelope_error *e);

/** seal_token() - the last step: seal @dek into a token that has its shares, and prove that */
int seal_token(struct envelope_token *token, const struct envelope_geometry *geometry,
	       const uint8_t *secret, const uint8_t *dek, struct envelope_error *e);

#endif
