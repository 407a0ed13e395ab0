/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Timers: set up in one call since 6.13.
 */
#ifndef DM_ENVELOPE_COMPAT_HRTIMER_H
#define DM_ENVELOPE_COMPAT_HRTIMER_H

#include <linux/hrtimer.h>

/**
 * envelope_hrtimer_setup() - make a timer ready
 * @timer:    not running
 * @function: that it calls
 * @clock:    by which it comes
 * @mode:     HRTIMER_MODE_*
 */
static inline void envelope_hrtimer_setup(struct hrtimer *timer,
					  enum hrtimer_restart (*function)(struct hrtimer *),
					  clockid_t clock, enum hrtimer_mode mode)
{
#ifdef HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

#endif
