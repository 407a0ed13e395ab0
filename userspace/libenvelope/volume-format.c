// SPDX-License-Identifier: GPL-2.0-or-later
/* Writing a new volume. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "volume-private.h"

#define DIGEST_ITERATIONS 1000 /* the key is random: nothing to slow down */

static int set_layout(struct envelope_volume *volume, uint64_t data_offset)
{
	const struct crypt_pbkdf_type pbkdf = {
		.type = CRYPT_KDF_PBKDF2,
		.hash = "sha256",
		.iterations = DIGEST_ITERATIONS,
		.flags = CRYPT_PBKDF_NO_BENCHMARK,
	};
	int r = crypt_set_pbkdf_type(volume->cd, &pbkdf);

	if (r == 0)
		r = crypt_set_metadata_size(volume->cd, ENVELOPE_METADATA_BYTES,
					    ENVELOPE_KEYSLOTS_BYTES);
	if (r == 0)
		r = crypt_set_data_offset(volume->cd, data_offset >> 9);
	return r;
}

static int write_header(struct envelope_volume *volume, const struct envelope_format *format,
			const struct envelope_geometry *geometry, const uint8_t *dek,
			struct envelope_error *e)
{
	struct crypt_params_luks2 params = {
		.sector_size = geometry->sector_size,
		.label = format->label,
		.subsystem = ENVELOPE_SUBSYSTEM,
	};
	_cleanup_tracks_ char tracks;
	int r = set_layout(volume, geometry->data_offset);

	if (r == 0)
		r = crypt_format(volume->cd, CRYPT_LUKS2, "aes", "xts-plain64", geometry->uuid,
				 (const char *)dek, geometry->key_size, &params);
	if (r == -EBUSY)
		return envelope_fail(e, ENVELOPE_E_BUSY, "%s: in use", volume->device);
	if (r < 0)
		return envelope_volume_failed(volume, e, ENVELOPE_E_IO, "writing the header", r);
	return 0;
}

/* All of it, as a later open would check it */
static int read_back(const struct envelope_format *format, const struct envelope_geometry *geometry,
		     const uint8_t *dek, struct envelope_error *e)
{
	_cleanup_volume_ struct envelope_volume *volume = NULL;
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	size_t n;
	int r = envelope_volume_load(format->device, format->header, &volume, e);

	if (r == 0)
		r = envelope_volume_slots(volume, slots, &n, e);
	if (r < 0)
		return r;
	if (n != 1 || strcmp(volume->geometry.uuid, geometry->uuid) ||
	    volume->geometry.key_size != geometry->key_size ||
	    volume->geometry.sector_size != geometry->sector_size ||
	    volume->geometry.data_offset != geometry->data_offset)
		return envelope_fail(e, ENVELOPE_E_IO,
				     "%s: its header reads back otherwise than written",
				     format->device);
	r = envelope_volume_verify(volume, dek, e);
	return r < 0 ? r : envelope_volume_witness(volume, dek, e);
}

/* A header that was begun would only be in the way */
static void remove_header(const struct envelope_format *format)
{
	static const char zeros[4096];
	int fd = format->header ? -1 : open(format->device, O_WRONLY | O_CLOEXEC);

	if (format->header)
		unlink(format->header);

	if (fd < 0)
		return;
	for (off_t at = 0; at < (off_t)(2 * ENVELOPE_METADATA_BYTES); at += sizeof(zeros))
		if (pwrite(fd, zeros, sizeof(zeros), at) < 0)
			break;
	(void)fsync(fd);
	close(fd);
	envelope_witness_clear(format->device, NULL);
}

int envelope_volume_format(const struct envelope_format *format,
			   const struct envelope_geometry *geometry, const uint8_t *dek,
			   const struct envelope_token *token, struct envelope_error *e)
{
	_cleanup_volume_ struct envelope_volume *volume = NULL;
	int r = envelope_volume_clear(format, e);

	if (r < 0)
		return r;
	r = envelope_volume_init(format->device, format->header, &volume, e);
	if (r < 0) {
		remove_header(format);
		return r;
	}
	volume->geometry = *geometry;
	r = write_header(volume, format, geometry, dek, e);
	if (r == -ENVELOPE_E_BUSY) /* then it is another's by now */
		return r;
	if (r == 0)
		r = envelope_volume_put_witness(volume, dek, e);
	if (r == 0)
		r = envelope_volume_put_slot(volume, token, e);
	if (r >= 0)
		r = read_back(format, geometry, dek, e);
	if (r < 0)
		remove_header(format);
	return r;
}
