// SPDX-License-Identifier: GPL-2.0-or-later
#include "gather.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker-client.h"
#include "kek.h"
#include "log.h"
#include "recovery.h"
#include "shamir.h"

#define PATIENCE_MS 1000  /* with a slot, before another is tried beside it */
#define LIMIT_MS    30000 /* for all */

enum stage { WAITS, ASKED, FAILED };

struct slot {
	const struct envelope_token *token;
	size_t number; /* in unlocked.slots */
	enum stage stage;
	uint32_t good, bad;				/* shares, bits */
	struct envelope_error why[ENVELOPE_SHARES_MAX]; /* it is bad */
	struct envelope_error broken;			/* enough shares did not open it */
	uint8_t (*plain)[ENVELOPE_SHARE_BYTES];
};

struct gathering {
	struct op *op;
	struct unlocked *u;
	size_t n_slots;
	bool recoverable; /* there is a slot of a recovery key, which is not tried here */
	struct slot slots[ENVELOPE_SLOTS_MAX]; /* in the order in which they are tried */
	/* What is asked for */
	struct {
		struct slot *slot; /* NULL: free */
		unsigned int share;
	} cells[BROKER_CELLS];
	uint8_t (*plain)[ENVELOPE_SHARES_MAX][ENVELOPE_SHARE_BYTES]; /* of all slots; locked */
};

static void gathering_freep(struct gathering **g)
{
	if (*g)
		envelope_secret_free((*g)->plain);
	free(*g);
}

static unsigned int count(uint32_t bits)
{
	return (unsigned int)__builtin_popcount(bits);
}

static int free_cells(const struct gathering *g, unsigned int *first)
{
	int n = 0;

	for (unsigned int i = BROKER_CELLS; i--;) {
		if (g->cells[i].slot)
			continue;
		*first = i;
		n++;
	}
	return n;
}

static void refuse(struct slot *slot, unsigned int share, const struct envelope_error *why)
{
	slot->bad |= 1U << share;
	slot->why[share] = *why;
	if (slot->token->n_shares - count(slot->bad) < slot->token->threshold)
		slot->stage = FAILED;
}

/* A provider that did not answer for another slot is not waited for again */
static const struct envelope_error *known_dead(const struct gathering *g, const char *kek)
{
	for (size_t i = 0; i < g->n_slots; i++) {
		const struct slot *slot = &g->slots[i];

		for (unsigned int share = 0; share < slot->token->n_shares; share++)
			if (slot->bad & 1U << share &&
			    slot->why[share].code == ENVELOPE_E_KEK_UNAVAILABLE &&
			    !strcmp(slot->token->shares[share].kek, kek))
				return &slot->why[share];
	}
	return NULL;
}

static void begin_share(struct gathering *g, struct slot *slot, unsigned int share)
{
	const struct envelope_share *s = &slot->token->shares[share];
	const struct envelope_error *dead = known_dead(g, s->kek);
	struct envelope_kek_config config;
	struct envelope_error e = {};
	unsigned int cell = 0;
	int r;

	if (dead)
		return refuse(slot, share, dead);
	free_cells(g, &cell);
	r = kek_declared(g->op, s->kek, &config, &e);
	if (!r)
		r = broker_unwrap_begin(g->op, s, cell, &e);
	if (r)
		return refuse(slot, share, &e);
	g->cells[cell].slot = slot;
	g->cells[cell].share = share;
}

/* The next slot, if there is one and there is room for it; one that fails at once is passed over */
static bool begin_slot(struct gathering *g)
{
	unsigned int unused;

	for (size_t i = 0; i < g->n_slots; i++) {
		struct slot *slot = &g->slots[i];

		if (slot->stage != WAITS)
			continue;
		if (free_cells(g, &unused) < (int)slot->token->n_shares)
			return false;
		slot->stage = ASKED;
		for (unsigned int share = 0; share < slot->token->n_shares; share++)
			begin_share(g, slot, share);
		if (slot->stage == ASKED)
			return true;
	}
	return false;
}

static bool any_asked(const struct gathering *g)
{
	for (size_t i = 0; i < g->n_slots; i++)
		if (g->slots[i].stage == ASKED)
			return true;
	return false;
}

