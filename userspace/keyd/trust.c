// SPDX-License-Identifier: GPL-2.0-or-later
#include "trust.h"

int trust_widen(struct op *op, struct unlocked *u, const struct envelope_token *token,
		struct envelope_error *e)
{
	int r = envelope_pin_add(&u->pin, token, e);

	return r ? r : envelope_pin_write(op->manager->volumes_dir, &u->pin, e);
}

int trust_narrow(struct op *op, struct unlocked *u, struct envelope_error *e)
{
	const struct envelope_pin old = u->pin;
	int r = envelope_pin_make(&u->pin, u->geometry, u->dek, e);

	for (size_t i = 0; i < u->n_slots && !r; i++)
		if (!envelope_pin_allows(&old, &u->slots[i].token, NULL))
			r = envelope_pin_add(&u->pin, &u->slots[i].token, e);
	if (!r && !u->pin.n_keks)
		u->pin = old;
	return r ? r : envelope_pin_write(op->manager->volumes_dir, &u->pin, e);
}
