// SPDX-License-Identifier: GPL-2.0-or-later
#include "stock.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#define DIRECTORY "crypt" /* a file NAME for each, which has the volume's uuid */

static void path_of(struct op *op, const char *name, char *path, size_t room)
{
	snprintf(path, room, "%s/" DIRECTORY "%s%s", op->manager->options->runtime_dir,
		 *name ? "/" : "", name);
}

int stock_map(struct op *op, const struct unlocked *u, const struct table *table,
	      struct envelope_error *e)
{
	char path[PATH_MAX];
	int r;

	path_of(op, "", path, sizeof(path));
	r = envelope_file_mkdir(path, 0700);
	path_of(op, table->name, path, sizeof(path));
	if (!r)
		r = envelope_file_replace(path, table->uuid, strlen(table->uuid), 0600);
	if (r)
		return envelope_fail_file(e, path, -r);
	r = envelope_volume_activate(u->volume, table->name, u->dek, table->readonly,
				     table->allow_discards, e);
	if (r)
		stock_forget(op, table->name);
	return r;
}

bool stock_is(struct op *op, const char *name, const struct device_info *info)
{
	char path[PATH_MAX], uuid[ENVELOPE_UUID_TEXT + 1];
	char *text;
	bool same;

	if (!table_stock_uuid(info->uuid, uuid))
		return false;
	path_of(op, name, path, sizeof(path));
	if (envelope_file_read(path, sizeof(uuid), &text, NULL))
		return false;
	same = !strcmp(text, uuid);
	free(text);
	return same;
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

	return device_each_stock(visit_if_ours, &v, e);
}

void stock_forget(struct op *op, const char *name)
{
	char path[PATH_MAX];

	path_of(op, name, path, sizeof(path));
	envelope_file_remove(path);
}
