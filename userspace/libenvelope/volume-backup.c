// SPDX-License-Identifier: GPL-2.0-or-later
/* Header backups: UUID-TIME.luks2, for `cryptsetup luksHeaderRestore`. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "volume-private.h"

#define SUFFIX	  ".luks2"
#define TEMPORARY SUFFIX ".new"

static const char *uuid_wanted; /* for scandir(3), which passes nothing on */

static bool is_of_volume(const struct dirent *entry, const char *suffix)
{
	size_t length = strlen(entry->d_name);

	return length > strlen(suffix) &&
	       !strcmp(entry->d_name + length - strlen(suffix), suffix) &&
	       !strncmp(entry->d_name, uuid_wanted, ENVELOPE_UUID_TEXT) &&
	       entry->d_name[ENVELOPE_UUID_TEXT] == '-';
}

static int is_backup(const struct dirent *entry)
{
	return is_of_volume(entry, SUFFIX);
}

/* What a backup that lost its power left holds the slots too */
static int is_leftover(const struct dirent *entry)
{
	return is_of_volume(entry, TEMPORARY);
}

/* Remove all but the newest @keep. Return: how many were removed, or -errno. */
static int remove_older(const char *directory, const char *uuid,
			int (*wanted)(const struct dirent *), unsigned int keep)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int n, removed = 0, failed = 0;

	uuid_wanted = uuid;
	n = scandir(directory, &entries, wanted, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (i < n - (int)keep) {
			int r;

			snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
			r = envelope_file_remove(path);
			if (r < 0)
				failed = r;
			else
				removed++;
		}
		free(entries[i]);
	}
	free(entries);
	return failed < 0 ? failed : removed;
}

static int may_be_backup(const char *name)
{
	return strlen(name) > ENVELOPE_UUID_TEXT && name[ENVELOPE_UUID_TEXT] == '-';
}

int envelope_volume_list_backups(const char *directory, char ***names, struct envelope_error *e)
{
	int r = envelope_file_list(directory, SUFFIX, may_be_backup, names);

	return r < 0 ? envelope_fail_file(e, directory, -r) : 0;
}

int envelope_volume_load_backup(const char *directory, const char *name,
				struct envelope_volume **volume, struct envelope_error *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s" SUFFIX, directory, name);
	return envelope_volume_load(path, NULL, volume, e);
}

int envelope_volume_forget_backups(const char *directory, const char *uuid)
{
	int leftovers = remove_older(directory, uuid, is_leftover, 0);
	int backups = remove_older(directory, uuid, is_backup, 0);

	return leftovers < 0 ? leftovers : backups;
}

/* Also by one that opens something else */
static bool uses_keyslots(struct envelope_volume *volume)
{
	for (int slot = 0; slot < crypt_keyslot_max(CRYPT_LUKS2); slot++)
		if (crypt_keyslot_status(volume->cd, slot) > CRYPT_SLOT_INACTIVE)
			return true;
	return false;
}

/* Where the area of key slots is unused: 16 MiB of zeros need no room */
static int make_sparse(struct envelope_volume *volume, const char *path)
{
	uint64_t metadata, keyslots;
	int fd, r = 0;

	/* libcryptsetup leaves it read-only */
	if (chmod(path, 0600) < 0)
		return -errno;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	envelope_volume_areas(volume, &metadata, &keyslots);
	if (!uses_keyslots(volume))
		(void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)(2 * metadata), (off_t)keyslots);
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

static void name_backup(char *path, size_t room, const char *directory, const char *uuid)
{
	struct timespec now;
	struct tm utc;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(text, sizeof(text), "%Y%m%dT%H%M%S", gmtime_r(&now.tv_sec, &utc));
	snprintf(path, room, "%s/%s-%s.%09ldZ" SUFFIX, directory, uuid, text, now.tv_nsec);
}

static int write_backup(struct envelope_volume *volume, const char *directory,
			struct envelope_error *e)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	int r;

	name_backup(path, sizeof(path), directory, volume->geometry.uuid);
	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
		return envelope_fail_file(e, directory, ENAMETOOLONG);
	r = crypt_header_backup(volume->cd, CRYPT_LUKS2, temporary);
	if (r < 0) {
		unlink(temporary);
		envelope_volume_failed(volume, e, ENVELOPE_E_IO, "backing its header up", r);
		return envelope_cure(e, "see that %s can be written and has room", directory);
	}
	r = make_sparse(volume, temporary);
	if (r == 0)
		r = envelope_file_rename(temporary, path);
	if (r < 0) {
		unlink(temporary);
		return envelope_fail_file(e, path, -r);
	}
	return 0;
}

int envelope_volume_backup(struct envelope_volume *volume, const char *directory, unsigned int keep,
			   struct envelope_error *e)
{
	int lock, r = envelope_file_mkdir(directory, 0700);

	if (r < 0)
		return envelope_fail_file(e, directory, -r);
	/*
	 * Copies of one disk have one uuid: what looks like a leftover may be another's, under way.
	 * Without a lock nothing is removed; what is wrong with the directory, the writing tells.
	 */
	lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock >= 0)
		flock(lock, LOCK_SH);
	r = write_backup(volume, directory, e);
	if (r == 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
		remove_older(directory, volume->geometry.uuid, is_leftover, 0);
	if (lock >= 0)
		close(lock);
	if (r == 0)
		remove_older(directory, volume->geometry.uuid, is_backup, keep);
	return r;
}
