/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Workqueues of the CPU that work is queued on: by a flag since 6.18, without one before.
 */
#ifndef DM_ENVELOPE_COMPAT_WORKQUEUE_H
#define DM_ENVELOPE_COMPAT_WORKQUEUE_H

#include <linux/workqueue.h>

#ifdef HAVE_WQ_PERCPU
#define ENVELOPE_WQ_PERCPU	WQ_PERCPU
#else
#define ENVELOPE_WQ_PERCPU	0
#endif

#endif
