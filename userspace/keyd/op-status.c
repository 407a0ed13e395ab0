// SPDX-License-Identifier: GPL-2.0-or-later
/* Status: the kernel's word on each mapping, and what the main process knew when asked. */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "device-use.h"
#include "device.h"
#include "lease.h"
#include "op.h"
#include "outlook.h"
#include "stock.h"

#define STOCK "dm-crypt has its key: it has no lease, and no KEK stops it"

static void add_kernel_side(struct json_object *object, const struct device_info *info,
			    const struct table *table, const struct table_status *status)
{
	char path[64];

	op_add_text(object, "target", TABLE_TARGET);
	op_add_text(object, "device",
		    device_path(table->device, path, sizeof(path)) ? path : table->device);
	op_add_text(object, "uuid", table->uuid);
	op_add_text(object, "state",
		    status->fenced		     ? "fenced"
		    : info->suspended || !info->live ? "suspended"
						     : "active");
	op_add_bool(object, "readonly", info->readonly);
	op_add_number(object, "size", table->length * 512);
	op_add_number(object, "sector_size", table->sector_size);
	op_add_number(object, "generation", status->generation);
	op_add_text(object, "cipher", status->cipher);
	op_add_text(object, "reason", status->fenced ? status->reason : NULL);
	op_add_number(object, "since", status->since);
	op_add_number(object, "lease", table->lease);
	op_add_number(object, "lease_left", status->lease_left);
	op_add_text(object, "on_key_loss", table->queue ? "queue" : "error");
	op_add_number(object, "held", status->held);
	op_add_number(object, "reads", status->reads);
	op_add_number(object, "writes", status->writes);
	op_add_number(object, "discards", status->discards);
	op_add_number(object, "errors", status->errors);
}

static void add_our_side(struct json_object *object, const struct device *device,
			 const struct table_status *status, const char *problem)
{
	struct json_object *keks = json_object_new_array();
	char outlook[640] = "";

	for (unsigned int i = 0; device && i < device->n_shares; i++)
		json_object_array_add(keks, json_object_new_string(device->keks[i]));
	if (device && device->slot >= 0)
		op_add_number(object, "slot", device->slot);
	else
		op_add_text(object, "slot", NULL);
	json_object_object_add(object, "keks", keks);
	json_object_object_add(object, "checks", outlook_checks(device));
	json_object_object_add(object, "fenced_by", outlook_fences(device));
	if (device)
		outlook_text(device, status, outlook, sizeof(outlook));
	op_add_text(object, "outlook", *outlook ? outlook : NULL);
	op_add_bool(object, "locked", device && lease_is_locked(device));
	op_add_bool(object, "asleep", device && device->loss == DEVICE_ASLEEP);
	op_add_bool(object, "managed", device && device->managed);
	if (!problem && !device)
		problem = "envelope-keyd did not open it";
	if (!problem && !device->managed)
		problem = device->problem;
	op_add_text(object, "problem", problem);
}

struct status {
	struct op *op;
	struct json_object *devices;
};

/* Of a mapping by dm-crypt. Its table is not read: it may have the key in it. */
static int add_stock(const char *name, const struct device_info *info, void *data)
{
	const struct table_status none = { .cipher = "dm-crypt" };
	struct json_object *object = json_object_new_object();
	struct status *s = data;
	struct table table = {
		.length = device_number(info->devno, "size"),
		.sector_size = (uint32_t)device_number(info->devno, "queue/logical_block_size"),
	};
	dev_t below;

	if (device_below(info->devno, &below))
		snprintf(table.device, sizeof(table.device), "%u:%u", major(below), minor(below));
	table_stock_uuid(info->uuid, table.uuid);
	op_add_text(object, "name", name);
	add_kernel_side(object, info, &table, &none);
	add_our_side(object, NULL, &none, STOCK);
	op_add_text(object, "target", "crypt");
	op_add_text(object, "on_key_loss", NULL);
	json_object_array_add(s->devices, object);
	return 0;
}

static int add_device(const char *name, const struct device_info *info, void *data)
{
	struct status *s = data;
	struct json_object *object = json_object_new_object();
	struct device *device = device_find((struct manager *)s->op->manager, name);
	struct envelope_error e = {};
	struct table_status status = {};
	struct table table = { .sector_size = 512 };
	int r = device_table(name, &table, &e);

	if (r == -ENVELOPE_E_NOT_FOUND) { /* closed since it was listed */
		json_object_put(object);
		return 0;
	}
	table_volume_uuid(info->uuid, table.uuid);
	if (!r)
		r = device_status(name, &status, &e);
	op_add_text(object, "name", name);
	add_kernel_side(object, info, &table, &status);
	add_our_side(object, device, &status, r ? e.message : NULL);
	json_object_array_add(s->devices, object);
	return 0;
}

int op_status(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { "name", NULL };
	struct status status = { op, NULL };
	char name[TABLE_NAME_MAX + 1] = "";
	device_visit add = add_device;
	struct device_info info = {};
	int r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "name", false, name, sizeof(name), e);
	if (!r && *name)
		r = device_ours(name, &info, e);
	if (r && *name && stock_is(op, name, &info))
		add = add_stock;
	else if (r)
		return r;
	status.devices = json_object_new_array();
	r = *name ? add(name, &info, &status) : device_each(add_device, &status, e);
	if (!r && !*name)
		r = stock_each(op, add_stock, &status, e);
	if (r && r != -ENVELOPE_E_NO_TARGET) { /* without device-mapper nothing is open */
		json_object_put(status.devices);
		return r;
	}
	*result = json_object_new_object();
	json_object_object_add(*result, "devices", status.devices);
	return 0;
}
