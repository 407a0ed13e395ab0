/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a disk's owner should know of its KEKs, before a byte of the disk is written. */
#ifndef KEYD_KEK_READY_H
#define KEYD_KEK_READY_H

#include "kek.h"

/**
 * kek_ready() - all KEKs of a policy are there
 * @st:	      of @device
 * @created:  was the KEK `default` made for it?
 * @warnings: gets what is wrong with where they are kept
 */
int kek_ready(struct op *op, const struct policy *policy, const char *device, const struct stat *st,
	      bool *created, struct json_object *warnings, struct envelope_error *e);

#endif