/* Is there a slot that may open yet, and an answer to wait for? */
static bool goes_on(const struct gathering *g)
{
	unsigned int unused;

	for (size_t i = 0; i < g->n_slots; i++)
		if (g->slots[i].stage != FAILED)
			return free_cells(g, &unused) < BROKER_CELLS;
	return false;
}

/* Every share of the slot, where whoever asks needs them all */
static void fill_shares(const struct slot *slot, const uint8_t *indices, const uint8_t *shares,
			unsigned int n, struct unlocked *u)
{
	for (unsigned int i = 0; u->all_shares && i < slot->token->n_shares; i++)
		envelope_shamir_combine(indices, shares, n, slot->token->shares[i].index,
					u->all_shares[i]);
}

static int open_slot(struct gathering *g, struct slot *slot)
{
	const struct envelope_token *token = slot->token;
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	_cleanup_secret_ uint8_t *shares =
		envelope_secret_alloc(ENVELOPE_SHARES_MAX * ENVELOPE_SHARE_BYTES);
	uint8_t indices[ENVELOPE_SHARES_MAX];
	unsigned int n = 0;
	int r;

	if (!secret || !shares) {
		r = envelope_fail(&slot->broken, ENVELOPE_E_FAILED, "no locked memory: %s",
				  strerror(errno));
		slot->stage = FAILED;
		return r;
	}
	for (unsigned int share = 0; n < token->threshold; share++) {
		if (!(slot->good & 1U << share))
			continue;
		indices[n] = token->shares[share].index;
		envelope_secret_copy(shares + n++ * ENVELOPE_SHARE_BYTES, slot->plain[share],
				     ENVELOPE_SHARE_BYTES);
	}
	envelope_shamir_combine(indices, shares, n, 0, secret);
	r = envelope_token_open(token, g->u->geometry, secret, g->u->dek, &slot->broken);
	if (r)
		slot->stage = FAILED;
	else
		fill_shares(slot, indices, shares, n, g->u);
	return r;
}

static void accuse(struct gathering *g, struct slot *slot, unsigned int share)
{
	const char *kek = slot->token->shares[share].kek;
	const char *device = g->u->about;
	struct envelope_error e = {};

	if (slot->token->n_shares == 1)
		envelope_fail(&e, ENVELOPE_E_SEAL_BROKEN,
			      "%s: slot %u: KEK %s unwraps something else than was sealed", device,
			      slot->token->slot, kek);
	else /* what is said of the slot has its name already */
		envelope_fail(&e, ENVELOPE_E_SEAL_BROKEN,
			      "KEK %s unwraps something else than was sealed", kek);
	log_line(LOG_WARNING,
		 &(struct log_fields) {
			 .id = LOG_ID_HEALTH, .volume = g->u->geometry->uuid, .kek = kek },
		 "%s: %s", device, e.message);
	broker_doubt(g->op, kek);
	refuse(slot, share, &e);
}

/* Return: true when the slot is open */
static bool take(struct gathering *g, unsigned int cell, const struct envelope_error *e)
{
	struct slot *slot = g->cells[cell].slot;
	unsigned int share = g->cells[cell].share;
	uint8_t *plain = slot->plain[share];

	g->cells[cell].slot = NULL;
	if (e->code == ENVELOPE_OK)
		envelope_secret_copy(plain, g->op->secrets->cells[cell], ENVELOPE_SHARE_BYTES);
	envelope_secret_wipe(g->op->secrets->cells[cell], ENVELOPE_SHARE_BYTES);
	if (e->code != ENVELOPE_OK)
		refuse(slot, share, e);
	else if (!envelope_token_committed(slot->token, share, plain))
		accuse(g, slot, share);
	else
		slot->good |= 1U << share;
	/* What comes for a slot that failed is too late, and told all the same */
	if (slot->stage == FAILED || count(slot->good) < slot->token->threshold ||
	    open_slot(g, slot))
		return false;
	g->u->opened = slot->number;
	g->u->shares = slot->good;
	g->u->had = true;
	return true;
}

