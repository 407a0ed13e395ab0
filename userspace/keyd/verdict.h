/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an answer of a provider means: what takes devices their keys must be said twice. */
#ifndef KEYD_VERDICT_H
#define KEYD_VERDICT_H

#include <stdbool.h>

#include "kek-config.h"

/** struct verdict - on a version of a KEK */
struct verdict {
	enum envelope_provider_state state;
	bool withdrawn; /* said twice, and to be obeyed at once */
	bool doubted;	/* said once */
};

/**
 * verdict_take() - hear one answer
 * @on_state: what the host says is to be done in which state
 *
 * Return: true where @v is what counts now; false where the provider must be asked again at once.
 */
bool verdict_take(struct verdict *v, enum envelope_provider_state state,
		  const enum envelope_loss on_state[ENVELOPE_PROVIDER_STATES]);

#endif
