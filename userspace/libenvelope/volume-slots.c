// SPDX-License-Identifier: GPL-2.0-or-later
/* Slots in a header: read, written and read back, dropped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volume-private.h"

bool envelope_volume_is_slot(struct envelope_volume *volume, int id)
{
	const char *type = NULL;

	switch (crypt_token_status(volume->cd, id, &type)) {
	case CRYPT_TOKEN_INVALID:
	case CRYPT_TOKEN_INACTIVE:
		return false;
	default:
		return type && !strcmp(type, "envelope");
	}
}

/* Put the disk's name in front of an error about a token */
static int of_device(struct envelope_volume *volume, int id, struct envelope_error *e)
{
	if (e) {
		char message[sizeof(e->message)];

		snprintf(message, sizeof(message), "%.200s: token %d: %.250s", volume->device, id,
			 e->message);
		memcpy(e->message, message, sizeof(message));
		return -(int)e->code;
	}
	return -ENVELOPE_E_TOKEN_INVALID;
}

static int read_slot(struct envelope_volume *volume, int id, struct envelope_slot *slot,
		     struct envelope_error *e)
{
	const char *json;
	int r = crypt_token_json_get(volume->cd, id, &json);

	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_HEADER_DAMAGED,
					      "reading a token", r);
	slot->token_id = id;
	r = envelope_token_parse(json, strlen(json), &slot->token, e);
	if (r < 0) {
		of_device(volume, id, e);
		return r;
	}
	return 0;
}

/* Those sealed for this volume, or those for others */
static int collect(struct envelope_volume *volume, bool own, struct envelope_slot *slots, size_t *n,
		   struct envelope_error *e)
{
	struct envelope_slot slot;

	*n = 0;
	for (int id = 0; id < crypt_token_max(CRYPT_LUKS2); id++) {
		int r;

		if (!envelope_volume_is_slot(volume, id))
			continue;
		r = read_slot(volume, id, &slot, e);
		if (r < 0)
			return r;
		if (own != !strcmp(slot.token.uuid, volume->geometry.uuid))
			continue;
		if (*n == ENVELOPE_SLOTS_MAX) {
			envelope_fail(e, ENVELOPE_E_LIMIT, "%s: more than %d slots", volume->device,
				      ENVELOPE_SLOTS_MAX);
			return envelope_cure(
				e, "restore a header backup: cryptsetup luksHeaderRestore");
		}
		slots[(*n)++] = slot;
	}
	for (size_t i = 1; i < *n; i++)
		if (slots[i].token.dek_size != slots[0].token.dek_size)
			return envelope_fail(e, ENVELOPE_E_TOKEN_INVALID,
					     "%s: tokens %d and %d seal keys of different sizes",
					     volume->device, slots[0].token_id, slots[i].token_id);
	return 0;
}

int envelope_volume_foreign_slots(struct envelope_volume *volume, struct envelope_slot *slots,
				  size_t *n, struct envelope_error *e)
{
	return collect(volume, false, slots, n, e);
}

/* A uuid that was changed by hand, or a slot that was edited? Only its owner knows. */
static int all_foreign(struct envelope_volume *volume, const struct envelope_slot *slot,
		       struct envelope_error *e)
{
	envelope_fail(e, ENVELOPE_E_TOKEN_INVALID,
		      "%s: token %d: slot %u was sealed for volume %s, this is %s", volume->device,
		      slot->token_id, slot->token.slot, slot->token.uuid, volume->geometry.uuid);
	return envelope_cure(e,
			     "if the uuid was changed by hand: cryptsetup luksUUID --uuid %s %s; "
			     "else restore a header backup: cryptsetup luksHeaderRestore",
			     slot->token.uuid, volume->device);
}

int envelope_volume_slots(struct envelope_volume *volume, struct envelope_slot *slots, size_t *n,
			  struct envelope_error *e)
{
	int r = collect(volume, true, slots, n, e);

