/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page cache of all file systems. Whoever writes or drops it waits for every disk, also for one
 * that has no key and holds its requests: so a child does, and it is waited for only so long.
 */
#ifndef KEYD_CACHES_H
#define KEYD_CACHES_H

#include "error.h"

#define CACHES_PATIENCE_S 10

/**
 * caches_write() - write to the disks what the page cache holds
 *
 * Return: 0 done, 1 not done in time, or -code.
 */
int caches_write(struct envelope_error *e);

/** caches_drop() - forget what it holds and the disks have. Return: as caches_write() */
int caches_drop(struct envelope_error *e);

#endif
