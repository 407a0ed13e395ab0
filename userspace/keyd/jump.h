/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sign that this machine is not where it was: its clock is set, as after a snapshot was restored.
 */
#ifndef KEYD_JUMP_H
#define KEYD_JUMP_H

struct manager;

/**
 * jump_watch() - from now on, ask all KEKs anew when the clock on the wall steps
 *
 * A machine whose clock does not step notices nothing, and goes on by its leases.
 */
void jump_watch(struct manager *m);

#endif
