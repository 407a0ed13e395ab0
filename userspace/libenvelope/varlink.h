/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Varlink messages: a JSON object and a NUL on a UNIX stream socket. */
#ifndef ENVELOPE_VARLINK_H
#define ENVELOPE_VARLINK_H

#include <stdbool.h>

#include "error.h"
#include "json.h"

#define ENVELOPE_SOCKET	     "/run/envelope/keyd.sock"
#define ENVELOPE_INTERFACE   "io.envelope.Keyd"
#define ENVELOPE_REQUEST_MAX (64 << 10) /* bytes a client may send in one message */
#define ENVELOPE_REPLY_MAX   (16 << 20) /* bytes a client accepts */

/** struct varlink_buffer - bytes received that are not yet a whole message */
struct varlink_buffer {
	char *data;
	size_t size;
	size_t room;
	size_t limit; /* of one message */
};

/**
 * varlink_receive() - read what there is from a socket, once
 *
 * Return: bytes, 0 at the end, -EAGAIN, -EMSGSIZE when a message exceeds the limit, -errno.
 */
ssize_t varlink_receive(int fd, struct varlink_buffer *buffer);

/**
 * varlink_receive_passed() - the same, with a descriptor that came along
 * @passed: -1, or one that came before; closed when another comes. Belongs to the caller
 */
ssize_t varlink_receive_passed(int fd, struct varlink_buffer *buffer, int *passed);

/**
 * varlink_next() - take the next whole message out of the buffer
 * @message: put by the caller; NULL when none is complete yet
 *
 * Return: 0, or -EBADMSG when it is no JSON object within the limits.
 */
int varlink_next(struct varlink_buffer *buffer, struct json_object **message);
void varlink_buffer_free(struct varlink_buffer *buffer);

/** varlink_send() - write a whole message, waiting up to @timeout_ms; 0 or -errno */
int varlink_send(int fd, struct json_object *message, int timeout_ms);

/** varlink_send_passing() - and a descriptor along with it; -1: none */
int varlink_send_passing(int fd, struct json_object *message, int passed, int timeout_ms);

/* Each makes a message (NULL when out of memory) and takes over @parameters (may be NULL). */
struct json_object *varlink_call(const char *method, struct json_object *parameters, bool more);
struct json_object *varlink_reply(struct json_object *parameters, bool continues);
struct json_object *varlink_error(const struct envelope_error *e);

/**
 * varlink_reply_error() - the error a reply carries
 * Return: 0 where it carries none, else the negative code with @e filled.
 */
int varlink_reply_error(struct json_object *reply, struct envelope_error *e);

#endif
