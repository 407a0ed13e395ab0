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

#endif
