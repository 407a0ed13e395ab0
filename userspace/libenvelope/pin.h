/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pins: which volumes this host trusts, and under which policy. */
#ifndef ENVELOPE_PIN_H
#define ENVELOPE_PIN_H

#include <stdbool.h>

#include "error.h"
#include "token.h"

#define ENVELOPE_PIN_KEKS_MAX 32

/**
 * struct envelope_pin - /var/lib/envelope/volumes/UUID.json
 *
 * {"type":"envelope-pin","format":1,"uuid":…,"dek":"base64, 32 bytes","threshold":1,
 *  "keks":["default"],"created":…}
 */
struct envelope_pin {
	char uuid[ENVELOPE_UUID_TEXT + 1];
	uint8_t dek[ENVELOPE_HASH_BYTES]; /* HMAC-SHA-256(DEK, "dm-envelope pin v1") */
	unsigned int threshold;		  /* at least so many shares must agree */
	unsigned int n_keks;
	char keks[ENVELOPE_PIN_KEKS_MAX][ENVELOPE_KEK_NAME_MAX + 1]; /* and be of these KEKs */
	char created[21];
};

/** envelope_pin_make() - the pin of a volume with this DEK, of no slot yet */
int envelope_pin_make(struct envelope_pin *pin, const struct envelope_geometry *geometry,
		      const uint8_t *dek, struct envelope_error *e);

/** envelope_pin_add() - let it hold for a slot too: its KEKs, and no higher threshold; LIMIT */
int envelope_pin_add(struct envelope_pin *pin, const struct envelope_token *token,
		     struct envelope_error *e);

/** envelope_pin_read() - -ENVELOPE_E_NOT_PINNED where there is none; CONFIG where damaged */
int envelope_pin_read(const char *directory, const char *uuid, struct envelope_pin *pin,
		      struct envelope_error *e);

/** envelope_pin_write() - atomically; 0600 in a directory of 0700 */
int envelope_pin_write(const char *directory, const struct envelope_pin *pin,
		       struct envelope_error *e);

int envelope_pin_remove(const char *directory, const char *uuid, struct envelope_error *e);

/**
 * envelope_pin_check() - does what was just opened match its pin?
 * Return: 0, or -ENVELOPE_E_PIN_MISMATCH: another DEK, a lower threshold, a foreign KEK.
 */
int envelope_pin_check(const struct envelope_pin *pin, const struct envelope_geometry *geometry,
		       const struct envelope_token *token, const uint8_t *dek,
		       struct envelope_error *e);

/** envelope_pin_allows() - the same of the slot alone: its threshold and KEKs */
int envelope_pin_allows(const struct envelope_pin *pin, const struct envelope_token *token,
			struct envelope_error *e);

/** envelope_pin_parse() - the text of a pin file; limits as in the token */
int envelope_pin_parse(const char *text, size_t size, struct envelope_pin *pin,
		       struct envelope_error *e);

#endif
