// SPDX-License-Identifier: GPL-2.0-or-later
#include "provider-state.h"

static const char *const names[ENVELOPE_PROVIDER_STATES] = {
	[ENVELOPE_PROVIDER_OK] = "ok",
	[ENVELOPE_PROVIDER_THROTTLED] = "throttled",
	[ENVELOPE_PROVIDER_UNREACHABLE] = "unreachable",
	[ENVELOPE_PROVIDER_DENIED] = "denied",
	[ENVELOPE_PROVIDER_DISABLED] = "disabled",
	[ENVELOPE_PROVIDER_EXPIRED] = "expired",
	[ENVELOPE_PROVIDER_NOT_YET_VALID] = "not-yet-valid",
	[ENVELOPE_PROVIDER_DELETED] = "deleted",
};

const char *envelope_provider_state_name(enum envelope_provider_state state)
{
	return names[state];
}

const char *envelope_recoverability_name(enum envelope_recoverability recoverability)
{
	static const char *const words[ENVELOPE_RECOVERABILITIES] = {
		[ENVELOPE_RECOVERABLE] = "recoverable",
		[ENVELOPE_PURGEABLE] = "purgeable",
		[ENVELOPE_IRRECOVERABLE] = "irrecoverable",
	};

	return words[recoverability];
}
