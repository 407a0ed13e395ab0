// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is reported as done outlives a loss of power: data is synced before its file gets its
 * name, a directory after each change in it, a disk after each write. The calls defined here
 * stand before those of the C library, for libcryptsetup too, and keep account.
 */
#include "test-volume.h"

#include <libgen.h>
#include <limits.h>
#include <sys/syscall.h>

#include "file.h"
#include "keystore.h"
#include "volume-private.h"

#define WAITING_MAX 8

static char waiting[WAITING_MAX][PATH_MAX]; /* changed, and not synced since; "" is free */
static char named_early[PATH_MAX];	    /* that got its name before it was synced */
static unsigned int syncs;

/** assert_lasts() - a call returned 0, synced something, and left nothing that waits for it */
#define assert_lasts(call)                                                                         \
	do {                                                                                       \
		begin_account();                                                                   \
		assert_int_equal(call, 0);                                                         \
		assert_string_equal(named_early, "");                                              \
		for (unsigned int i_ = 0; i_ < WAITING_MAX; i_++)                                  \
			assert_string_equal(waiting[i_], "");                                      \
		assert_true(syncs > 0);                                                            \
	} while (0)

static void begin_account(void)
{
	memset(waiting, 0, sizeof(waiting));
	*named_early = '\0';
	syncs = 0;
}

/* Where this path stands in the account; or the first free place, if there is one */
static char *find(const char *path)
{
	char *free_place = NULL;

	for (unsigned int i = 0; i < WAITING_MAX; i++) {
		if (!strcmp(waiting[i], path))
			return waiting[i];
		if (!free_place && !*waiting[i])
			free_place = waiting[i];
	}
	return free_place;
}

static void changed(const char *path)
{
	char *place = find(path);

	if (!*directory || strncmp(path, directory, strlen(directory)))
		return;
	assert_non_null(place);
	strcpy(place, path);
}

/* Where the call with this result succeeded. Return: that result */
static int directory_changed(const char *path, int result)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	if (result == 0)
		changed(dirname(copy));
	return result;
}

static void waits_no_more(const char *path)
{
	char *place = find(path);

	if (place)
		*place = '\0';
}

static void gets_name(const char *path)
{
	char *place = find(path);

	if (place && *place)
		strcpy(named_early, path);
}

static const char *path_of(int fd)
{
	static char path[PATH_MAX];
	char link_path[32];
	ssize_t n;

	snprintf(link_path, sizeof(link_path), "/proc/self/fd/%d", fd);
	n = readlink(link_path, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return path;
}

ssize_t write(int fd, const void *data, size_t size)
{
	changed(path_of(fd));
	return syscall(SYS_write, fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	changed(path_of(fd));
	return syscall(SYS_pwrite64, fd, data, size, at);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
	changed(path_of(fd));
	return (int)syscall(SYS_fallocate, fd, mode, at, size);
}

int fsync(int fd)
{
	syncs++;
	waits_no_more(path_of(fd));
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	syncs++;
	waits_no_more(path_of(fd));
	return (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
	gets_name(from);
	return directory_changed(to, (int)syscall(SYS_rename, from, to));
}

int link(const char *from, const char *to)
{
	gets_name(from);
	return directory_changed(to, (int)syscall(SYS_link, from, to));
}

int unlink(const char *path)
{
	waits_no_more(path);
	return directory_changed(path, (int)syscall(SYS_unlink, path));
}

int mkdir(const char *path, mode_t mode)
{
	return directory_changed(path, (int)syscall(SYS_mkdir, path, mode));
}

static void test_files_last(void **state)
{
	char path[96], moved[96], below[96];

	snprintf(path, sizeof(path), "%s/file", directory);
	snprintf(moved, sizeof(moved), "%s/moved", directory);
	snprintf(below, sizeof(below), "%s/directory", directory);
	assert_lasts(envelope_file_replace(path, "one", 3, 0600));
	assert_lasts(envelope_file_replace(path, "two", 3, 0600));
	assert_lasts(envelope_file_sync(path));
	assert_lasts(envelope_file_rename(path, moved));
	assert_lasts(envelope_file_remove(moved));
	assert_lasts(envelope_file_mkdir(below, 0700));
}

static void test_keystore_lasts(void **state)
{
	struct keystore_kek kek = { .name = "default" };
	struct envelope_error e;
	struct keystore store;
	char path[96];
	bool changed;

	snprintf(path, sizeof(path), "%s/keystore", directory);
	envelope_time_now(kek.created);
	assert_lasts(keystore_open(&store, path, true, &e));
	assert_lasts(keystore_add_version(&store, &kek, &e));
	assert_lasts(keystore_add_version(&store, &kek, &e));
	assert_lasts(keystore_set_enabled(&store, &kek, 1, 1, false, &changed, &e));
	assert_true(changed);
	assert_lasts(keystore_set_enabled(&store, &kek, 1, 1, false, &changed, &e));
	assert_false(changed);
	keystore_kek_free(&kek);
	keystore_close(&store);
}

static void test_witness_lasts(void **state)
{
	struct envelope_error e;
	struct made made;

	format(image, &made);
	assert_lasts(envelope_witness_write(image, &made.geometry, made.dek, &e));
	assert_lasts(envelope_witness_clear(image, &e));
	envelope_secret_free(made.dek);
}

static void test_volume_lasts(void **state)
{
	struct envelope_format wish = { .device = image, .force = true };
	struct envelope_token fresh;
	struct envelope_volume *volume;
	struct envelope_error e;
	char backups[96];
	struct made made;

	snprintf(backups, sizeof(backups), "%s/headers", directory);
	format(image, &made);
	assert_lasts(envelope_volume_format(&wish, &made.geometry, made.dek, &made.token, &e));
	seal(&made, 0, &fresh);
	volume = load(image);
	assert_lasts(envelope_volume_backup(volume, backups, 1, &e));
	assert_lasts(envelope_volume_replace_slot(volume, 0, &fresh, &e));
	assert_lasts(envelope_volume_backup(volume, backups, 1, &e));
	assert_lasts(envelope_volume_erase(volume, &e));
	envelope_volume_free(volume);
	assert_lasts(envelope_volume_forget_backups(backups, made.geometry.uuid) - 1);
	envelope_secret_free(made.dek);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_last),
		cmocka_unit_test(test_keystore_lasts),
		cmocka_unit_test(test_witness_lasts),
		cmocka_unit_test(test_volume_lasts),
	};

	return cmocka_run_group_tests_name("sync", tests, volumes_set_up, volumes_tear_down);
}
