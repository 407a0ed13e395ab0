/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a KEK stands, as its provider says. */
#ifndef ENVELOPE_PROVIDER_STATE_H
#define ENVELOPE_PROVIDER_STATE_H

/* DESIGN: provider states are distinct, each with its own policy */
enum envelope_provider_state {
	ENVELOPE_PROVIDER_OK,
	ENVELOPE_PROVIDER_THROTTLED,
	ENVELOPE_PROVIDER_UNREACHABLE,
	ENVELOPE_PROVIDER_DENIED,
	ENVELOPE_PROVIDER_DISABLED,
	ENVELOPE_PROVIDER_EXPIRED,
	ENVELOPE_PROVIDER_NOT_YET_VALID,
	ENVELOPE_PROVIDER_DELETED,
	ENVELOPE_PROVIDER_STATES,
};

/** envelope_provider_state_name() - as interface and configuration name it; @state is one */
const char *envelope_provider_state_name(enum envelope_provider_state state);

/** enum envelope_recoverability - what becomes of a KEK that is deleted */
enum envelope_recoverability {
	ENVELOPE_RECOVERABILITY_UNKNOWN,
	ENVELOPE_RECOVERABLE,	/* for a time it can be brought back, and nobody can prevent that */
	ENVELOPE_PURGEABLE,	/* it can be brought back, unless somebody destroys it for good */
	ENVELOPE_IRRECOVERABLE, /* it is gone, and so is what it wrapped */
	ENVELOPE_RECOVERABILITIES,
};

/** envelope_recoverability_name() - the same; NULL where it is unknown */
const char *envelope_recoverability_name(enum envelope_recoverability recoverability);

#endif
