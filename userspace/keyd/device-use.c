// SPDX-License-Identifier: GPL-2.0-or-later
#include "device-use.h"

#include <blkid.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DISKS_MAX 64
#define STACK_MAX 16 /* mappings on mappings */

/* "\040" and its like, as /proc/self/mountinfo writes what would break its columns */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; text++) {
		unsigned int c;

		if (*text == '\\' && sscanf(text + 1, "%3o", &c) == 1) {
			*out++ = c;
			text += 3;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

static bool mounted(dev_t devno, char *out, size_t room)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, where[4096];
	unsigned int major, minor;
	bool found = false;
	size_t size = 0;

	while (file && !found && getline(&line, &size, file) > 0) {
		found = sscanf(line, "%*u %*u %u:%u %*s %4095s", &major, &minor, where) == 3 &&
			makedev(major, minor) == devno;
		if (found) {
			unescape(where);
			snprintf(out, room, "mounted at %s", where);
		}
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static bool swapped(dev_t devno, char *out, size_t room)
{
	FILE *file = fopen("/proc/swaps", "re");
	char *line = NULL, path[4096];
	bool found = false;
	size_t size = 0;
	struct stat st;

	while (file && !found && getline(&line, &size, file) > 0) {
		if (sscanf(line, "%4095s", path) != 1 || *path != '/')
			continue;
		unescape(path);
		found = !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == devno;
	}
	if (found)
		snprintf(out, room, "swap");
	free(line);
	if (file)
		fclose(file);
	return found;
}

static DIR *open_sys(dev_t devno, const char *what)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(devno), minor(devno), what);
	return opendir(path);
}

static struct dirent *next_entry(DIR *dir)
{
	struct dirent *entry;

	do {
		entry = readdir(dir);
	} while (entry && *entry->d_name == '.');
	return entry;
}

static bool held(dev_t devno, char *out, size_t room)
{
	DIR *dir = open_sys(devno, "holders");
	struct dirent *entry = dir ? next_entry(dir) : NULL;

	if (entry)
		snprintf(out, room, "below %s", entry->d_name);
	if (dir)
		closedir(dir);
	return entry;
}

bool device_user(dev_t devno, char *out, size_t room)
{
	return mounted(devno, out, room) || swapped(devno, out, room) || held(devno, out, room);
}

bool device_path(const char *devno, char *out, size_t room)
{
	char path[128], target[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%s", devno);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	snprintf(out, room, "/dev/%s", strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
	return true;
}

struct disks {
	dev_t disk[DISKS_MAX];
	unsigned int n;
};

static bool sysfs_devno(const char *name, dev_t *devno)
{
	unsigned int major, minor;
	char path[320];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "/sys/class/block/%s/dev", name);
	file = fopen(path, "re");
	ok = file && fscanf(file, "%u:%u", &major, &minor) == 2;
	if (ok)
		*devno = makedev(major, minor);
	if (file)
		fclose(file);
	return ok;
}

static void collect(dev_t devno, struct disks *disks, unsigned int depth)
{
	struct dirent *entry;
	bool leaf = true;
	dev_t whole, below;
	DIR *dir;

	if (!blkid_devno_to_wholedisk(devno, NULL, 0, &whole))
		devno = whole;
	dir = open_sys(devno, "slaves");
	while (dir && depth < STACK_MAX && (entry = next_entry(dir))) {
		if (!sysfs_devno(entry->d_name, &below))
			continue;
		leaf = false;
		collect(below, disks, depth + 1);
	}
	if (dir)
		closedir(dir);
	if (leaf && disks->n < DISKS_MAX)
		disks->disk[disks->n++] = devno;
}

uint64_t device_number(dev_t devno, const char *attribute)
{
	unsigned long long number;
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(devno), minor(devno),
		 attribute);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%llu", &number) != 1)
		number = 0;
	if (file)
		fclose(file);
	return number;
}

bool device_readonly(dev_t devno)
{
	return device_number(devno, "ro");
}

bool device_below(dev_t devno, dev_t *below)
{
	DIR *dir = open_sys(devno, "slaves");
	struct dirent *entry = dir ? next_entry(dir) : NULL;
	bool found = entry && sysfs_devno(entry->d_name, below);

	if (dir)
		closedir(dir);
	return found;
}

bool device_same_disk(dev_t a, dev_t b)
{
	struct disks below_a = {}, below_b = {};

	collect(a, &below_a, 0);
	collect(b, &below_b, 0);
	for (unsigned int i = 0; i < below_a.n; i++)
		for (unsigned int j = 0; j < below_b.n; j++)
			if (below_a.disk[i] == below_b.disk[j])
				return true;
	return false;
}
