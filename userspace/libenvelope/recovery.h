/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery keys: what a person keeps on paper for the day when no KEK is left. A slot of such a
 * key has one share, whose KEK is named ENVELOPE_RECOVERY_KEK, a name that no KEK can have. The
 * key has 256 bits of its own, so nothing is stretched. See on-disk-format.rst.
 */
#ifndef ENVELOPE_RECOVERY_H
#define ENVELOPE_RECOVERY_H

#include <stdbool.h>

#include "error.h"
#include "token.h"

#define ENVELOPE_RECOVERY_KEK	"recovery-key"
#define ENVELOPE_RECOVERY_BYTES 32  /* of the key */
#define ENVELOPE_RECOVERY_TEXT	80  /* characters: nine groups of eight letters, and dashes */
#define ENVELOPE_RECOVERY_TYPED 256 /* characters that may be typed */

/** envelope_recovery_is() - is this share by a recovery key? */
bool envelope_recovery_is(const struct envelope_share *share);

/**
 * envelope_recovery_text() - as it is printed
 * @key:  ENVELOPE_RECOVERY_BYTES
 * @text: locked memory
 *
 * Return: 0 or -errno.
 */
int envelope_recovery_text(const uint8_t *key, char text[static ENVELOPE_RECOVERY_TEXT + 1]);

/**
 * envelope_recovery_parse() - as it was typed: large or small letters, however grouped
 * @key: locked memory; wiped on failure
 *
 * Return: 0, or -ENVELOPE_E_USAGE, whose message shows nothing of the text.
 */
int envelope_recovery_parse(const char *text, size_t size, uint8_t *key, struct envelope_error *e);

/** envelope_recovery_wrap() - fill @share of a token that was begun, but index and commitment */
int envelope_recovery_wrap(const uint8_t *key, const struct envelope_token *token,
			   const uint8_t *plain, struct envelope_share *share,
			   struct envelope_error *e);

/**
 * envelope_recovery_unwrap() - the inverse
 * @plain: locked memory, ENVELOPE_SHARE_BYTES; wiped on failure
 *
 * Return: 0, or -ENVELOPE_E_KEK_REFUSED: another key, or the slot was edited.
 */
int envelope_recovery_unwrap(const uint8_t *key, const struct envelope_token *token,
			     const struct envelope_share *share, uint8_t *plain,
			     struct envelope_error *e);

#endif
