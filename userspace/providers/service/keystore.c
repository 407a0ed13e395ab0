// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The key store's directory: the root key, who may touch what, writing that survives
 * power loss. A store that is not as it should be is refused and never repaired: its
 * keys may be the only way to data.
 */
#include "keystore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto.h"
#include "file.h"

#define ROOT_KEY   "root.key"
#define ROOT_BYTES 32
#define BACKED_UP  "backed-up"
#define WRAP_LABEL "dm-envelope keystore wrap v1"
#define MAC_LABEL  "dm-envelope keystore mac v1"

static const uint8_t *wrap_key(const struct keystore *store)
{
	return store->keys;
}

static const uint8_t *mac_key(const struct keystore *store)
{
	return store->keys + 32;
}

static void path_in(const struct keystore *store, char *path, size_t room, const char *name,
		    const char *suffix)
{
	snprintf(path, room, "%s/%s%s", store->directory, name, suffix);
}

static int damaged(const struct keystore *store, const char *file, const char *why,
		   struct envelope_error *e)
{
	envelope_fail(e, ENVELOPE_E_KEYSTORE_DAMAGED, "key store: %s/%s: %s", store->directory,
		      file, why);
	return envelope_cure(e, "restore %.200s/ from its backup; nothing was changed",
			     store->directory);
}

static int io_failed(const struct keystore *store, const char *file, int error,
		     struct envelope_error *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "key store: %s/%s", store->directory, file);
	return envelope_fail_file(e, path, error);
}

/* Ours, and closed to everybody else */
static const char *not_private(const struct stat *st)
{
	if (st->st_uid != geteuid())
		return "it belongs to another user";
	if (st->st_mode & (S_IRWXG | S_IRWXO))
		return "others have access to it";
	return NULL;
}

/* Wrong owner or mode: what restoring a backup as root easily leaves */
static int exposed(const struct keystore *store, const char *file, const char *why,
		   struct envelope_error *e)
{
	damaged(store, file, why, e);
	return envelope_cure(e,
			     "if nobody else can have read or changed it, give it back: chown -R "
			     "%u %.150s; chmod -R go= %.150s; else restore it from its backup",
			     geteuid(), store->directory, store->directory);
}

/* Return: 1 where there is neither a root key nor a KEK, 0 where there is, or an error */
static int is_empty(const struct keystore *store, struct envelope_error *e)
{
	DIR *dir = opendir(store->directory);
	struct dirent *entry;
	int empty = 1, error = errno;

	if (!dir)
		return io_failed(store, ".", error, e);
	while ((errno = 0, entry = readdir(dir))) {
		const char *suffix = strrchr(entry->d_name, '.');

		if (!strcmp(entry->d_name, ROOT_KEY) || (suffix && !strcmp(suffix, ".json")))
			empty = 0;
	}
	error = errno;
	closedir(dir);
	return error ? io_failed(store, ".", error, e) : empty;
}

static int check_directory(struct keystore *store, bool create, struct envelope_error *e)
{
	const char *why;
	struct stat st;

	if (lstat(store->directory, &st) < 0 && errno == ENOENT && create) {
		int r = envelope_file_mkdir(store->directory, 0700);

		if (r < 0 || lstat(store->directory, &st) < 0)
			return io_failed(store, ".", r < 0 ? -r : errno, e);
	} else if (lstat(store->directory, &st) < 0) {
		if (errno == ENOENT)
			return envelope_fail(e, ENVELOPE_E_KEK_NOT_FOUND,
					     "key store: %s does not exist", store->directory);
		return io_failed(store, ".", errno, e);
	}
	if (!S_ISDIR(st.st_mode))
		return damaged(store, ".", "it is not a directory", e);
	why = not_private(&st);
	return why ? exposed(store, ".", why, e) : 0;
}

/* Exclusively: of two workers that begin at once, one makes the root key for both */
static int create_root(const struct keystore *store, uint8_t *root, struct envelope_error *e)
{
	char temporary[PATH_MAX], path[PATH_MAX];
	int fd, r = 0;

	path_in(store, path, sizeof(path), ROOT_KEY, "");
	path_in(store, temporary, sizeof(temporary), ROOT_KEY, ".XXXXXX");
	if (envelope_random(root, ROOT_BYTES) < 0)
		return io_failed(store, ROOT_KEY, EIO, e);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return io_failed(store, ROOT_KEY, errno, e);
	if (write(fd, root, ROOT_BYTES) != ROOT_BYTES || fsync(fd) < 0)
		r = -errno;
	close(fd);
	if (r == 0 && link(temporary, path) < 0 && errno != EEXIST)
		r = -errno;
	if (envelope_file_remove(temporary) < 0 || r < 0)
		return io_failed(store, ROOT_KEY, r < 0 ? -r : EIO, e);
	return 0;
}

