// SPDX-License-Identifier: GPL-2.0-or-later
#include "keyring.h"

#include <errno.h>
#include <keyutils.h>
#include <string.h>

int keyring_add(const char *description, const uint8_t *dek, size_t size, int32_t *id,
		struct envelope_error *e)
{
	*id = add_key("logon", description, dek, size, KEY_SPEC_PROCESS_KEYRING);
	if (*id > 0)
		return 0;
	*id = 0;
	if (errno == EDQUOT) {
		envelope_fail(e, ENVELOPE_E_LIMIT, "the kernel's quota of keys is used up");
		return envelope_cure(e, "raise kernel.keys.root_maxkeys and root_maxbytes");
	}
	return envelope_fail(e, ENVELOPE_E_FAILED, "the kernel takes no key: %s", strerror(errno));
}

int keyring_revoke(int32_t id)
{
	return keyctl_revoke(id) < 0 ? -errno : 0;
}

void keyring_remove(int32_t id)
{
	if (!id)
		return;
	keyctl_unlink(id, KEY_SPEC_PROCESS_KEYRING);
	keyctl_invalidate(id);
}
