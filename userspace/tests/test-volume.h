/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes on image files, for the tests of volume.h. */
#ifndef ENVELOPE_TEST_VOLUME_H
#define ENVELOPE_TEST_VOLUME_H

#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "volume.h"

#define SIZE (48 << 20)

static char directory[64], image[96], other[96];

/** struct made - a volume just formatted; @dek is to be freed */
struct made {
	struct envelope_geometry geometry;
	struct envelope_token token;
	uint8_t *dek;
};

/** run() - a command of the shell; Return: its status */
static inline int run(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command);
}

static inline void new_image(const char *path, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static inline void poke(const char *path, off_t at, const void *data, size_t size)
{
	int fd = open(path, O_RDWR);

	assert_int_equal(pwrite(fd, data, size, at), size);
	close(fd);
}

/** holds_bytes() - do these bytes stand anywhere in the file? */
static inline bool holds_bytes(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	bool found;
	char *data;

	assert_int_equal(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	found = memmem(data, (size_t)st.st_size, bytes, size) != NULL;
	free(data);
	close(fd);
	return found;
}

/** seal() - a slot whose "wrapped" share is the slot secret itself: see opens() */
static inline void seal(const struct made *made, unsigned int slot, struct envelope_token *token)
{
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	struct envelope_error e = { 0 };

	assert_good(envelope_token_begin(token, &made->geometry, slot, 1, secret, &e));
	token->n_shares = 1;
	token->shares[0].index = 1;
	strcpy(token->shares[0].kek, "default");
	strcpy(token->shares[0].version, "1");
	strcpy(token->shares[0].algorithm, "none");
	memcpy(token->shares[0].wrapped, secret, ENVELOPE_SHARE_BYTES);
	token->shares[0].wrapped_size = ENVELOPE_SHARE_BYTES;
	assert_good(envelope_token_commit(token, 0, secret, &e));
	assert_good(envelope_token_seal(token, &made->geometry, secret, made->dek, &e));
}

/** opens() - does this slot of seal() give the DEK? */
static inline bool opens(const struct made *made, const struct envelope_token *token)
{
	_cleanup_secret_ uint8_t *dek = envelope_secret_alloc(ENVELOPE_DEK_MAX);

	return envelope_token_open(token, &made->geometry, token->shares[0].wrapped, dek, NULL) ==
		       0 &&
	       envelope_secret_equal(dek, made->dek, made->geometry.key_size);
}

/** format_as() - a new image of SIZE bytes, formatted as @wish says with a DEK of @key_size */
static inline void format_as(const struct envelope_format *wish, unsigned int key_size,
			     struct made *made)
{
	struct envelope_error e = { 0 };

	new_image(wish->device, SIZE);
	assert_good(envelope_volume_check_device(wish, &made->geometry, &e));
	made->geometry.key_size = key_size;
	made->dek = envelope_secret_alloc(ENVELOPE_DEK_MAX);
	assert_int_equal(envelope_random(made->dek, ENVELOPE_DEK_MAX), 0);
	seal(made, 0, &made->token);
	assert_good(envelope_volume_format(wish, &made->geometry, made->dek, &made->token, &e));
}

static inline void format(const char *path, struct made *made)
{
	struct envelope_format wish = { .device = path, .label = "test" };

	format_as(&wish, ENVELOPE_DEK_MAX, made);
}

static inline struct envelope_volume *load(const char *path)
{
	struct envelope_volume *volume;
	struct envelope_error e = { 0 };

	assert_good(envelope_volume_load(path, NULL, &volume, &e));
	return volume;
}

/** read_slots() - Return: how many there are */
static inline size_t read_slots(const char *path, struct envelope_slot *slots)
{
	struct envelope_volume *volume = load(path);
	struct envelope_error e = { 0 };
	size_t n;

	assert_good(envelope_volume_slots(volume, slots, &n, &e));
	envelope_volume_free(volume);
	return n;
}

static inline int volumes_set_up(void **state)
{
	new_directory(directory);
	snprintf(image, sizeof(image), "%s/image", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	return 0;
}

static inline int volumes_tear_down(void **state)
{
	remove_directory(directory);
	return 0;
}

#endif
