// SPDX-License-Identifier: GPL-2.0-or-later
#include "quorum.h"

#include <string.h>

void quorum_of(struct quorum *q, unsigned int threshold, unsigned int n,
	       const char keks[][ENVELOPE_KEK_NAME_MAX + 1])
{
	q->threshold = threshold;
	q->n = n;
	for (unsigned int i = 0; i < n; i++)
		for (q->kek[i] = 0; strcmp(keks[q->kek[i]], keks[i]);)
			q->kek[i]++;
}

uint64_t quorum_time(const struct quorum *q, const uint64_t *times)
{
	uint64_t latest[ENVELOPE_SHARES_MAX + 1] = {};

	/* The latest ones first, by insertion: there are few */
	for (unsigned int i = 0; i < q->n; i++) {
		unsigned int at = i;

		for (; at && latest[at - 1] < times[i]; at--)
			latest[at] = latest[at - 1];
		latest[at] = times[i];
	}
	return q->threshold ? latest[q->threshold - 1] : 0;
}

static unsigned int shares_of_kek(const struct quorum *q, unsigned int kek)
{
	unsigned int shares = 0;

	for (unsigned int i = 0; i < q->n; i++)
		if (q->kek[i] == kek)
			shares |= 1U << i;
	return shares;
}

static bool too_few_without(const struct quorum *q, unsigned int shares)
{
	return q->n - (unsigned int)__builtin_popcount(shares) < q->threshold;
}

bool quorum_breaks(const struct quorum *q, unsigned int shares)
{
	for (unsigned int i = 0; i < q->n; i++) {
		unsigned int its = shares_of_kek(q, q->kek[i]);

		/* Of each KEK all or none; and no KEK too many */
		if (shares & 1U << i &&
		    ((shares & its) != its || too_few_without(q, shares & ~its)))
			return false;
	}
	return too_few_without(q, shares);
}
