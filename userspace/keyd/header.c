// SPDX-License-Identifier: GPL-2.0-or-later
#include "header.h"

#include "broker-client.h"
#include "device.h"

int header_begin(struct op *op, struct envelope_volume *volume, struct envelope_error *e)
{
	int r = op_check_writable(envelope_volume_header(volume), e);

	if (r)
		return r;
	op_step(op, "backing up the header");
	return envelope_volume_backup(volume, op->manager->headers_dir, HEADERS_KEPT, e);
}

void header_changed(struct op *op, struct unlocked *u, unsigned int slot)
{
	struct broker_opened opened;
	char name[TABLE_NAME_MAX + 1];

	if (device_of_volume(u->geometry->uuid, name, NULL) || !*name)
		return;
	u->opened = u->n_slots;
	for (size_t i = 0; i < u->n_slots; i++)
		if (u->slots[i].token.slot == slot)
			u->opened = i;
	if (u->opened == u->n_slots) {
		u->opened = 0;
		u->shares = 0;
	}
	opened_by(op, u, &opened);
	broker_opened(op, name, &opened);
}
