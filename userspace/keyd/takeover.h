/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that an earlier envelope-keyd opened: found, unlocked again, and given a key of ours. */
#ifndef KEYD_TAKEOVER_H
#define KEYD_TAKEOVER_H

#include <stdbool.h>

#include "json.h"
#include "manager.h"

/** takeover_start() - find them and begin; a device that fails is tried again later */
void takeover_start(struct manager *m);

/** takeover_ended() - the session for this device has ended */
void takeover_ended(struct manager *m, const char *name, bool done);

/** takeover_name() - the device in the parameters of such a session */
const char *takeover_name(struct json_object *parameters);

#endif
