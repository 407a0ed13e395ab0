/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service's key store: see Documentation/on-disk-format.rst. */
#ifndef ENVELOPE_KEYSTORE_H
#define ENVELOPE_KEYSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "token.h"

#define KEYSTORE_FORMAT	      1
#define KEYSTORE_VERSIONS_MAX 1000
#define KEYSTORE_FILE_LIMIT   (1 << 20) /* bytes of NAME.json */
#define KEYSTORE_KEK_BYTES    32
#define KEYSTORE_WRAPPED      ENVELOPE_KWP_BYTES(KEYSTORE_KEK_BYTES)

struct keystore_version {
	char created[21];
	bool enabled;
	uint8_t wrapped[KEYSTORE_WRAPPED]; /* the KEK version under the root key */
};					   /* no padding: versions are compared as memory */
_Static_assert(sizeof(struct keystore_version) == 21 + sizeof(bool) + KEYSTORE_WRAPPED,
	       "struct keystore_version has padding");

/** struct keystore_kek - one NAME.json; version numbers count from 1 */
struct keystore_kek {
	char name[ENVELOPE_KEK_NAME_MAX + 1];
	char created[21];
	struct keystore_version *versions;
	size_t n_versions;
};

void keystore_kek_free(struct keystore_kek *kek);

/* keystore-file.c */

/**
 * keystore_file_parse() - text to struct, and its MAC checked
 * @mac_key: derived from the root key, 32 bytes; NULL: leave the MAC unchecked (fuzzing)
 * @kek:     to be freed with keystore_kek_free(), not after an error
 *
 * Return: 0 or -EINVAL, with @why saying what is wrong.
 */
int keystore_file_parse(const char *text, size_t size, const uint8_t *mac_key,
			struct keystore_kek *kek, const char **why);

/** keystore_file_format() - struct to text, malloc'ed; NULL when out of memory */
char *keystore_file_format(const struct keystore_kek *kek, const uint8_t *mac_key);

/* keystore.c */

struct keystore {
	char directory[256];
	uint8_t *keys; /* locked memory: wrap key and MAC key, 32 bytes each */
};

/**
 * keystore_open() - check the directory and read the root key
 * @create: make the root key where there is neither one nor a KEK
 *
 * Anything that is not as this code leaves it is -ENVELOPE_E_KEYSTORE_DAMAGED, and stays
 * as it is; KEK_NOT_FOUND where the store is empty.
 */
int keystore_open(struct keystore *store, const char *directory, bool create,
		  struct envelope_error *e);
void keystore_close(struct keystore *store);

int keystore_load(const struct keystore *store, const char *name, struct keystore_kek *kek,
		  struct envelope_error *e);

/**
 * keystore_add_version() - append a fresh version to @kek and write it, durably
 *
 * Between keystore_lock() and the load of @kek that this rests on, and the close.
 */
int keystore_add_version(const struct keystore *store, struct keystore_kek *kek,
			 struct envelope_error *e);

/**
 * keystore_set_enabled() - enable or disable @n versions of @kek and write it, durably
 * @first:   the index of the first
 * @changed: was one of them otherwise before?
 *
 * Under the lock, as keystore_add_version(). Durable where nothing changed, too.
 */
int keystore_set_enabled(const struct keystore *store, struct keystore_kek *kek, size_t first,
			 size_t n, bool enabled, bool *changed, struct envelope_error *e);

/** keystore_unwrap_version() - the KEK itself, into 32 bytes of locked memory */
int keystore_unwrap_version(const struct keystore *store, const struct keystore_kek *kek,
			    size_t index, uint8_t *out, struct envelope_error *e);

/** keystore_unbacked() - is anything in the store newer than its last backup? */
bool keystore_unbacked(const struct keystore *store, const char *name);

/** keystore_lock() - keep other writers out; Return: a descriptor to close, or an error */
int keystore_lock(const struct keystore *store, struct envelope_error *e);

#endif
