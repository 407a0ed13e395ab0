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
	/* Whoever does not answer now takes nothing back of what was said before */
	v->withdrawn = fence || (v->withdrawn && (state == ENVELOPE_PROVIDER_THROTTLED ||
						  state == ENVELOPE_PROVIDER_UNREACHABLE));
	return true;
}
