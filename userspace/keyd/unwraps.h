/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Main process: what providers unwrap for a session, side by side. The session begins
 * them, and takes the answers in the order in which they come.
 */
#ifndef KEYD_UNWRAPS_H
#define KEYD_UNWRAPS_H

#include "broker.h"

/** unwraps_begin() - let the KEK's worker unwrap into the session's cell */
void unwraps_begin(struct session *s, const struct broker_request *request,
		   struct broker_reply *reply);

/**
 * unwraps_next() - the next that is done
 *
 * Return: true with @reply filled; false where the session is answered as soon as there is one, or
 * its patience is over.
 */
bool unwraps_next(struct session *s, const struct broker_request *request,
		  struct broker_reply *reply);

/** unwraps_forget() - the session wants none of them any more */
void unwraps_forget(struct session *s);

#endif