static int read_root(const struct keystore *store, uint8_t *root, struct envelope_error *e)
{
	char path[PATH_MAX];
	const char *why;
	struct stat st;
	int fd, error;
	ssize_t n;

	path_in(store, path, sizeof(path), ROOT_KEY, "");
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? damaged(store, ROOT_KEY, "the root key is missing", e)
				       : io_failed(store, ROOT_KEY, errno, e);
	if (!S_ISREG(st.st_mode) || st.st_size != ROOT_BYTES)
		return damaged(store, ROOT_KEY, "it is not a file of 32 bytes", e);
	why = not_private(&st);
	if (why)
		return exposed(store, ROOT_KEY, why, e);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return io_failed(store, ROOT_KEY, errno, e);
	n = read(fd, root, ROOT_BYTES);
	error = n < 0 ? errno : EIO;
	close(fd);
	return n == ROOT_BYTES ? 0 : io_failed(store, ROOT_KEY, error, e);
}

static int derive_keys(struct keystore *store, const uint8_t *root, struct envelope_error *e)
{
	if (envelope_hkdf(root, ROOT_BYTES, NULL, 0, WRAP_LABEL, strlen(WRAP_LABEL), store->keys,
			  32) < 0 ||
	    envelope_hkdf(root, ROOT_BYTES, NULL, 0, MAC_LABEL, strlen(MAC_LABEL), store->keys + 32,
			  32) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "key store: HKDF failed in OpenSSL");
	return 0;
}

int keystore_open(struct keystore *store, const char *directory, bool create,
		  struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *root = envelope_secret_alloc(ROOT_BYTES);
	int r;

	memset(store, 0, sizeof(*store));
	snprintf(store->directory, sizeof(store->directory), "%s", directory);
	r = check_directory(store, create, e);
	if (r < 0)
		return r;
	store->keys = envelope_secret_alloc(64);
	if (!root || !store->keys) {
		keystore_close(store);
		return envelope_fail(e, ENVELOPE_E_LIMIT, "key store: no locked memory");
	}
	r = is_empty(store, e);
	if (r > 0)
		r = create ? create_root(store, root, e)
			   : envelope_fail(e, ENVELOPE_E_KEK_NOT_FOUND, "key store: %s is empty",
					   store->directory);
	if (r == 0)
		r = read_root(store, root, e);
	if (r == 0)
		r = derive_keys(store, root, e);
	if (r < 0)
		keystore_close(store);
	return r;
}

void keystore_close(struct keystore *store)
{
	envelope_secret_free(store->keys);
	store->keys = NULL;
}

int keystore_lock(const struct keystore *store, struct envelope_error *e)
{
	int fd = open(store->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		int saved = errno;

		if (fd >= 0)
			close(fd);
		return io_failed(store, ".", saved, e);
	}
	return fd;
}

int keystore_load(const struct keystore *store, const char *name, struct keystore_kek *kek,
		  struct envelope_error *e)
{
	char path[PATH_MAX], file[ENVELOPE_KEK_NAME_MAX + 8];
	const char *why;
	struct stat st;
	char *text;
	size_t size;
	int r;

	snprintf(file, sizeof(file), "%s.json", name);
	path_in(store, path, sizeof(path), file, "");
	if (lstat(path, &st) < 0) {
		if (errno != ENOENT)
			return io_failed(store, file, errno, e);
		return envelope_fail(e, ENVELOPE_E_KEK_NOT_FOUND,
				     "KEK %s: the key store %s does not have it", name,
				     store->directory);
	}
	if (!S_ISREG(st.st_mode))
		return damaged(store, file, "it is not a file", e);
	why = not_private(&st);
	if (why)
		return exposed(store, file, why, e);
	r = envelope_file_read(path, KEYSTORE_FILE_LIMIT, &text, &size);
	if (r == -EFBIG)
		return damaged(store, file, "it is larger than any key store file", e);
	if (r < 0)
		return io_failed(store, file, -r, e);
	r = keystore_file_parse(text, size, mac_key(store), kek, &why);
	free(text);
	if (r < 0)
		return damaged(store, file, why, e);
	if (strcmp(kek->name, name)) {
		keystore_kek_free(kek);
		return damaged(store, file, "it holds another KEK", e);
	}
	return 0;
}

static bool same_versions(const struct keystore_kek *a, const struct keystore_kek *b)
{
	return a->n_versions == b->n_versions &&
	       !memcmp(a->versions, b->versions, a->n_versions * sizeof(*a->versions));
}

/* A text that this code would not take back must not replace one that it does */
static bool text_good(const struct keystore *store, const struct keystore_kek *kek,
		      const char *text)
{
	struct keystore_kek back;
	const char *why;
	bool good;

	if (strlen(text) > KEYSTORE_FILE_LIMIT ||
	    keystore_file_parse(text, strlen(text), mac_key(store), &back, &why) < 0)
		return false;
	good = same_versions(&back, kek);
	keystore_kek_free(&back);
	return good;
}

