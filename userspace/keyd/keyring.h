/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DEKs in the kernel: keys of type logon in this process's own keyring, which dies with it. */
#ifndef KEYD_KEYRING_H
#define KEYD_KEYRING_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

/**
 * keyring_add() - add a key that the kernel can use and nobody can read
 * @description: of the key
 * @dek:	 locked memory, wiped by the caller
 * @size:	 bytes
 * @id:		 the key's serial number
 *
 * Return: 0, -ENVELOPE_E_LIMIT (the quota of the user's keys) or -ENVELOPE_E_FAILED.
 */
int keyring_add(const char *description, const uint8_t *dek, size_t size, int32_t *id,
		struct envelope_error *e);

/** keyring_revoke() - nobody can use it any more, and the kernel notices; 0 or -errno */
int keyring_revoke(int32_t id);

/** keyring_remove() - take the key away at once, for whoever holds it; 0 is fine */
void keyring_remove(int32_t id);

#endif
