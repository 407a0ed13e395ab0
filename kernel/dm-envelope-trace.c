// SPDX-License-Identifier: GPL-2.0-only
/*
 * The code of the tracepoints, once.
 */
#include <linux/blkdev.h>

#include "dm-envelope.h"

#define CREATE_TRACE_POINTS
#include "dm-envelope-trace.h"

/**
 * envelope_trace_dev() - the number of a device
 * @env: the target
 */
dev_t envelope_trace_dev(const struct envelope *env)
{
	return disk_devt(dm_disk(dm_table_get_md(env->ti->table)));
}