static int write_kek(const struct keystore *store, const struct keystore_kek *kek,
		     struct envelope_error *e)
{
	char *text = keystore_file_format(kek, mac_key(store));
	struct keystore_kek back;
	char path[PATH_MAX];
	int r;

	if (!text || !text_good(store, kek, text)) {
		free(text);
		return envelope_fail(e, ENVELOPE_E_FAILED,
				     "KEK %s: no memory to write it; nothing was changed",
				     kek->name);
	}
	path_in(store, path, sizeof(path), kek->name, ".json");
	r = envelope_file_replace(path, text, strlen(text), 0600);
	free(text);
	if (r < 0)
		return io_failed(store, kek->name, -r, e);
	r = keystore_load(store, kek->name, &back, e);
	if (r < 0)
		return r;
	if (!same_versions(&back, kek))
		r = damaged(store, kek->name, "it reads back otherwise than written", e);
	keystore_kek_free(&back);
	return r;
}

static int make_version(const struct keystore *store, struct keystore_version *version,
			struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *kek = envelope_secret_alloc(KEYSTORE_KEK_BYTES);
	_cleanup_secret_ uint8_t *back = envelope_secret_alloc(KEYSTORE_WRAPPED);
	size_t size;

	if (!kek || !back)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "key store: no locked memory");
	memset(version, 0, sizeof(*version));
	envelope_time_now(version->created);
	version->enabled = true;
	if (envelope_random(kek, KEYSTORE_KEK_BYTES) < 0 ||
	    envelope_kwp_wrap(wrap_key(store), kek, KEYSTORE_KEK_BYTES, version->wrapped, &size) <
		    0 ||
	    envelope_kwp_unwrap(wrap_key(store), version->wrapped, size, back, &size) < 0 ||
	    !envelope_secret_equal(kek, back, KEYSTORE_KEK_BYTES))
		return envelope_fail(e, ENVELOPE_E_FAILED,
				     "key store: making a key failed in OpenSSL");
	return 0;
}

int keystore_add_version(const struct keystore *store, struct keystore_kek *kek,
			 struct envelope_error *e)
{
	struct keystore_version *versions;
	int r;

	if (kek->n_versions >= KEYSTORE_VERSIONS_MAX)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "KEK %s: it has %d versions already",
				     kek->name, KEYSTORE_VERSIONS_MAX);
	versions = realloc(kek->versions, (kek->n_versions + 1) * sizeof(*versions));
	if (!versions)
		return envelope_fail(e, ENVELOPE_E_FAILED, "key store: out of memory");
	kek->versions = versions;
	r = make_version(store, &versions[kek->n_versions], e);
	if (r < 0)
		return r;
	kek->n_versions++;
	return write_kek(store, kek, e);
}

/* What is there may be of a writer that died, or failed, before it was synced */
static int sync_kek(const struct keystore *store, const char *name, struct envelope_error *e)
{
	char path[PATH_MAX];
	int r;

	path_in(store, path, sizeof(path), name, ".json");
	r = envelope_file_sync(path);
	return r < 0 ? io_failed(store, name, -r, e) : 0;
}

int keystore_set_enabled(const struct keystore *store, struct keystore_kek *kek, size_t first,
			 size_t n, bool enabled, bool *changed, struct envelope_error *e)
{
	*changed = false;
	for (size_t i = first; i < first + n; i++) {
		if (kek->versions[i].enabled != enabled)
			*changed = true;
		kek->versions[i].enabled = enabled;
	}
	return *changed ? write_kek(store, kek, e) : sync_kek(store, kek->name, e);
}

int keystore_unwrap_version(const struct keystore *store, const struct keystore_kek *kek,
			    size_t index, uint8_t *out, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *plain = envelope_secret_alloc(KEYSTORE_WRAPPED);
	const struct keystore_version *version = &kek->versions[index];
	size_t size;

	if (!plain)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "key store: no locked memory");
	if (envelope_kwp_unwrap(wrap_key(store), version->wrapped, sizeof(version->wrapped), plain,
				&size) < 0 ||
	    size != KEYSTORE_KEK_BYTES)
		return damaged(store, kek->name, "a version does not unwrap under the root key", e);
	envelope_secret_copy(out, plain, KEYSTORE_KEK_BYTES);
	return 0;
}

static bool newer(const struct keystore *store, const char *name, const char *suffix,
		  const struct timespec *than)
{
	char path[PATH_MAX];
	struct stat st;

	path_in(store, path, sizeof(path), name, suffix);
	if (stat(path, &st) < 0)
		return false;
	return st.st_mtim.tv_sec > than->tv_sec ||
	       (st.st_mtim.tv_sec == than->tv_sec && st.st_mtim.tv_nsec > than->tv_nsec);
}

bool keystore_unbacked(const struct keystore *store, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	path_in(store, path, sizeof(path), BACKED_UP, "");
	return stat(path, &st) < 0 || newer(store, name, ".json", &st.st_mtim) ||
	       newer(store, ROOT_KEY, "", &st.st_mtim);
}
