// SPDX-License-Identifier: GPL-2.0-or-later
/* Loading a volume, and its slots. */
#include "volume.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "volume-private.h"

static void keep_log(int level, const char *message, void *data)
{
	struct envelope_volume *volume = data;

	if (level != CRYPT_LOG_ERROR)
		return;
	snprintf(volume->last_log, sizeof(volume->last_log), "%s", message);
	volume->last_log[strcspn(volume->last_log, "\n")] = '\0';
}

int envelope_volume_failed(struct envelope_volume *volume, struct envelope_error *e,
			   enum envelope_code code, const char *what, int r)
{
	const char *why = volume->last_log[0] ? volume->last_log : strerror(-r);

	return envelope_fail(e, code, "%s: %s: %s", volume->header, what, why);
}

/*
 * libcryptsetup loads this provider with its ciphers. It is not asked to do so now: it would
 * keep a descriptor of /dev/urandom, which a forked session closes.
 */
void envelope_volume_set_up(void)
{
	static OSSL_LIB_CTX *context;

	context = OSSL_LIB_CTX_new();
	if (context)
		OSSL_PROVIDER_load(context, "legacy");
}

static int not_there(const char *device, const char *header, int r, struct envelope_error *e)
{
	enum envelope_code code = ENVELOPE_E_IO;

	if (access(header, F_OK) < 0) {
		device = header;
		r = -errno;
	}
	if (r == -ENOENT || r == -ENOTBLK || r == -ENODEV)
		code = ENVELOPE_E_NOT_FOUND;
	return envelope_fail(e, code, "%s: %s", device, strerror(-r));
}

int envelope_volume_init(const char *device, const char *header, struct envelope_volume **out,
			 struct envelope_error *e)
{
	struct envelope_volume *volume = calloc(1, sizeof(*volume));
	int r;

	if (!volume)
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: out of memory", device);
	header = header && *header ? header : device;
	volume->device = strdup(device);
	volume->header = strdup(header);
	/* A token's type is the disk's to choose, and would name a library to load */
	crypt_token_external_disable();
	crypt_set_log_callback(NULL, keep_log, volume);
	r = !volume->device || !volume->header ? -ENOMEM
	    : strcmp(header, device)	       ? crypt_init_data_device(&volume->cd, header, device)
					       : crypt_init(&volume->cd, device);
	crypt_set_log_callback(NULL, NULL, NULL);
	if (r < 0) {
		envelope_volume_free(volume);
		return not_there(device, header, r, e);
	}
	crypt_set_log_callback(volume->cd, keep_log, volume);
	*out = volume;
	return 0;
}

void envelope_volume_free(struct envelope_volume *volume)
{
	if (!volume)
		return;
	crypt_free(volume->cd);
	free(volume->device);
	free(volume->header);
	free(volume);
}

bool envelope_volume_is_detached(const struct envelope_volume *volume)
{
	return strcmp(volume->header, volume->device);
}

/* Why the header did not load: none there, or one that is damaged? */
static int not_loaded(struct envelope_volume *volume, int r, struct envelope_error *e)
{
	struct envelope_volume *other;

	if (r == -EIO)
		return envelope_volume_failed(volume, e, ENVELOPE_E_IO, "reading the header", r);
	if (envelope_volume_init(volume->device, volume->header, &other, NULL) == 0) {
		bool luks1 = crypt_load(other->cd, CRYPT_LUKS1, NULL) == 0;

		envelope_volume_free(other);
		if (luks1) {
			envelope_fail(e, ENVELOPE_E_NOT_VOLUME,
				      "%s: a LUKS1 volume of cryptsetup, not an envelope volume",
				      volume->device);
			return envelope_cure(e,
					     "to make it one without moving its data: "
					     "cryptsetup convert --type luks2 %s, then "
					     "envelopectl adopt %s",
					     volume->device, volume->device);
		}
	}
	if (envelope_volume_has_header(volume->header))
		return envelope_fail(e, ENVELOPE_E_HEADER_DAMAGED,
				     "%s: no copy of its LUKS2 header is whole", volume->header);
	if (envelope_volume_is_detached(volume))
		return envelope_fail(e, ENVELOPE_E_NOT_VOLUME,
				     "%s: no header of an envelope volume", volume->header);
	return envelope_fail(e, ENVELOPE_E_NOT_VOLUME, "%s: not an envelope volume",
			     volume->device);
}

bool envelope_volume_is_ours(struct envelope_volume *volume)
{
	const char *subsystem = crypt_get_subsystem(volume->cd);

	if (subsystem && !strcmp(subsystem, ENVELOPE_SUBSYSTEM))
		return true;
	for (int id = 0; id < crypt_token_max(CRYPT_LUKS2); id++)
		if (envelope_volume_is_slot(volume, id))
			return true;
	return false;
}

/* A header half-way through cryptsetup's reencryption, or with authenticated sectors */
static int check_features(struct envelope_volume *volume, struct envelope_error *e)
{
	struct crypt_params_integrity integrity = { 0 };
	uint32_t requirements = 0;
	int r = crypt_persistent_flags_get(volume->cd, CRYPT_FLAGS_REQUIREMENTS, &requirements);

	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_HEADER_DAMAGED,
					      "reading the header's requirements", r);
	if (requirements)
		return envelope_fail(e, ENVELOPE_E_UNSUPPORTED,
				     "%s: its header asks for what this version does not know, "
				     "such as a reencryption under way (requirements 0x%x)",
				     volume->device, requirements);
	if (crypt_get_integrity_info(volume->cd, &integrity) == 0 && integrity.tag_size)
		return envelope_fail(e, ENVELOPE_E_UNSUPPORTED,
				     "%s: its sectors carry integrity tags", volume->device);
	return 0;
}

