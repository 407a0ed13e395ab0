/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signs that this machine is not where it was: its clock is set, or the kernel says that it was
 * restored from a snapshot. Then all KEKs are asked anew, and what they said before counts for
 * a minute at most.
 */
#ifndef KEYD_JUMP_H
#define KEYD_JUMP_H

struct manager;

/**
 * jump_watch() - from now on
 *
 * A machine that is given neither sign notices nothing, and goes on by its leases.
 */
void jump_watch(struct manager *m);

/** jump_watch_devices() - the kernel says it by way of a device: now there is one */
void jump_watch_devices(struct manager *m);

#endif
