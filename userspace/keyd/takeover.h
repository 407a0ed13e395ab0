/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that are to get a key of this process without anybody asking: those that an earlier
 * envelope-keyd opened, and those whose KEK is well again.
 */
#ifndef KEYD_TAKEOVER_H
#define KEYD_TAKEOVER_H

#include <stdbool.h>

#include "json.h"
#include "manager.h"

/** takeover_start() - find them and begin; a device that fails is tried again later */
void takeover_start(struct manager *m);

/** takeover_begin() - this one, as soon as there is a session for it */
void takeover_begin(struct device *device);

/** takeover_go_on() - a session has ended: it is the next one's turn */
void takeover_go_on(struct manager *m);

/** takeover_ended() - the session for this device has ended */
void takeover_ended(struct manager *m, const char *name, bool done);

/** takeover_name() - the device in the parameters of such a session */
const char *takeover_name(struct json_object *parameters);

#endif
