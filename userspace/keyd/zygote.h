/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program that workers are forked from, loaded once: see providers/zygote.c. */
#ifndef KEYD_ZYGOTE_H
#define KEYD_ZYGOTE_H

#include "kek-config.h"

struct manager;

/**
 * zygote_order() - let a worker of this KEK begin
 * @socket, @memory: for the worker; the caller closes its own
 *
 * Starts the zygote unless it runs. Return: 0 or -errno. Whether the worker begins, @socket
 * tells: first of all who it is, or the end, where it does not.
 */
int zygote_order(struct manager *m, const struct envelope_kek_config *config, int socket,
		 int memory);

/** zygote_stop() - its workers stay */
void zygote_stop(struct manager *m);

#endif
