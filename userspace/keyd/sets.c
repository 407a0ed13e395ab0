// SPDX-License-Identifier: GPL-2.0-or-later
#include "sets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "broker-client.h"
#include "crypto.h"
#include "gather.h"
#include "kek.h"
#include "log.h"
#include "seal.h"
#include "set.h"
#include "shamir.h"

#define SECRET_BYTES 32 /* that a set seals */

static int seal_secret(struct op *op, const struct envelope_geometry *geometry,
		       const struct policy *policy, struct envelope_token *set,
		       struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *sealed = envelope_secret_alloc(SECRET_BYTES);

	if (!sealed)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	if (envelope_random(sealed, SECRET_BYTES))
		return envelope_fail(e, ENVELOPE_E_FAILED, "no random numbers for a set");
	return seal_slot(op, geometry, 0, policy, sealed, set, e);
}

int set_make(struct op *op, const char *name, const struct policy *policy,
	     struct envelope_token *set, struct envelope_error *e)
{
	struct envelope_geometry geometry;
	int r = envelope_set_geometry(NULL, &geometry, e);

	if (!r)
		r = seal_secret(op, &geometry, policy, set, e);
	if (!r)
		r = envelope_set_write(op->manager->sets_dir, name, set, e);
	return r ? r : broker_set(op, set, e);
}

/* The lock is held: nobody else gives it a secret meanwhile, and volumes of two would be of two
 * sets */
static int renew(struct op *op, const char *name, const struct policy *policy, bool dry_run,
		 bool *due, struct envelope_token *set, struct envelope_error *e)
{
	struct envelope_geometry geometry;
	struct policy own;
	bool current = false;
	int r = envelope_set_load(op->manager->sets_dir, name, set, e);

	if (!r && (!policy || policy_is(policy, set)))
		r = kek_current(op, set, &current, e);
	*due = !current;
	if (r || current || dry_run)
		return r;
	policy_of(set, &own);
	op_step(op, "wrapping the secret of set %s anew", name);
	r = envelope_set_geometry(set->uuid, &geometry, e);
	if (!r)
		r = seal_secret(op, &geometry, policy ?: &own, set, e);
	if (!r)
		r = envelope_set_replace(op->manager->sets_dir, name, set, e);
	if (!r)
		r = broker_set(op, set, e);
	if (!r)
		log_line(LOG_NOTICE,
			 &(struct log_fields) { .id = LOG_ID_SET, .kek = set->shares[0].kek },
			 "encryption set %s is wrapped anew", name);
	return r;
}

int set_renew(struct op *op, const char *name, const struct policy *policy, bool dry_run, bool *due,
	      struct envelope_token *set, struct envelope_error *e)
{
	int lock = open(op->manager->sets_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (lock < 0 || flock(lock, LOCK_EX))
		r = envelope_fail_file(e, op->manager->sets_dir, errno);
	else
		r = renew(op, name, policy, dry_run, due, set, e);
	if (lock >= 0)
		close(lock);
	return r;
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
