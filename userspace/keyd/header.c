// SPDX-License-Identifier: GPL-2.0-or-later
#include "header.h"

#include "broker-client.h"
#include "device.h"
#include "note.h"
#include "recovery.h"

int header_begin(struct op *op, struct envelope_volume *volume, struct envelope_error *e)
{
	int r = op_check_writable(envelope_volume_header(volume), e);

	if (r)
		return r;
	op_step(op, "backing up the header");
	return envelope_volume_backup(volume, op->manager->headers_dir, HEADERS_KEPT, e);
}

/*
 * The slot that a device is to depend on: the one that opened it, while that is there, by whichever
 * this change was made; then that one, and rather than on a recovery key on any other.
 */
static size_t depends_on(const struct unlocked *u, int opened_it, int made_the_change)
{
	size_t at;

	if (slot_is_there(u, opened_it, &at))
		return at;
	if (slot_is_there(u, made_the_change, &at) &&
	    !envelope_recovery_is(&u->slots[at].token.shares[0]))
		return at;
	for (at = 0; at < u->n_slots; at++)
		if (!envelope_recovery_is(&u->slots[at].token.shares[0]))
			return at;
	return 0;
}

void header_changed(struct op *op, struct unlocked *u, unsigned int slot)
{
	struct broker_opened opened;
	char name[TABLE_NAME_MAX + 1];

	if (device_of_volume(u->geometry->uuid, name, NULL) || !*name)
		return;
	u->opened = depends_on(u, note_slot(op->manager, name, u->geometry->uuid), slot);
	if (u->slots[u->opened].token.slot != slot)
		u->shares = 0; /* of these none was unwrapped */
	opened_by(op, u, &opened);
	broker_opened(op, name, &opened);
}