/* What a table is loaded from must be what this project writes, whoever wrote the header */
static int check_geometry(struct envelope_volume *volume, struct envelope_error *e)
{
	struct crypt_device *cd = volume->cd;
	struct envelope_geometry *geometry = &volume->geometry;
	const char *cipher = crypt_get_cipher(cd), *mode = crypt_get_cipher_mode(cd);
	const char *uuid = crypt_get_uuid(cd);

	if (!cipher || !mode || strcmp(cipher, "aes") || strcmp(mode, "xts-plain64"))
		return envelope_fail(e, ENVELOPE_E_UNSUPPORTED,
				     "%s: its cipher is %s-%s; this version knows aes-xts-plain64",
				     volume->device, cipher ? cipher : "?", mode ? mode : "?");
	if (!uuid || !envelope_uuid_valid(uuid))
		return envelope_fail(e, ENVELOPE_E_HEADER_DAMAGED, "%s: its uuid is malformed",
				     volume->device);
	snprintf(geometry->uuid, sizeof(geometry->uuid), "%s", uuid);
	/* LUKS2 keeps it with keyslots, of which there are none: the slots tell, when read */
	geometry->key_size = ENVELOPE_DEK_MAX;
	geometry->sector_size = (unsigned int)crypt_get_sector_size(cd);
	geometry->data_offset = crypt_get_data_offset(cd) << 9;
	return 0;
}

static int not_ours(const char *device, struct envelope_error *e)
{
	envelope_fail(e, ENVELOPE_E_NOT_VOLUME,
		      "%s: a LUKS2 volume of cryptsetup, not an envelope volume", device);
	return envelope_cure(e, "to make it one without moving its data: envelopectl adopt %s",
			     device);
}

static int load(const char *device, const char *header, bool others_too,
		struct envelope_volume **out, struct envelope_error *e)
{
	_cleanup_volume_ struct envelope_volume *volume = NULL;
	int r = envelope_volume_init(device, header, &volume, e);

	if (r < 0)
		return r;
	r = crypt_load(volume->cd, CRYPT_LUKS2, NULL);
	if (r < 0)
		return not_loaded(volume, r, e);
	if (!others_too && !envelope_volume_is_ours(volume))
		return not_ours(device, e);
	r = check_features(volume, e);
	if (r == 0)
		r = check_geometry(volume, e);
	if (r == 0)
		r = envelope_volume_check_segment(volume, e);
	if (r < 0)
		return r;
	*out = volume;
	volume = NULL;
	return 0;
}

int envelope_volume_load(const char *device, const char *header, struct envelope_volume **out,
			 struct envelope_error *e)
{
	return load(device, header, false, out, e);
}

int envelope_volume_load_luks(const char *device, const char *header, struct envelope_volume **out,
			      struct envelope_error *e)
{
	return load(device, header, true, out, e);
}

const struct envelope_geometry *envelope_volume_geometry(const struct envelope_volume *volume)
{
	return &volume->geometry;
}

const char *envelope_volume_device(const struct envelope_volume *volume)
{
	return volume->device;
}

const char *envelope_volume_header(const struct envelope_volume *volume)
{
	return volume->header;
}

const char *envelope_volume_label(const struct envelope_volume *volume)
{
	const char *label = crypt_get_label(volume->cd);

	return label ? label : "";
}

int envelope_volume_verify(struct envelope_volume *volume, const uint8_t *dek,
			   struct envelope_error *e)
{
	_cleanup_tracks_ char tracks;
	int r = crypt_volume_key_verify(volume->cd, (const char *)dek, volume->geometry.key_size);

	if (r == -EPERM)
		return envelope_fail(e, ENVELOPE_E_WRONG_KEY,
				     "%s: the key in its slot does not match the header's digest",
				     volume->device);
	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_FAILED, "checking the key", r);
	return 0;
}

void envelope_volume_areas(const struct envelope_volume *volume, uint64_t *metadata,
			   uint64_t *keyslots)
{
	if (crypt_get_metadata_size(volume->cd, metadata, keyslots) < 0)
		*metadata = *keyslots = 0;
}

bool envelope_volume_has_witness(const struct envelope_volume *volume)
{
	uint64_t metadata, keyslots;

	envelope_volume_areas(volume, &metadata, &keyslots);
	return !envelope_volume_is_detached(volume) && metadata &&
	       2 * metadata + keyslots <= ENVELOPE_WITNESS_OFFSET &&
	       volume->geometry.data_offset >= ENVELOPE_DATA_OFFSET;
}

int envelope_volume_put_witness(struct envelope_volume *volume, const uint8_t *dek,
				struct envelope_error *e)
{
	if (!envelope_volume_has_witness(volume))
		return 0;
	return envelope_witness_write(volume->device, &volume->geometry, dek, e);
}

int envelope_volume_witness(struct envelope_volume *volume, const uint8_t *dek,
			    struct envelope_error *e)
{
	struct envelope_slot foreign[ENVELOPE_SLOTS_MAX];
	size_t n = 0;
	int r;

	if (!envelope_volume_has_witness(volume))
		return 0;
	r = envelope_witness_check(volume->device, &volume->geometry, dek, e);
	if (r != -ENVELOPE_E_WITNESS_MISMATCH ||
	    envelope_volume_foreign_slots(volume, foreign, &n, NULL) < 0)
		return r;
	/* A new uuid is there before its witness: until then the one of before counts, by the same
	 * key */
	for (size_t i = 0; i < n && r < 0; i++) {
		struct envelope_geometry before = volume->geometry;

		memcpy(before.uuid, foreign[i].token.uuid, sizeof(before.uuid));
		r = envelope_witness_check(volume->device, &before, dek, NULL);
	}
	if (r == 0 && e)
		memset(e, 0, sizeof(*e));
	return r;
}
