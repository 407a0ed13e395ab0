/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the waiting provider counts. */
#ifndef ENVELOPE_WAITING_PROVIDER_H
#define ENVELOPE_WAITING_PROVIDER_H

enum {
	COUNT_BEGUN,
	COUNT_DONE,
	COUNT_CANCELLED,
	COUNT_UNWIPED, /* calls that are over, and whose share is where it was */
	COUNTS,
};

#endif
