// SPDX-License-Identifier: GPL-2.0-or-later
/* What a worker sees of the file system, and when that is another part of it than it should be. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "file.h"
#include "worker.h"

static char top[64];
static char seen[80], beside[80]; /* in it, each with a file "file" */

static const char *path_of(const char *directory, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* What each returns is its errno; in a process of its own, whose exit status that is */
static int open_at(const char *directory, const char *name, int flags)
{
	int fd = open(path_of(directory, name), flags | O_CLOEXEC, 0600);

	return fd < 0 || close(fd) < 0 ? errno : 0;
}

static int read_seen(void)
{
	return open_at(seen, "file", O_RDONLY);
}

static int list_seen(void)
{
	return open_at(seen, ".", O_RDONLY | O_DIRECTORY);
}

static int change_seen(void)
{
	if (mkdir(path_of(seen, "below"), 0700) < 0 ||
	    envelope_file_replace(path_of(seen, "below/new"), "new", 3, 0600) < 0 ||
	    rename(path_of(seen, "file"), path_of(seen, "file")) < 0 ||
	    open_at(seen, "below/new", O_WRONLY | O_TRUNC) ||
	    unlink(path_of(seen, "below/new")) < 0 || rmdir(path_of(seen, "below")) < 0)
		return errno ?: EINVAL;
	return 0;
}

static int make_seen(void)
{
	return mkdir(seen, 0700) < 0 ? errno : 0;
}

static int read_beside(void)
{
	return open_at(beside, "file", O_RDONLY);
}

static int list_beside(void)
{
	return open_at(beside, ".", O_RDONLY | O_DIRECTORY);
}

static int list_above(void)
{
	return open_at(top, ".", O_RDONLY | O_DIRECTORY);
}

static int write_beside(void)
{
	return open_at(beside, "file", O_WRONLY);
}

/* Which Landlock knows to forbid since Linux 6.2 */
static int cut_beside(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 3
		       ? EACCES
		       : open_at(beside, "file", O_RDONLY | O_TRUNC);
}

static int add_beside(void)
{
	return open_at(beside, "new", O_WRONLY | O_CREAT);
}

static int remove_beside(void)
{
	return unlink(path_of(beside, "file")) < 0 ? errno : 0;
}

static int read_password_file(void)
{
	return open_at("/etc", "passwd", O_RDONLY);
}

static int read_own_maps(void)
{
	return open_at("/proc/self", "maps", O_RDONLY);
}

static int make_link(void)
{
	return symlink("/etc/passwd", path_of(seen, "link")) < 0 ? errno : 0;
}

static int make_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, path_of(seen, "socket"), sizeof(address.sun_path));
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
}

static int confine(struct worker_view *view)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : worker_confine(view);
}

static int confine_and(const char *directory, int (*attempt)(void))
{
	struct worker_view view = { .directory = directory };
	int r = confine(&view);

	return r < 0 ? -r : attempt();
}

static int in_view_of(const char *directory, int (*attempt)(void))
{
	int status;
	pid_t pid = fork();

	/* Not by _exit(): a sanitizer would look for its files */
	if (pid == 0)
		syscall(SYS_exit_group, confine_and(directory, attempt));
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void make(const char *directory)
{
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(envelope_file_replace(path_of(directory, "file"), "old", 3, 0600), 0);
}

static int set_up(void **state)
{
	new_directory(top);
	snprintf(seen, sizeof(seen), "%s/seen", top);
	snprintf(beside, sizeof(beside), "%s/beside", top);
	make(seen);
	make(beside);
	return 0;
}

static int take_down(void **state)
{
	remove_directory(top);
	return 0;
}

static void test_seen(void **state)
{
	assert_int_equal(in_view_of(seen, read_seen), 0);
	assert_int_equal(in_view_of(seen, list_seen), 0);
	assert_int_equal(in_view_of(seen, change_seen), 0);
}

/* No file can be reached; and where one can, nothing is made that others would follow or run */
static void test_unseen(void **state)
{
	int (*const attempts[])(void) = { read_beside,	 list_beside,	     list_above,
					  write_beside,	 cut_beside,	     add_beside,
					  remove_beside, read_password_file, read_own_maps,
					  make_link,	 make_socket };

	for (size_t i = 0; i < N(attempts); i++) {
		if (in_view_of(seen, attempts[i]) != EACCES)
			fail_msg("attempt %zu", i);
		if (in_view_of(NULL, attempts[i]) != EACCES)
			fail_msg("attempt %zu, without a directory", i);
	}
	assert_int_equal(in_view_of(NULL, read_seen), EACCES);
	/* They fail for no other reason */
	assert_int_equal(read_beside() | list_above() | write_beside() | read_own_maps(), 0);
}

static void test_made_later(void **state)
{
	remove_directory(seen);
	assert_int_equal(in_view_of(seen, make_seen), 0);
	assert_int_equal(in_view_of(seen, read_password_file), EACCES);
	assert_int_equal(in_view_of("/nowhere/at/all", read_beside), EACCES);
}

/* Return: the step that does not hold, or 0 */
static int follow_directory(void)
{
	struct worker_view view = { .directory = seen };

	if (confine(&view) < 0 || worker_view_stale(&view))
		return 1;
	if (rename(beside, seen) < 0 || !worker_view_stale(&view))
		return 2;
	if (confine(&view) < 0 || worker_view_stale(&view))
		return 3;
	return change_seen() || worker_view_stale(&view) ? 4 : 0;
}

static int see_nothing(void)
{
	struct worker_view view = { .directory = NULL };

	return confine(&view) < 0 || worker_view_stale(&view);
}

/* Where it is made, or another comes in its place; not where something changes in it */
static void test_stale(void **state)
{
	remove_directory(seen);
	assert_int_equal(in_view_of(top, follow_directory), 0);
	assert_int_equal(in_view_of(top, see_nothing), 0);
}

static int without_landlock(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct worker_view view = { .directory = seen };

	if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0) <
		    0 ||
	    seccomp_load(filter) < 0)
		return EINVAL;
	return -worker_confine(&view);
}

static void test_no_landlock(void **state)
{
	assert_int_equal(in_view_of(top, without_landlock), EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_seen, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_unseen, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_made_later, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_stale, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_no_landlock, set_up, take_down),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