	if (r == 0 && *n > 0)
		volume->geometry.key_size =
			(unsigned int)slots[0].token.dek_size - ENVELOPE_TAG_BYTES;
	if (r < 0 || *n > 0)
		return r;
	r = collect(volume, false, slots, n, e);
	if (r == 0 && *n > 0)
		r = all_foreign(volume, &slots[0], e);
	*n = 0;
	return r;
}

int envelope_volume_put_slot(struct envelope_volume *volume, const struct envelope_token *token,
			     struct envelope_error *e)
{
	char *text = envelope_token_format(token);
	struct envelope_slot back;
	char *again;
	int id, r;

	if (!text)
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: out of memory", volume->device);
	id = crypt_token_json_set(volume->cd, CRYPT_ANY_TOKEN, text);
	if (id < 0) {
		free(text);
		return envelope_volume_failed(volume, e, ENVELOPE_E_IO, "writing a slot", id);
	}
	/* From the disk, not from libcryptsetup's memory */
	r = crypt_load(volume->cd, CRYPT_LUKS2, NULL);
	if (r < 0)
		r = envelope_volume_failed(volume, e, ENVELOPE_E_IO, "reading the header back", r);
	else
		r = read_slot(volume, id, &back, e);
	again = r < 0 ? NULL : envelope_token_format(&back.token);
	if (r == 0 && (!again || strcmp(again, text)))
		r = envelope_fail(e, ENVELOPE_E_IO, "%s: slot %u reads back otherwise than written",
				  volume->device, token->slot);
	free(again);
	free(text);
	return r < 0 ? r : id;
}

int envelope_volume_drop_slot(struct envelope_volume *volume, int id, struct envelope_error *e)
{
	int r = crypt_token_json_set(volume->cd, id, NULL);

	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_IO, "dropping a slot", r);
	return 0;
}

int envelope_volume_replace_slot(struct envelope_volume *volume, int old,
				 const struct envelope_token *token, struct envelope_error *e)
{
	int r = envelope_volume_put_slot(volume, token, e);

	return r < 0 ? r : envelope_volume_drop_slot(volume, old, e);
}

int envelope_volume_drop_slots(struct envelope_volume *volume, struct envelope_error *e)
{
	int r;

	for (int id = 0; id < crypt_token_max(CRYPT_LUKS2); id++) {
		if (!envelope_volume_is_slot(volume, id))
			continue;
		r = envelope_volume_drop_slot(volume, id, e);
		if (r < 0)
			return r;
	}
	r = crypt_load(volume->cd, CRYPT_LUKS2, NULL);
	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_IO, "reading the header back",
					      r);
	for (int id = 0; id < crypt_token_max(CRYPT_LUKS2); id++)
		if (envelope_volume_is_slot(volume, id))
			return envelope_fail(e, ENVELOPE_E_IO, "%s: a slot is still there",
					     volume->device);
	return 0;
}

int envelope_volume_rename(struct envelope_volume *volume, const char *uuid,
			   struct envelope_error *e)
{
	int r = crypt_set_uuid(volume->cd, uuid);

	if (r == 0)
		r = crypt_load(volume->cd, CRYPT_LUKS2, NULL);
	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_IO, "writing its uuid", r);
	if (strcmp(crypt_get_uuid(volume->cd), uuid))
		return envelope_fail(e, ENVELOPE_E_IO,
				     "%s: its uuid reads back otherwise than written",
				     volume->device);
	memcpy(volume->geometry.uuid, uuid, sizeof(volume->geometry.uuid));
	return 0;
}

int envelope_volume_erase(struct envelope_volume *volume, struct envelope_error *e)
{
	int r = envelope_volume_drop_slots(volume, e);

	if (r == 0)
		r = envelope_volume_drop_keyslots(volume, e);
	if (r == 0 && envelope_volume_has_witness(volume))
		r = envelope_witness_clear(volume->device, e);
	return r;
}
