// SPDX-License-Identifier: GPL-2.0-or-later
#include "stock.h"

#include "note.h"

int stock_map(struct op *op, const struct unlocked *u, const struct table *table,
	      struct envelope_error *e)
{
	int r;

	if (!note_leave(op->manager, NOTE_STOCK, table->name, table->uuid, ""))
		return envelope_fail(e, ENVELOPE_E_IO, "%s: no note can be left in %s", table->name,
				     op->manager->options->runtime_dir);
	r = envelope_volume_activate(u->volume, table->name, u->dek, table->readonly,
				     table->allow_discards, e);
	if (r)
		stock_forget(op, table->name);
	return r;
}

bool stock_is(struct op *op, const char *name, const struct device_info *info)
{
	char uuid[ENVELOPE_UUID_TEXT + 1];

	return table_stock_uuid(info->uuid, uuid) &&
	       note_is_there(op->manager, NOTE_STOCK, name, uuid);
}

struct visit {
	struct op *op;
	device_visit visit;
	void *data;
};

static int visit_if_ours(const char *name, const struct device_info *info, void *data)
{
	const struct visit *v = data;

	return stock_is(v->op, name, info) ? v->visit(name, info, v->data) : 0;
}

int stock_each(struct op *op, device_visit visit, void *data, struct envelope_error *e)
{
	struct visit v = { op, visit, data };

	/* each mapping that there is, of whomever, has to be asked for */
	if (!note_is_anywhere(op->manager, NOTE_STOCK))
		return 0;
	return device_each_stock(visit_if_ours, &v, e);
}

void stock_forget(struct op *op, const char *name)
{
	note_remove(op->manager, NOTE_STOCK, name);
}
