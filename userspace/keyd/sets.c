// SPDX-License-Identifier: GPL-2.0-or-later
#include "sets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker-client.h"
#include "crypto.h"
#include "gather.h"
#include "seal.h"
#include "set.h"
#include "shamir.h"

#define SECRET_BYTES 32 /* that a set seals */

int set_make(struct op *op, const char *name, const struct policy *policy,
	     struct envelope_token *set, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *sealed = envelope_secret_alloc(SECRET_BYTES);
	struct envelope_geometry geometry;
	int r;

	if (!sealed)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	if (envelope_random(sealed, SECRET_BYTES))
		return envelope_fail(e, ENVELOPE_E_FAILED, "no random numbers for a set");
	r = envelope_set_geometry(NULL, &geometry, e);
	if (!r)
		r = seal_slot(op, &geometry, 0, policy, sealed, set, e);
	if (!r)
		r = envelope_set_write(op->manager->sets_dir, name, set, e);
	return r ? r : broker_set(op, set, e);
}

/* An unlock of what is no volume */
static int open_set(struct op *op, const char *name, struct unlocked *u,
		    struct envelope_geometry *geometry, struct envelope_error *e)
{
	static const struct unlock_by by = {};
	struct envelope_token *set = &u->slots[0].token;
	int r = envelope_set_load(op->manager->sets_dir, name, set, e);

	if (!r)
		r = envelope_set_geometry(set->uuid, geometry, e);
	if (r)
		return r;
	u->about = name;
	u->geometry = geometry;
	u->n_slots = 1;
	u->dek = envelope_secret_alloc(SECRET_BYTES);
	u->all_shares = envelope_secret_alloc(ENVELOPE_SHARES_MAX * sizeof(*u->all_shares));
	if (!u->dek || !u->all_shares)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = broker_set(op, set, e);
	return r ? r : gather(op, &by, u, e);
}

/* The secret, from the first of its shares that are enough */
static void combine(const struct envelope_token *token, const struct unlocked *u, uint8_t *secret)
{
	uint8_t indices[ENVELOPE_SHARES_MAX];

	for (unsigned int i = 0; i < token->threshold; i++)
		indices[i] = token->shares[i].index;
	envelope_shamir_combine(indices, u->all_shares[0], token->threshold, 0, secret);
}

static int seal(const struct unlocked *set, const struct envelope_geometry *geometry,
		unsigned int slot, const uint8_t *dek, struct envelope_token *token,
		struct envelope_error *e)
{
	const struct envelope_token *of = &set->slots[0].token;
	_cleanup_secret_ uint8_t *polynomial =
		envelope_secret_alloc(of->threshold * ENVELOPE_SHARE_BYTES);
	int r;

	if (!polynomial)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	/* Its own salt and nonce; of the polynomial, the set's secret */
	r = envelope_token_begin(token, geometry, slot, of->threshold, polynomial, e);
	if (r)
		return r;
	token->n_shares = of->n_shares;
	memcpy(token->shares, of->shares, sizeof(token->shares));
	for (unsigned int i = 0; i < token->n_shares && !r; i++)
		r = envelope_token_commit(token, i, set->all_shares[i], e);
	combine(token, set, polynomial);
	return r ? r : seal_token(token, geometry, polynomial, dek, e);
}

int set_seal(struct op *op, const char *name, const struct envelope_geometry *geometry,
	     unsigned int slot, const uint8_t *dek, struct envelope_token *token,
	     struct envelope_error *e)
{
	_cleanup_unlocked_ struct unlocked set = {};
	struct envelope_geometry of;
	int r = open_set(op, name, &set, &of, e);

	return r ? r : seal(&set, geometry, slot, dek, token, e);
}

static bool is_same_share(const struct envelope_share *a, const struct envelope_share *b)
{
	return a->wrapped_size == b->wrapped_size && !strcmp(a->kek, b->kek) &&
	       !memcmp(a->wrapped, b->wrapped, a->wrapped_size);
}

int set_has(struct op *op, const char *name, const struct envelope_token *token, bool *has,
	    struct envelope_error *e)
{
	struct envelope_token set;
	int r = envelope_set_load(op->manager->sets_dir, name, &set, e);

	if (r)
		return r;
	*has = set.threshold == token->threshold && set.n_shares == token->n_shares;
	for (unsigned int i = 0; *has && i < set.n_shares; i++)
		*has = is_same_share(&set.shares[i], &token->shares[i]);
	return 0;
}
