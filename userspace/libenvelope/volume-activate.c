// SPDX-License-Identifier: GPL-2.0-or-later
/* A volume mapped by dm-crypt, where the kernel has no target of ours. */
#include <errno.h>

#include "volume-private.h"

int envelope_volume_activate(struct envelope_volume *volume, const char *name, const uint8_t *dek,
			     bool readonly, bool discards, struct envelope_error *e)
{
	_cleanup_tracks_ char tracks;
	uint32_t flags = (readonly ? CRYPT_ACTIVATE_READONLY : 0) |
			 (discards ? CRYPT_ACTIVATE_ALLOW_DISCARDS : 0);
	int r = crypt_activate_by_volume_key(volume->cd, name, (const char *)dek,
					     volume->geometry.key_size, flags);

	if (r == -EEXIST)
		return envelope_fail(e, ENVELOPE_E_EXISTS, "%s: there is a mapping of this name",
				     name);
	if (r == -EBUSY)
		return envelope_fail(e, ENVELOPE_E_BUSY, "%s is in use", volume->device);
	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_FAILED,
					      "mapping it by dm-crypt", r);
	return 0;
}
