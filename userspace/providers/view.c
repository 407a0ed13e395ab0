// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a worker sees of the file system: one directory, by Landlock. That is bound to the directory
 * which is there, and not to its path: where another one has come in its place, as when a file
 * system is mounted there, only another worker can see that.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker.h"

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* since Linux 6.2 */
#endif

/* What of Landlock's rights a provider has in its directory, as each version came to know them */
#define CHANGES_1                                                                                  \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |                              \
	 LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                             \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                            \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR)
#define CHANGES_2 LANDLOCK_ACCESS_FS_REFER
#define CHANGES_3 LANDLOCK_ACCESS_FS_TRUNCATE

/* And what nobody has anywhere */
#define NEVER                                                                                      \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_CHAR |                             \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK)

/* Return: 0 where this kernel has no Landlock */
static uint64_t changes_known(void)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version <= 0)
		return 0;
	return CHANGES_1 | (version >= 2 ? CHANGES_2 : 0) | (version >= 3 ? CHANGES_3 : 0);
}

/*
 * A directory; or the one above it, where it is not there yet, to be made in it.
 * Return: a descriptor, or negative where there is neither.
 */
static int find(const char *directory)
{
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char above[PATH_MAX];

	if (fd >= 0 || errno != ENOENT ||
	    snprintf(above, sizeof(above), "%s", directory) >= (int)sizeof(above))
		return fd;
	return open(dirname(above), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Of nothing, where there is nothing */
static void identify(int fd, struct worker_view *view)
{
	struct stat st = { 0 };

	if (fd >= 0 && fstat(fd, &st) < 0)
		memset(&st, 0, sizeof(st));
	view->device = st.st_dev;
	view->inode = st.st_ino;
}

static int allow(int rules, int directory, uint64_t changes)
{
	const struct landlock_path_beneath_attr beneath = { .allowed_access = changes,
							    .parent_fd = directory };

	if (directory < 0)
		return 0;
	return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0
		       ? -errno
		       : 0;
}

static int restrict_to(int directory, uint64_t changes)
{
	const struct landlock_ruleset_attr attributes = { .handled_access_fs = changes | NEVER };
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	int r = rules < 0 ? -errno : allow(rules, directory, changes);

#ifdef ENVELOPE_COVERAGE_DIRECTORY /* where it writes at its end which lines it ran */
	if (r == 0)
		r = allow(rules, open(ENVELOPE_COVERAGE_DIRECTORY, O_PATH | O_CLOEXEC), changes);
#endif
	if (r == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		r = -errno;
	if (rules >= 0)
		close(rules);
	return r;
}

int worker_confine(struct worker_view *view)
{
	int directory = view->directory ? find(view->directory) : -1;
	uint64_t changes = changes_known();
	int r;

	identify(directory, view);
	r = changes ? restrict_to(directory, changes) : -EOPNOTSUPP;
	if (directory >= 0)
		close(directory);
	return r;
}

bool worker_view_stale(const struct worker_view *view)
{
	struct worker_view now;
	int directory = view->directory ? find(view->directory) : -1;

	identify(directory, &now);
	if (directory >= 0)
		close(directory);
	return now.device != view->device || now.inode != view->inode;
}
