// SPDX-License-Identifier: GPL-2.0-or-later
#include "takeover.h"

#include <stdio.h>

#include "device.h"
#include "lease.h"
#include "log.h"
#include "op.h"
#include "session.h"

#define RETRY_FIRST_USEC (2 * SECOND)
#define RETRY_MAX_USEC	 (300 * SECOND)
#define BY_RECOVERY	 "an earlier one opened it, by its recovery key"

static void try_later(struct device *device);

static void try_now(struct device *device)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();
	struct manager *m = device->manager;
	struct envelope_error e = {};

	if (lease_is_locked(device)) { /* meanwhile: its secrets are to stay away */
		device->wanted = false;
		return;
	}
	op_add_text(parameters, "name", device->name);
	/* Where there is no room it is its turn when a session ends */
	device->wanted = !session_has_room(m, &method_takeover);
	if (device->wanted || device->taking || m->stopping)
		return;
	device->taking = true;
	if (session_start(m, NULL, &method_takeover, parameters, false, &e)) {
		device->taking = false;
		try_later(device);
	}
}

void takeover_go_on(struct manager *m)
{
	struct device *device;

	LIST_FOREACH(device, &m->devices, link)
	if (device->wanted)
		try_now(device);
}

void takeover_begin(struct device *device)
{
	device->retry = sd_event_source_disable_unref(device->retry);
	device->attempts = 0;
	try_now(device);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *data)
{
	struct device *device = data;

	device->retry = sd_event_source_disable_unref(device->retry);
	if (!device->managed || device->loss)
		try_now(device);
	return 0;
}

static void try_later(struct device *device)
{
	uint64_t delay = RETRY_FIRST_USEC << (device->attempts < 8 ? device->attempts : 8);

	device->attempts++;
	manager_timer(device->manager, &device->retry,
		      delay < RETRY_MAX_USEC ? delay : RETRY_MAX_USEC, on_retry, device);
}

const char *takeover_name(struct json_object *parameters)
{
	struct json_object *name = NULL;

	json_object_object_get_ex(parameters, "name", &name);
	return json_object_get_string(name);
}

/* One that nobody but a person gives its key is let alone */
static bool is_hopeless(const struct device *device)
{
	return lease_is_locked(device) ||
	       (device->loss && device->n_shares && !lease_may_resume(device));
}

void takeover_ended(struct manager *m, const char *name, bool done)
{
	struct device *device = device_find(m, name);
	struct device_info info;

	if (!device)
		return;
	device->taking = false;
	if (done || (device->managed && !device->loss)) { /* or a person's unlock was quicker */
		device->attempts = 0;
		return;
	}
	if (device_info(name, &info, NULL) == -ENVELOPE_E_NOT_FOUND) {
		device_forget(device); /* closed meanwhile */
		return;
	}
	device->managed = false;
	log_line(LOG_WARNING, &(struct log_fields) { .volume = device->uuid, .device = name },
		 "%s has no key of this envelope-keyd: %s", name, device->problem);
	if (!m->stopping && !is_hopeless(device))
		try_later(device);
}

static int found(const char *name, const struct device_info *info, void *data)
{
	char uuid[ENVELOPE_UUID_TEXT + 1];
	struct manager *m = data;
	struct table_status status;
	struct device *device;
	struct table table;

	if (!info->live || !table_volume_uuid(info->uuid, uuid))
		return 0;
	device = device_add(m, name, uuid);
	if (!device)
		return 0;
	snprintf(device->problem, sizeof(device->problem), "its table cannot be read");
	if (device_table(name, &table, NULL))
		return 0;
	/* No description is used twice, so that an old key is never taken for a new one */
	if (table.key_number > m->key_number)
		m->key_number = table.key_number;
	if (!device_status(name, &status, NULL))
		lease_found(device, &table, &status);
	snprintf(device->problem, sizeof(device->problem), "%s",
		 lease_is_fixed(device) ? BY_RECOVERY : "it is being taken over");
	return 0;
}

void takeover_start(struct manager *m)
{
	struct envelope_error e = {};
	struct device *device;

	/*
	 * Then nothing is mapped. And a libdevmapper that has not found device-mapper once never
	 * looks again, nor do the sessions that are forked from here.
	 */
	if (!device_mapper_loaded())
		return;
	if (device_target_check(&e)) {
		log_line(LOG_WARNING, NULL, "%s", e.message);
		return;
	}
	if (device_each(found, m, &e))
		log_line(LOG_ERR, NULL, "%s", e.message);
	LIST_FOREACH(device, &m->devices, link)
	if (!lease_is_locked(device) && !lease_is_fixed(device))
		try_now(device);
}