/* Why the first slot did not open: that is the one to show */
static int explain(const struct gathering *g, struct envelope_error *e)
{
	const struct slot *slot = &g->slots[0];
	const struct envelope_token *token = slot->token;
	const struct envelope_error *first = NULL;
	size_t used;

	if (slot->broken.code != ENVELOPE_OK || token->n_shares == 1) {
		*e = slot->broken.code != ENVELOPE_OK ? slot->broken : slot->why[0];
		if (e->code != ENVELOPE_OK)
			return -(int)e->code;
	}
	for (unsigned int i = 0; i < token->n_shares && !first; i++)
		if (slot->bad & 1U << i)
			first = &slot->why[i];
	envelope_fail(e, first ? first->code : ENVELOPE_E_KEK_UNAVAILABLE,
		      "%s: slot %u needs %u of its %u shares, and has %u", g->u->about, token->slot,
		      token->threshold, token->n_shares, count(slot->good));
	if (first && *first->cure)
		envelope_cure(e, "%s", first->cure);
	used = strlen(e->message);
	for (unsigned int i = 0; i < token->n_shares && used < sizeof(e->message); i++)
		if (!(slot->good & 1U << i))
			used += snprintf(e->message + used, sizeof(e->message) - used, "; %s%s",
					 slot->bad & 1U << i ? slot->why[i].message
							     : "no answer yet of KEK ",
					 slot->bad & 1U << i ? "" : token->shares[i].kek);
	return -(int)e->code;
}

/* Nothing opens it any more. Who is about to answer is heard, so that all is told that is wrong */
static void settle(struct gathering *g)
{
	uint64_t end = manager_now() + PATIENCE_MS * 1000ULL;
	struct envelope_error answer = {};
	unsigned int cell, unused;

	while (free_cells(g, &unused) < BROKER_CELLS && manager_now() < end) {
		if (broker_unwrapped(g->op, PATIENCE_MS, &cell, &answer))
			return;
		if (cell < BROKER_CELLS && g->cells[cell].slot)
			take(g, cell, &answer);
	}
}

static unsigned int patience(uint64_t end, bool more)
{
	uint64_t now = manager_now(), left = end > now ? (end - now) / 1000 : 0;

	return more && left > PATIENCE_MS ? PATIENCE_MS : left;
}

static int run(struct gathering *g, struct envelope_error *e)
{
	uint64_t end = manager_now() + LIMIT_MS * 1000ULL;
	struct envelope_error answer = {};
	unsigned int cell;
	bool more = begin_slot(g);

	while (goes_on(g) && manager_now() < end) {
		if (broker_unwrapped(g->op, patience(end, more), &cell, &answer))
			break;
		if (cell < BROKER_CELLS && g->cells[cell].slot && take(g, cell, &answer))
			return 0;
		if (cell == BROKER_CELLS || !any_asked(g))
			more = begin_slot(g);
	}
	settle(g);
	return explain(g, e);
}

/* By their ids; of two with the same one, either opens */
static void order(struct gathering *g, const struct unlock_by *by)
{
	for (unsigned int id = 0; id < ENVELOPE_SLOTS_MAX; id++) {
		for (size_t i = 0; i < g->u->n_slots; i++) {
			struct slot *slot = &g->slots[g->n_slots];

			if (g->u->slots[i].token.slot != id || by->without & 1U << id)
				continue;
			if (envelope_recovery_is(&g->u->slots[i].token.shares[0])) {
				g->recoverable = true;
				continue;
			}
			slot->token = &g->u->slots[i].token;
			slot->number = i;
			slot->plain = g->plain[g->n_slots++];
		}
	}
	g->u->opened = g->slots[0].number;
}

static int offer_recovery(struct envelope_error *e)
{
	char cure[sizeof(e->cure)];

	snprintf(cure, sizeof(cure), "%.400s; or open it by its recovery key: --recovery-key",
		 envelope_error_cure(e));
	return envelope_cure(e, "%s", cure);
}

int gather(struct op *op, const struct unlock_by *by, struct unlocked *u, struct envelope_error *e)
{
	__attribute__((cleanup(gathering_freep))) struct gathering *g = NULL;
	int r;

	if (!u->n_slots)
		return envelope_fail(e, ENVELOPE_E_NO_SLOT, "%s has no slot: its keys were erased",
				     u->about);
	g = calloc(1, sizeof(*g));
	if (g)
		g->plain = envelope_secret_alloc(u->n_slots * sizeof(*g->plain));
	if (!g || !g->plain)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	g->op = op;
	g->u = u;
	order(g, by);
	if (g->n_slots)
		r = run(g, e);
	else
		r = envelope_fail(e, ENVELOPE_E_NO_SLOT, "%s: no KEK opens it", u->about);
	broker_unwrap_end(op);
	return r && g->recoverable ? offer_recovery(e) : r;
}
