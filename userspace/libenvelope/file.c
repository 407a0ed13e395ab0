// SPDX-License-Identifier: GPL-2.0-or-later
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t read_all(int fd, char *data, size_t room)
{
	size_t size = 0;

	while (size < room) {
		ssize_t n = read(fd, data + size, room - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
	}
	return (ssize_t)size;
}

int envelope_file_read(const char *path, size_t limit, char **text, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *data;
	ssize_t n;

	if (fd < 0)
		return -errno;
	data = malloc(limit + 2);
	n = data ? read_all(fd, data, limit + 1) : -ENOMEM;
	close(fd);
	if (n > (ssize_t)limit)
		n = -EFBIG;
	if (n < 0) {
		free(data);
		return (int)n;
	}
	data[n] = '\0';
	*text = data;
	if (size)
		*size = (size_t)n;
	return 0;
}

static int sync_path(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int sync_directory_of(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	return sync_path(dirname(copy), O_DIRECTORY);
}

int envelope_file_sync(const char *path)
{
	int r = sync_path(path, O_NOFOLLOW);

	return r < 0 ? r : sync_directory_of(path);
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

int envelope_file_rename(const char *from, const char *to)
{
	if (rename(from, to) < 0)
		return -errno;
	return sync_directory_of(to);
}

int envelope_file_replace(const char *path, const void *data, size_t size, mode_t mode)
{
	char temporary[PATH_MAX];
	int fd, r;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, size);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	close(fd);
	if (r == 0)
		r = envelope_file_rename(temporary, path);
	if (r < 0)
		unlink(temporary);
	return r;
}

int envelope_file_remove(const char *path)
{
	if (unlink(path) < 0)
		return errno == ENOENT ? 0 : -errno;
	return sync_directory_of(path);
}

int envelope_file_mkdir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (chmod(path, mode) < 0) /* whatever the umask */
		return -errno;
	return sync_directory_of(path);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The name without its suffix, malloc'ed; NULL where it is not wanted, or memory is short */
static char *stem_of(const char *name, const char *suffix, int (*wanted)(const char *name))
{
	size_t length = strlen(name), end = strlen(suffix);
	char *stem;

	if (length <= end || strcmp(name + length - end, suffix))
		return NULL;
	stem = strndup(name, length - end);
	if (stem && wanted(stem))
		return stem;
	free(stem);
	return NULL;
}

int envelope_file_list(const char *directory, const char *suffix, int (*wanted)(const char *name),
		       char ***names)
{
	struct dirent **entries = NULL;
	int n = scandir(directory, &entries, NULL, NULL), found = 0;

	if (n < 0 && errno != ENOENT)
		return -errno;
	*names = calloc((size_t)(n < 0 ? 0 : n) + 1, sizeof(**names));
	for (int i = 0; i < n; i++) {
		char *stem = *names ? stem_of(entries[i]->d_name, suffix, wanted) : NULL;

		if (stem)
			(*names)[found++] = stem;
		free(entries[i]);
	}
	free(entries);
	if (!*names)
		return -ENOMEM;
	qsort(*names, (size_t)found, sizeof(**names), by_name);
	return found;
}
