/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people type or keep in files comes by a descriptor that the client passes, never in a
 * message. */
#ifndef KEYD_PASSED_H
#define KEYD_PASSED_H

#include <sys/types.h>

#include "op.h"

#define PASSPHRASE_MAX 8192 /* bytes, a key file's too */

/** passed_missing() - the error of a parameter @what that needs a descriptor, where none came */
int passed_missing(const char *what, struct envelope_error *e);

/**
 * passed_read() - read it to its end
 * @what: the parameter that says what it is, for messages
 * @out:  locked memory, @room bytes; no more than that is read
 *
 * Return: bytes, or -code.
 */
ssize_t passed_read(struct op *op, const char *what, void *out, size_t room,
		    struct envelope_error *e);

/** enum passed_kind - the parameter `by`: what the descriptor has */
enum passed_kind {
	PASSED_NOTHING,
	PASSED_PASSPHRASE, /* a newline at its end is not part of it */
	PASSED_KEY_FILE,   /* all bytes are */
	PASSED_VOLUME_KEY, /* no passphrase, but the DEK */
};

int passed_kind(const struct op *op, enum passed_kind *kind, struct envelope_error *e);

/**
 * passed_secret() - read what `by` says
 * @secret: locked memory, PASSPHRASE_MAX bytes
 * @size:   of them, at least one
 */
int passed_secret(struct op *op, enum passed_kind kind, uint8_t *secret, size_t *size,
		  struct envelope_error *e);

#endif
