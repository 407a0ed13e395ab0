// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict.h"

bool verdict_take(struct verdict *v, enum envelope_provider_state state,
		  const enum envelope_loss on_state[ENVELOPE_PROVIDER_STATES])
{
	bool fence = on_state[state] == ENVELOPE_LOSS_FENCE;

	v->doubted = fence && !v->withdrawn && !v->doubted;
	if (v->doubted)
		return false;
	v->state = state;
	v->withdrawn = fence;
	return true;
}
