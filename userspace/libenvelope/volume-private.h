/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files behind volume.h share. */
#ifndef ENVELOPE_VOLUME_PRIVATE_H
#define ENVELOPE_VOLUME_PRIVATE_H

#include <libcryptsetup.h>

#include "volume.h"

#define ENVELOPE_METADATA_BYTES (128ULL << 10) /* each of the two copies */
#define ENVELOPE_KEYSLOTS_BYTES (ENVELOPE_WITNESS_OFFSET - (256ULL << 10)) /* unused */
#define ENVELOPE_DATA_MINIMUM	(1ULL << 20)
#define ENVELOPE_WITNESS_BYTES	4096

struct envelope_volume {
	struct crypt_device *cd;
	char *device;
	char *header; /* the same, unless it is detached */
	struct envelope_geometry geometry;
	char last_log[256]; /* what libcryptsetup said last */
};

/** envelope_volume_init() - a context of libcryptsetup that is silent; nothing is read yet */
int envelope_volume_init(const char *device, const char *header, struct envelope_volume **volume,
			 struct envelope_error *e);

/** envelope_volume_is_detached() - is its header elsewhere than its data? */
bool envelope_volume_is_detached(const struct envelope_volume *volume);

/** envelope_volume_is_slot() - is this LUKS2 token a slot? */
bool envelope_volume_is_slot(struct envelope_volume *volume, int id);

/** envelope_volume_failed() - record an error of libcryptsetup: its errno and its own words */
int envelope_volume_failed(struct envelope_volume *volume, struct envelope_error *e,
			   enum envelope_code code, const char *what, int r);

/** envelope_volume_areas() - bytes of one copy of the metadata, and of the key slots behind both */
void envelope_volume_areas(const struct envelope_volume *volume, uint64_t *metadata,
			   uint64_t *keyslots);

/** envelope_volume_check_segment() - would the target read every sector as dm-crypt does? */
int envelope_volume_check_segment(struct envelope_volume *volume, struct envelope_error *e);

/**
 * envelope_volume_clear() - check once more that the device may be formatted, and take away
 * what its old content is known by, as wipefs does, all in one exclusive open; and make the file
 * of a header that is to be elsewhere
 */
int envelope_volume_clear(const struct envelope_format *format, struct envelope_error *e);

/* Each opens the device for itself, past the page cache where the device allows. */
int envelope_witness_write(const char *device, const struct envelope_geometry *geometry,
			   const uint8_t *dek, struct envelope_error *e);
int envelope_witness_check(const char *device, const struct envelope_geometry *geometry,
			   const uint8_t *dek, struct envelope_error *e);
int envelope_witness_clear(const char *device, struct envelope_error *e);

#endif
