/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes mapped by stock dm-crypt, for a kernel without our target: they have no lease and no
 * fence, and the main process knows nothing of them. Which they are, a note tells.
 */
#ifndef KEYD_STOCK_H
#define KEYD_STOCK_H

#include "device.h"
#include "unlock.h"

/** stock_map() - map what was unlocked as @table says, but for what dm-crypt does not know */
int stock_map(struct op *op, const struct unlocked *u, const struct table *table,
	      struct envelope_error *e);

/** stock_is() - did stock_map() make this mapping? */
bool stock_is(struct op *op, const char *name, const struct device_info *info);

/** stock_each() - visit them all, as device_each() does */
int stock_each(struct op *op, device_visit visit, void *data, struct envelope_error *e);

/** stock_forget() - the mapping is gone */
void stock_forget(struct op *op, const char *name);

#endif
