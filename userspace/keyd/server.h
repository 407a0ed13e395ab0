/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket: clients, their messages, who may do what. */
#ifndef KEYD_SERVER_H
#define KEYD_SERVER_H

#include "error.h"

#define CLIENTS_MAX	   64
#define CLIENTS_OTHERS	   16	/* of these that are not root's */
#define CLIENT_IDLE_S	   60	/* without a request under way */
#define CLIENT_PATIENCE_MS 5000 /* how long a session waits for a client that does not read */

struct client;
struct identity;
struct manager;

/** server_listen() - 0 or -errno, logged */
int server_listen(struct manager *m);

/** server_close() - take no more clients, and let go those that wait for nothing */
void server_close(struct manager *m);

/** server_fd() - the socket of a client */
int server_fd(const struct client *client);

/** server_passed() - the descriptor that came with its message; -1: none */
int server_passed(const struct client *client);

/** server_identity() - who a client is */
const struct identity *server_identity(const struct client *client);

/** server_send_error() - the client's answer; a client that does not read is let go later */
void server_send_error(struct client *client, const struct envelope_error *e);

/** server_session_done() - the request under way is answered: go on with the next */
void server_session_done(struct client *client);

#endif
