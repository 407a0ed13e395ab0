// SPDX-License-Identifier: GPL-2.0-or-later
/* Close: the mapping goes, then its key. */
#include "broker-client.h"
#include "device.h"
#include "log.h"
#include "op.h"
#include "stock.h"

int op_close(struct op *op, struct json_object **result, struct envelope_error *e)
{
	char name[TABLE_NAME_MAX + 1];
	struct device_info info;
	int r = op_mapping(op, name, e);

	if (r)
		return r;
	r = device_ours(name, &info, e);
	if (r && stock_is(op, name, &info))
		r = 0;
	if (!r)
		r = device_remove(name, e);
	if (!r || r == -ENVELOPE_E_NOT_FOUND) { /* by dmsetup, say: its key goes too */
		broker_forget(op, name);
		stock_forget(op, name);
	}
	if (r)
		return r;
	log_line(LOG_NOTICE, &(struct log_fields) { .id = LOG_ID_CLOSED, .device = name },
		 "%s is closed", name);
	*result = json_object_new_object();
	return 0;
}
