/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the declarations of KEKs again, in a session: the disk that they lie on may not
 * answer, and then what was said before holds.
 */
#ifndef KEYD_RELOAD_H
#define KEYD_RELOAD_H

#include <stdbool.h>

struct manager;

/** reload_begin() - as asked by SIGHUP */
void reload_begin(struct manager *m);

/** reload_ended() - its session has ended */
void reload_ended(struct manager *m, bool done);

#endif
