// SPDX-License-Identifier: GPL-2.0-or-later
#include "mark.h"

#define SECOND	     1000000ULL
#define FIVE_MINUTES 300

/* µs that are left at a mark */
static uint64_t left_at(unsigned int lease, enum mark mark)
{
	switch (mark) {
	case MARK_HALF:
		return lease * SECOND / 2;
	case MARK_THREE_QUARTERS:
		return lease * SECOND / 4;
	case MARK_FIVE_MINUTES: /* of a lease so short it is no news */
		return lease > 4 * FIVE_MINUTES ? FIVE_MINUTES * SECOND : UINT64_MAX;
	default:
		return 0;
	}
}

enum mark mark_next(unsigned int lease, uint64_t left, enum mark first, uint64_t *at)
{
	enum mark mark = first;

	while (mark < MARK_OVER && left_at(lease, mark) >= left)
		mark++;
	*at = left_at(lease, mark);
	return mark;
}
