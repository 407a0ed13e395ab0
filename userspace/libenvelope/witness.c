// SPDX-License-Identifier: GPL-2.0-or-later
/* The witness: known bytes, sealed under the DEK, which tie a disk to its header. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "volume-private.h"

#define MAGIC	    "DM-ENVELOPE-WIT1"
#define KNOWN_BYTES "dm-envelope witness known bytes."
#define KEY_LABEL   "dm-envelope witness v1"
#define MAGIC_SIZE  16
#define KNOWN_SIZE  (32 + ENVELOPE_UUID_TEXT)
#define SEALED_SIZE (KNOWN_SIZE + ENVELOPE_TAG_BYTES)
#define TEXT_OFFSET (MAGIC_SIZE + ENVELOPE_NONCE_BYTES)

static void free_block(uint8_t **block)
{
	free(*block);
}
#define _cleanup_block_ __attribute__((cleanup(free_block)))

static uint8_t *new_block(void)
{
	uint8_t *block = aligned_alloc(ENVELOPE_WITNESS_BYTES, ENVELOPE_WITNESS_BYTES);

	if (block)
		memset(block, 0, ENVELOPE_WITNESS_BYTES);
	return block;
}

/* Past the page cache where the device allows: what counts is what the disk holds */
static int open_direct(const char *device, int flags)
{
	int fd = open(device, flags | O_CLOEXEC | O_DIRECT);

	return fd < 0 && errno == EINVAL ? open(device, flags | O_CLOEXEC) : fd;
}

static int read_block(const char *device, uint8_t *block, struct envelope_error *e)
{
	int fd = open_direct(device, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : pread(fd, block, ENVELOPE_WITNESS_BYTES, ENVELOPE_WITNESS_OFFSET);
	int saved = errno;

	if (fd >= 0)
		close(fd);
	if (n != ENVELOPE_WITNESS_BYTES)
		return envelope_fail(e, ENVELOPE_E_IO, "%s: reading the witness: %s", device,
				     n < 0 ? strerror(saved) : "the device ends before it");
	return 0;
}

static int write_block(const char *device, const uint8_t *block, struct envelope_error *e)
{
	int fd = open_direct(device, O_RDWR);
	ssize_t n =
		fd < 0 ? -1 : pwrite(fd, block, ENVELOPE_WITNESS_BYTES, ENVELOPE_WITNESS_OFFSET);
	int r = 0;

	if (n != ENVELOPE_WITNESS_BYTES || fsync(fd) < 0)
		r = envelope_fail(e, ENVELOPE_E_IO, "%s: writing the witness: %s", device,
				  strerror(errno));
	if (fd >= 0)
		close(fd);
	return r;
}

static int witness_key(const struct envelope_geometry *geometry, const uint8_t *dek, uint8_t *key)
{
	char info[sizeof(KEY_LABEL) + ENVELOPE_UUID_TEXT] = KEY_LABEL;

	strcat(info, geometry->uuid);
	return envelope_hkdf(dek, geometry->key_size, NULL, 0, info, strlen(info), key, 32);
}

static void known_bytes(const struct envelope_geometry *geometry, uint8_t out[static KNOWN_SIZE])
{
	memcpy(out, KNOWN_BYTES, 32);
	memcpy(out + 32, geometry->uuid, ENVELOPE_UUID_TEXT);
}

int envelope_witness_write(const char *device, const struct envelope_geometry *geometry,
			   const uint8_t *dek, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *key = envelope_secret_alloc(32);
	_cleanup_block_ uint8_t *block = new_block();
	uint8_t known[KNOWN_SIZE];

	if (!key || !block)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "%s: no memory for a witness", device);
	memcpy(block, MAGIC, MAGIC_SIZE);
	known_bytes(geometry, known);
	if (envelope_random(block + MAGIC_SIZE, ENVELOPE_NONCE_BYTES) < 0 ||
	    witness_key(geometry, dek, key) < 0 ||
	    envelope_gcm_seal(key, block + MAGIC_SIZE, MAGIC, MAGIC_SIZE, known, KNOWN_SIZE,
			      block + TEXT_OFFSET) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: making a witness failed in OpenSSL",
				     device);
	return write_block(device, block, e);
}

static int mismatch(const char *device, const char *why, struct envelope_error *e)
{
	return envelope_fail(e, ENVELOPE_E_WITNESS_MISMATCH,
			     "%s: the disk does not belong to its header: %s", device, why);
}

int envelope_witness_check(const char *device, const struct envelope_geometry *geometry,
			   const uint8_t *dek, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *key = envelope_secret_alloc(32);
	_cleanup_block_ uint8_t *block = new_block();
	uint8_t known[KNOWN_SIZE], found[SEALED_SIZE];
	int r;

	if (!key || !block)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "%s: no memory for a witness", device);
	r = read_block(device, block, e);
	if (r < 0)
		return r;
	if (memcmp(block, MAGIC, MAGIC_SIZE))
		return mismatch(device, "there is no witness on it", e);
	for (size_t i = TEXT_OFFSET + SEALED_SIZE; i < ENVELOPE_WITNESS_BYTES; i++)
		if (block[i])
			return mismatch(device, "its witness is malformed", e);
	if (witness_key(geometry, dek, key) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: HKDF failed in OpenSSL", device);
	known_bytes(geometry, known);
	if (envelope_gcm_open(key, block + MAGIC_SIZE, MAGIC, MAGIC_SIZE, block + TEXT_OFFSET,
			      SEALED_SIZE, found) < 0 ||
	    memcmp(found, known, KNOWN_SIZE))
		return mismatch(device, "its witness was made with another key", e);
	return 0;
}

int envelope_witness_clear(const char *device, struct envelope_error *e)
{
	_cleanup_block_ uint8_t *block = new_block();

	if (!block)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "%s: out of memory", device);
	return write_block(device, block, e);
}
