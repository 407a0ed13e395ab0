/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signs that this machine is not where it was: a snapshot was restored, or it was stopped. */
#ifndef KEYD_JUMP_H
#define KEYD_JUMP_H

struct manager;

/**
 * jump_watch() - from now on, ask all KEKs anew when such a sign comes
 *
 * The signs are a step of the clock on the wall, and a new VM generation ID. A machine
 * that gets neither notices nothing, and goes on by its leases.
 */
void jump_watch(struct manager *m);

#endif
