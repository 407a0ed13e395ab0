// SPDX-License-Identifier: GPL-2.0-or-later
/* May this device be formatted? And what lies on it now? */
#include <blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "file.h"
#include "volume-private.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define _cleanup_close_ __attribute__((cleanup(close_fd)))

static void free_probe(blkid_probe *probe)
{
	blkid_free_probe(*probe);
}
#define _cleanup_probe_ __attribute__((cleanup(free_probe)))

bool envelope_volume_has_header(const char *device)
{
	static const struct {
		off_t offset;
		const char *magic;
		size_t size;
	} traces[] = {
		{ 0, "LUKS\xba\xbe", 6 },
		{ ENVELOPE_METADATA_BYTES, "SKUL\xba\xbe", 6 },
		{ ENVELOPE_WITNESS_OFFSET, "DM-ENVELOPE-WIT1", 16 },
	};
	_cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC);
	char found[16];

	for (size_t i = 0; fd >= 0 && i < sizeof(traces) / sizeof(*traces); i++)
		if (pread(fd, found, traces[i].size, traces[i].offset) == (ssize_t)traces[i].size &&
		    !memcmp(found, traces[i].magic, traces[i].size))
			return true;
	return false;
}

/* The first device that is stacked on this one, for the message; "" where there is none */
static void find_holder(int fd, char *name, size_t room)
{
	char path[128];
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	*name = '\0';
	if (fstat(fd, &st) < 0)
		return;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major(st.st_rdev),
		 minor(st.st_rdev));
	dir = opendir(path);
	while (dir && !*name && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			snprintf(name, room, " by %.64s", entry->d_name);
	if (dir)
		closedir(dir);
}

static int in_use(const char *device, struct envelope_error *e)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC);
	char holder[80] = "";

	if (fd >= 0)
		find_holder(fd, holder, sizeof(holder));
	return envelope_fail(e, ENVELOPE_E_BUSY, "%s: in use%s (mounted, mapped or swap)", device,
			     holder);
}

static int open_exclusively(const char *device, int *fd, uint64_t *size, struct envelope_error *e)
{
	struct stat st;
	int readonly = 0;

	if (stat(device, &st) < 0)
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: %s", device, strerror(errno));
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return envelope_fail(e, ENVELOPE_E_USAGE, "%s: neither a block device nor a file",
				     device);
	*fd = open(device, O_RDWR | O_CLOEXEC | (S_ISBLK(st.st_mode) ? O_EXCL : 0));
	if (*fd < 0 && errno == EBUSY)
		return in_use(device, e);
	if (*fd < 0)
		return envelope_fail(e, ENVELOPE_E_IO, "%s: %s", device, strerror(errno));
	*size = (uint64_t)st.st_size;
	if (!S_ISBLK(st.st_mode))
		return 0;
	if (ioctl(*fd, BLKGETSIZE64, size) < 0)
		return envelope_fail(e, ENVELOPE_E_IO, "%s: %s", device, strerror(errno));
	if (ioctl(*fd, BLKROGET, &readonly) == 0 && readonly) {
		envelope_fail(e, ENVELOPE_E_IO, "%s is read-only", device);
		return envelope_cure(e, "blockdev --setrw %s", device);
	}
	return 0;
}

static blkid_probe new_probe(int fd)
{
	blkid_probe probe = blkid_new_probe();

	if (!probe || blkid_probe_set_device(probe, fd, 0, 0) < 0) {
		blkid_free_probe(probe);
		return NULL;
	}
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC |
							 BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(probe, 1);
	blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC);
	return probe;
}

static int holds(const char *device, const char *what, struct envelope_error *e)
{
	_cleanup_volume_ struct envelope_volume *volume = NULL;

	if (envelope_volume_load(device, NULL, &volume, NULL) == 0)
		return envelope_fail(e, ENVELOPE_E_HOLDS_DATA, "%s: holds an envelope volume, %s",
				     device, volume->geometry.uuid);
	return envelope_fail(e, ENVELOPE_E_HOLDS_DATA, "%s: holds %s", device, what);
}

static int check_content(const char *device, int fd, struct envelope_error *e)
{
	_cleanup_probe_ blkid_probe probe = new_probe(fd);
	const char *type;
	char what[96];

	if (!probe)
		return envelope_fail(e, ENVELOPE_E_IO, "%s: cannot be probed", device);
	switch (blkid_do_safeprobe(probe)) {
	case 1: /* nothing known */
		if (envelope_volume_has_header(device))
			return holds(device, "the remains of an envelope volume", e);
		return 0;
	case 0:
		if (blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0)
			snprintf(what, sizeof(what), "a file system or the like (%.32s)", type);
		else if (blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL) == 0)
			snprintf(what, sizeof(what), "a partition table (%.32s)", type);
		else
			snprintf(what, sizeof(what), "something that blkid knows");
		return holds(device, what, e);
	case -2:
		return holds(device, "several things at once, says blkid", e);
	default:
		return envelope_fail(e, ENVELOPE_E_IO, "%s: cannot be read", device);
	}
}

