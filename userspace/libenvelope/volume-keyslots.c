// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Key slots of cryptsetup's: how a volume comes to us, and goes. To open it does not need
 * them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volume-private.h"

static bool opens_data(struct envelope_volume *volume, int slot)
{
	crypt_keyslot_info status = crypt_keyslot_status(volume->cd, slot);

	return status == CRYPT_SLOT_ACTIVE || status == CRYPT_SLOT_ACTIVE_LAST;
}

unsigned int envelope_volume_keyslots(struct envelope_volume *volume)
{
	unsigned int n = 0;

	for (int slot = 0; slot < crypt_keyslot_max(CRYPT_LUKS2); slot++)
		n += opens_data(volume, slot);
	return n;
}

int envelope_volume_open_keyslot(struct envelope_volume *volume, const uint8_t *passphrase,
				 size_t passphrase_size, uint8_t *dek, struct envelope_error *e)
{
	_cleanup_tracks_ char tracks;
	size_t size = ENVELOPE_DEK_MAX;
	int r;

	if (!envelope_volume_keyslots(volume)) {
		envelope_fail(e, ENVELOPE_E_WRONG_KEY, "%s: it has no key slot of cryptsetup's",
			      volume->device);
		return envelope_cure(e, "give the key itself: --volume-key-file");
	}
	r = crypt_volume_key_get(volume->cd, CRYPT_ANY_SLOT, (char *)dek, &size,
				 (const char *)passphrase, passphrase_size);
	if (r == -EPERM) {
		envelope_fail(e, ENVELOPE_E_WRONG_KEY,
			      "%s: no key slot opens by this passphrase or key file",
			      volume->device);
		return envelope_cure(e,
				     "see that cryptsetup opens it by that: "
				     "cryptsetup open --test-passphrase %s",
				     volume->device);
	}
	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_FAILED, "opening a key slot",
					      r);
	volume->geometry.key_size = (unsigned int)size;
	return 0;
}

int envelope_volume_take_key(struct envelope_volume *volume, const uint8_t *dek, size_t size,
			     struct envelope_error *e)
{
	_cleanup_tracks_ char tracks;
	int r = crypt_volume_key_verify(volume->cd, (const char *)dek, size);

	if (r == -EPERM) {
		envelope_fail(e, ENVELOPE_E_WRONG_KEY, "%s: this is not its key", volume->device);
		return envelope_cure(e, "give the key that encrypts its data, as "
					"cryptsetup luksDump --dump-volume-key writes it");
	}
	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_FAILED, "checking the key", r);
	volume->geometry.key_size = (unsigned int)size;
	return 0;
}

int envelope_volume_add_keyslot(struct envelope_volume *volume, const uint8_t *dek,
				const uint8_t *passphrase, size_t passphrase_size,
				struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *back = envelope_secret_alloc(ENVELOPE_DEK_MAX);
	_cleanup_tracks_ char tracks;
	size_t size = ENVELOPE_DEK_MAX;
	int slot, r;

	if (!back)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	slot = crypt_keyslot_add_by_key(volume->cd, CRYPT_ANY_SLOT, (const char *)dek,
					volume->geometry.key_size, (const char *)passphrase,
					passphrase_size, 0);
	if (slot < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_IO, "adding a key slot", slot);
	r = crypt_load(volume->cd, CRYPT_LUKS2, NULL);
	if (r >= 0)
		r = crypt_volume_key_get(volume->cd, slot, (char *)back, &size,
					 (const char *)passphrase, passphrase_size);
	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_IO,
					      "reading the new key slot back", r);
	if (size != volume->geometry.key_size || !envelope_secret_equal(back, dek, size))
		return envelope_fail(e, ENVELOPE_E_IO, "%s: the new key slot opens to another key",
				     volume->device);
	return slot;
}

int envelope_volume_drop_keyslots(struct envelope_volume *volume, struct envelope_error *e)
{
	int r;

	for (int slot = 0; slot < crypt_keyslot_max(CRYPT_LUKS2); slot++) {
		if (!opens_data(volume, slot))
			continue;
		r = crypt_keyslot_destroy(volume->cd, slot);
		if (r < 0)
			return envelope_volume_failed(volume, e, ENVELOPE_E_IO,
						      "dropping a key slot", r);
	}
	r = crypt_load(volume->cd, CRYPT_LUKS2, NULL);
	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_IO, "reading the header back",
					      r);
	if (envelope_volume_keyslots(volume))
		return envelope_fail(e, ENVELOPE_E_IO, "%s: a key slot is still there",
				     volume->device);
	return 0;
}

int envelope_volume_mark(struct envelope_volume *volume, bool ours, struct envelope_error *e)
{
	const char *now = crypt_get_subsystem(volume->cd);
	char label[64];
	int r;

	/* What another program says of itself there is left alone: our slots tell too */
	if (ours ? now && *now : !now || strcmp(now, ENVELOPE_SUBSYSTEM))
		return 0;
	/* libcryptsetup clears the one that it told before it takes the one that it is given */
	snprintf(label, sizeof(label), "%s", envelope_volume_label(volume));
	r = crypt_set_label(volume->cd, label, ours ? ENVELOPE_SUBSYSTEM : "");
	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_IO, "marking the header", r);
	return 0;
}
