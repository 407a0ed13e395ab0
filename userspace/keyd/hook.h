/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program of the host's, run when something happens to a device; nobody waits for it. */
#ifndef KEYD_HOOK_H
#define KEYD_HOOK_H

#include <stdint.h>

#define HOOK_DEFAULT "/etc/envelope/hook"

struct device;

/**
 * hook_run() - tell the host's program
 * @event: half, three-quarters, five-minutes, over, fenced, locked, active
 * @why:   in words; may be ""
 * @left:  seconds of the lease
 *
 * The program gets them in its environment. It is not there as a rule, which is no error.
 */
void hook_run(const struct device *device, const char *event, const char *why, uint64_t left);

#endif