static int choose_sector_size(const struct envelope_format *format, int fd, uint64_t data_size,
			      unsigned int *sector_size, struct envelope_error *e)
{
	unsigned int wanted = format->sector_size;
	int smallest = 512; /* that the disk can write */

	(void)ioctl(fd, BLKSSZGET, &smallest); /* not of a file */
	*sector_size = data_size % 4096 ? 512 : 4096;
	if (wanted == 0)
		return 0;
	if (wanted < 512 || wanted > 4096 || wanted & (wanted - 1))
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "a sector size of %u: it must be 512, 1024, 2048 or 4096",
				     wanted);
	if (data_size % wanted)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "%s: its size is no multiple of %u-byte sectors",
				     format->device, wanted);
	if (wanted < (unsigned int)smallest)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "%s: the disk cannot write sectors smaller than %d bytes",
				     format->device, smallest);
	*sector_size = wanted;
	return 0;
}

static int choose_uuid(const char *wanted, char *uuid, struct envelope_error *e)
{
	if (wanted) {
		if (!envelope_uuid_valid(wanted))
			return envelope_fail(e, ENVELOPE_E_USAGE,
					     "\"%.40s\" is not a uuid in lower case", wanted);
		memcpy(uuid, wanted, ENVELOPE_UUID_TEXT + 1);
		return 0;
	}
	if (envelope_uuid_make(uuid) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no random numbers");
	return 0;
}

static int check_directory(const char *path, struct envelope_error *e)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", path);
	if (access(dirname(directory), W_OK) < 0)
		return envelope_fail(e, errno == ENOENT ? ENVELOPE_E_NOT_FOUND : ENVELOPE_E_IO,
				     "%s: %s", directory, strerror(errno));
	return 0;
}

/* A file that is not there yet, or has nothing in it: force is for the device */
static int check_header(const struct envelope_format *format, struct envelope_error *e)
{
	struct stat st;

	if (stat(format->header, &st) < 0)
		return errno == ENOENT ? check_directory(format->header, e)
				       : envelope_fail_file(e, format->header, errno);
	if (!S_ISREG(st.st_mode))
		return envelope_fail(e, ENVELOPE_E_USAGE, "%s: a header is to be in a file",
				     format->header);
	if (!st.st_size)
		return 0;
	envelope_fail(e, ENVELOPE_E_HOLDS_DATA, "%s: the file of the header is not empty",
		      format->header);
	return envelope_cure(e, "give another; or, if it may go, remove it");
}

static int make_header(const char *path, struct envelope_error *e)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, ENVELOPE_WITNESS_OFFSET) < 0 || fsync(fd) < 0)
		return envelope_fail_file(e, path, errno);
	return 0;
}

/* @fd: exclusive, the caller's to close */
static int check(const struct envelope_format *format, int *fd, struct envelope_geometry *geometry,
		 struct envelope_error *e)
{
	unsigned long long offset = format->header ? 0 : ENVELOPE_DATA_OFFSET;
	uint64_t size;
	int r = open_exclusively(format->device, fd, &size, e);

	if (r == 0 && format->header)
		r = check_header(format, e);
	if (r < 0)
		return r;
	if (size < offset + ENVELOPE_DATA_MINIMUM)
		return envelope_fail(e, ENVELOPE_E_TOO_SMALL,
				     "%s: %llu bytes; a volume needs at least %llu", format->device,
				     (unsigned long long)size, offset + ENVELOPE_DATA_MINIMUM);
	r = choose_sector_size(format, *fd, size - offset, &geometry->sector_size, e);
	if (r < 0)
		return r;
	r = choose_uuid(format->uuid, geometry->uuid, e);
	if (r < 0)
		return r;
	geometry->key_size = ENVELOPE_DEK_MAX;
	geometry->data_offset = offset;
	return format->force ? 0 : check_content(format->device, *fd, e);
}

int envelope_volume_check_device(const struct envelope_format *format,
				 struct envelope_geometry *geometry, struct envelope_error *e)
{
	_cleanup_close_ int fd = -1;

	return check(format, &fd, geometry, e);
}

static int wipe_signatures(const char *device, int fd, struct envelope_error *e)
{
	_cleanup_probe_ blkid_probe probe = new_probe(fd);

	if (!probe)
		return envelope_fail(e, ENVELOPE_E_IO, "%s: cannot be probed", device);
	while (blkid_do_probe(probe) == 0)
		if (blkid_do_wipe(probe, 0) < 0)
			return envelope_fail(e, ENVELOPE_E_IO, "%s: an old signature stays: %s",
					     device, strerror(errno));
	if (fsync(fd) < 0)
		return envelope_fail(e, ENVELOPE_E_IO, "%s: %s", device, strerror(errno));
	return 0;
}

int envelope_volume_clear(const struct envelope_format *format, struct envelope_error *e)
{
	_cleanup_close_ int fd = -1;
	struct envelope_geometry ignored;
	int r = check(format, &fd, &ignored, e);

	if (r == 0 && format->header)
		r = make_header(format->header, e);
	if (r < 0)
		return r;
	r = wipe_signatures(format->device, fd, e);
	if (r < 0 && format->header)
		unlink(format->header); /* made just now */
	return r;
}

int envelope_volume_data_sectors(struct envelope_volume *volume, uint64_t *sectors,
				 struct envelope_error *e)
{
	_cleanup_close_ int fd = open(volume->device, O_RDONLY | O_CLOEXEC);
	unsigned int unit = volume->geometry.sector_size;
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size < 0)
		return envelope_fail(e, ENVELOPE_E_IO, "%s: %s", volume->device, strerror(errno));
	if ((uint64_t)size < volume->geometry.data_offset + unit)
		return envelope_fail(e, ENVELOPE_E_TOO_SMALL,
				     "%s: it ends before the data of its volume begins",
				     volume->device);
	*sectors = ((uint64_t)size - volume->geometry.data_offset) / unit * (unit / 512);
	return 0;
}
