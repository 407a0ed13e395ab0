// SPDX-License-Identifier: GPL-2.0-or-later
#include "seal.h"

#include <errno.h>
#include <string.h>

#include "broker-client.h"
#include "recovery.h"
#include "sets.h"
#include "shamir.h"

int seal_token(struct envelope_token *token, const struct envelope_geometry *geometry,
	       const uint8_t *secret, const uint8_t *dek, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *back = envelope_secret_alloc(geometry->key_size);
	int r;

	if (!back)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = envelope_token_seal(token, geometry, secret, dek, e);
	if (!r)
		r = envelope_token_open(token, geometry, secret, back, e);
	if (!r && !envelope_secret_equal(back, dek, geometry->key_size))
		r = envelope_fail(e, ENVELOPE_E_FAILED, "a slot just sealed opens to another key");
	return r;
}

static int wrap_share(struct op *op, const struct policy *policy, unsigned int i,
		      const uint8_t *polynomial, struct envelope_token *token,
		      struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *plain = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	struct envelope_share *share = &token->shares[i];
	int r;

	if (!plain)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	share->index = i + 1;
	memcpy(share->kek, policy->keks[i], sizeof(share->kek));
	envelope_shamir_share(polynomial, policy->threshold, share->index, plain);
	if (policy->recovery)
		r = envelope_recovery_wrap(policy->recovery, token, plain, share, e);
	else
		r = broker_wrap(op, plain, share, e);
	return r ? r : envelope_token_commit(token, i, plain, e);
}

int seal_slot(struct op *op, const struct envelope_geometry *geometry, unsigned int slot,
	      const struct policy *policy, const uint8_t *dek, struct envelope_token *token,
	      struct envelope_error *e)
{
	/* The slot's secret first, and what the shares hide it in */
	_cleanup_secret_ uint8_t *polynomial =
		envelope_secret_alloc(policy->threshold * ENVELOPE_SHARE_BYTES);
	int r;

	if (*policy->set)
		return set_seal(op, policy->set, geometry, slot, dek, token, e);
	if (!polynomial)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = envelope_token_begin(token, geometry, slot, policy->threshold, polynomial, e);
	if (r)
		return r;
	token->n_shares = policy->n;
	for (unsigned int i = 0; i < policy->n && !r; i++)
		r = wrap_share(op, policy, i, polynomial, token, e);
	return r ? r : seal_token(token, geometry, polynomial, dek, e);
}
