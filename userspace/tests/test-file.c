// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "file.h"

#define LARGE (64 << 10)
#define READS 300

static char directory[64], path[96];

static int count_files(void)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int n = 0;

	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void test_replace(void **state)
{
	struct stat st;
	size_t size;
	char *text;

	assert_int_equal(envelope_file_replace(path, "one", 3, 0600), 0);
	assert_int_equal(envelope_file_replace(path, "second", 6, 0644), 0);
	assert_int_equal(envelope_file_read(path, 100, &text, &size), 0);
	assert_int_equal(size, 6);
	assert_string_equal(text, "second");
	free(text);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(count_files(), 1);
}

/* What fails leaves what was there, and nothing beside it */
static void test_replace_fails(void **state)
{
	char below[128];

	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(below, sizeof(below), "%s/file", path);
	assert_int_equal(envelope_file_replace(below, "x", 1, 0600), 0);
	assert_true(envelope_file_replace(path, "x", 1, 0600) < 0);
	assert_int_equal(count_files(), 1);
	assert_int_equal(access(below, F_OK), 0);
	assert_int_equal(envelope_file_replace("/none/file", "x", 1, 0600), -ENOENT);
}

static void test_read_limit(void **state)
{
	char *text;

	assert_int_equal(envelope_file_read(path, 100, &text, NULL), -ENOENT);
	assert_int_equal(envelope_file_replace(path, "12345678", 8, 0600), 0);
	assert_int_equal(envelope_file_read(path, 7, &text, NULL), -EFBIG);
	assert_int_equal(envelope_file_read(path, 8, &text, NULL), 0);
	free(text);
	assert_int_equal(envelope_file_read(directory, 100, &text, NULL), -EISDIR);
	assert_int_equal(remove(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(envelope_file_read(path, 100, &text, NULL), 0); /* does not wait */
	free(text);
}

static void write_without_end(void)
{
	static char data[2][LARGE];

	memset(data[0], 'a', LARGE);
	memset(data[1], 'b', LARGE);
	for (int i = 0; envelope_file_replace(path, data[i], LARGE, 0600) == 0; i = !i)
		;
	_exit(1);
}

/* Whoever reads meanwhile sees the old content or the new, whole */
static void test_atomic(void **state)
{
	static char expected[LARGE];
	size_t size;
	pid_t pid;

	memset(expected, 'a', LARGE);
	assert_int_equal(envelope_file_replace(path, expected, LARGE, 0600), 0);
	pid = fork();
	if (pid == 0)
		write_without_end();
	for (int i = 0; i < READS; i++) {
		char *text;

		assert_int_equal(envelope_file_read(path, LARGE, &text, &size), 0);
		assert_int_equal(size, LARGE);
		memset(expected, text[0], LARGE);
		assert_memory_equal(text, expected, LARGE);
		free(text);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_directory(void **state)
{
	struct stat st;
	char moved[128];

	umask(0);
	assert_int_equal(envelope_file_mkdir(path, 0700), 0);
	assert_int_equal(envelope_file_mkdir(path, 0700), 0);
	umask(077);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(envelope_file_mkdir(path, 0755), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	snprintf(moved, sizeof(moved), "%s/moved", directory);
	assert_int_equal(envelope_file_sync(path), 0);
	assert_int_equal(envelope_file_sync(moved), -ENOENT);
	assert_int_equal(envelope_file_rename(path, moved), 0);
	assert_int_equal(envelope_file_rename(path, moved), -ENOENT);
	assert_true(envelope_file_remove(moved) < 0);
	assert_int_equal(envelope_file_remove(path), 0);
}

static int set_up(void **state)
{
	new_directory(directory);
	snprintf(path, sizeof(path), "%s/file", directory);
	return 0;
}

static int tear_down(void **state)
{
	remove_directory(directory);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replace_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_read_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_atomic, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_directory, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
