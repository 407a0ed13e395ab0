/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program of the host's, run when something happens to a device; nobody waits for it. */
#ifndef KEYD_HOOK_H
#define KEYD_HOOK_H

#include <stdint.h>

#define HOOK_DEFAULT "/etc/envelope/hook"

struct device;

/** hook_find() - is there such a program? Later it is not looked for: its disk may not answer */
void hook_find(const char *program);

/**
 * hook_run() - tell the host's program
 * @event: half, three-quarters, five-minutes, over, fenced, locked, active
 * @why:   in words; may be ""
 * @left:  seconds of the lease
 *
 * The program gets them in its environment. Nothing is done where hook_find() found none.
 */
void hook_run(const struct device *device, const char *event, const char *why, uint64_t left);

#endif
