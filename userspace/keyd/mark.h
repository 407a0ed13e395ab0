/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a lease that runs down is spoken of. */
#ifndef KEYD_MARK_H
#define KEYD_MARK_H

#include <stdint.h>

/** enum mark - in the order of time */
enum mark { MARK_HALF, MARK_THREE_QUARTERS, MARK_FIVE_MINUTES, MARK_OVER, MARKS };

/**
 * mark_next() - the first mark that is yet to come
 * @lease: its length, in seconds
 * @left:  of it, in µs
 * @first: earlier ones do not count
 * @at:    what is left at that mark, in µs
 *
 * Return: MARK_OVER at the latest, also where nothing is left.
 */
enum mark mark_next(unsigned int lease, uint64_t left, enum mark first, uint64_t *at);

#endif
