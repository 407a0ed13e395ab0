/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What will become of a device, as far as the state of its KEKs tells. */
#ifndef KEYD_OUTLOOK_H
#define KEYD_OUTLOOK_H

#include "json.h"
#include "manager.h"
#include "table.h"

/** outlook_text() - in words */
void outlook_text(const struct device *device, const struct table_status *status, char *out,
		  size_t room);

/** outlook_checks() - the KEK versions that it depends on: array of Check */
struct json_object *outlook_checks(const struct device *device);

/** outlook_fences() - each smallest set of KEKs whose withdrawal fences it: array of arrays */
struct json_object *outlook_fences(const struct device *device);

#endif
