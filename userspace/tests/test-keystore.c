// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "file.h"
#include "keystore.h"

static char directory[64], store_path[96];

static void path_of(const char *file, char path[static 160])
{
	snprintf(path, 160, "%s/%s", store_path, file);
}

static void create(const char *name)
{
	struct keystore_kek kek = { 0 };
	struct envelope_error e = { 0 };
	struct keystore store;

	assert_good(keystore_open(&store, store_path, true, &e));
	snprintf(kek.name, sizeof(kek.name), "%s", name);
	envelope_time_now(kek.created);
	assert_good(keystore_add_version(&store, &kek, &e));
	keystore_kek_free(&kek);
	keystore_close(&store);
}

static int load(const char *name, struct keystore_kek *kek, struct envelope_error *e)
{
	struct keystore store;
	int r = keystore_open(&store, store_path, false, e);

	if (r < 0)
		return r;
	r = keystore_load(&store, name, kek, e);
	keystore_close(&store);
	return r;
}

static void test_versions(void **state)
{
	_cleanup_secret_ uint8_t *one = envelope_secret_alloc(32), *two = envelope_secret_alloc(32);
	struct keystore_kek kek = { 0 };
	struct envelope_error e = { 0 };
	struct keystore store;

	assert_fails(KEK_NOT_FOUND, load("default", &kek, &e));
	create("default");
	assert_fails(KEK_NOT_FOUND, load("other", &kek, &e));
	assert_good(keystore_open(&store, store_path, false, &e));
	assert_good(keystore_load(&store, "default", &kek, &e));
	assert_int_equal(kek.n_versions, 1);
	assert_good(keystore_unwrap_version(&store, &kek, 0, one, &e));
	assert_good(keystore_add_version(&store, &kek, &e));
	keystore_kek_free(&kek);
	assert_good(keystore_load(&store, "default", &kek, &e));
	assert_int_equal(kek.n_versions, 2);
	assert_good(keystore_unwrap_version(&store, &kek, 0, two, &e));
	assert_memory_equal(one, two, 32);
	assert_good(keystore_unwrap_version(&store, &kek, 1, two, &e));
	assert_memory_not_equal(one, two, 32);
	keystore_kek_free(&kek);
	keystore_close(&store);
}

static void test_private(void **state)
{
	struct keystore_kek kek;
	struct envelope_error e;
	char path[160];
	struct stat st;

	create("default");
	path_of("root.key", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(path, 0640), 0);
	assert_fails(KEYSTORE_DAMAGED, load("default", &kek, &e));
	assert_int_equal(chmod(path, 0600), 0);
	path_of("default.json", path);
	assert_int_equal(chmod(path, 0604), 0);
	assert_fails(KEYSTORE_DAMAGED, load("default", &kek, &e));
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(chmod(store_path, 0755), 0);
	assert_fails(KEYSTORE_DAMAGED, load("default", &kek, &e));
	assert_int_equal(chmod(store_path, 0700), 0);
	assert_good(load("default", &kek, &e));
	keystore_kek_free(&kek);
}

/* Damaged is refused, named, and stays as it is */
static void damaged(const char *file)
{
	struct keystore_kek kek;
	struct envelope_error e;

	assert_fails(KEYSTORE_DAMAGED, load("default", &kek, &e));
	assert_non_null(strstr(e.message, file));
	assert_non_null(strstr(e.cure, "backup"));
}

static void test_root_damaged(void **state)
{
	struct keystore store;
	struct envelope_error e;
	char path[160];

	create("default");
	path_of("root.key", path);
	assert_int_equal(truncate(path, 31), 0);
	damaged("root.key");
	assert_int_equal(envelope_file_replace(path, "0123456789abcdef0123456789abcdef", 32, 0600),
			 0);
	damaged("default.json");
	assert_int_equal(unlink(path), 0);
	damaged("root.key");
	assert_fails(KEYSTORE_DAMAGED, keystore_open(&store, store_path, true, &e));
	assert_int_equal(access(path, F_OK), -1);
}

/* Every byte of the file counts, but for the white space between members */
static void test_every_byte(void **state)
{
	struct envelope_error e = { 0 };
	struct keystore_kek kek;
	char path[160], *text;
	size_t size, refused = 0;

	create("default");
	path_of("default.json", path);
	assert_int_equal(envelope_file_read(path, 1 << 20, &text, &size), 0);
	for (size_t i = 0; i < size; i++) {
		char was = text[i];

		if (strchr(" \n", was))
			continue;
		text[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(envelope_file_replace(path, text, size, 0600), 0);
		assert_int_equal(load("default", &kek, &e), -ENVELOPE_E_KEYSTORE_DAMAGED);
		refused++;
		text[i] = was;
	}
	assert_true(refused > 200);
	for (size_t n = 0; n < size - 2; n += 11) {
		assert_int_equal(envelope_file_replace(path, text, n, 0600), 0);
		damaged("default.json");
	}
	assert_int_equal(envelope_file_replace(path, text, size, 0600), 0);
	assert_good(load("default", &kek, &e));
	keystore_kek_free(&kek);
	free(text);
}

static void test_swapped(void **state)
{
	char a[160], b[160];

	create("default");
	create("other");
	path_of("default.json", a);
	path_of("other.json", b);
	assert_int_equal(rename(b, a), 0);
	damaged("default.json");
	assert_int_equal(unlink(a), 0);
	assert_int_equal(mkdir(a, 0700), 0);
	damaged("default.json");
}

static void test_backed_up(void **state)
{
	struct envelope_error e;
	struct keystore store;
	char path[160];

	create("default");
	assert_good(keystore_open(&store, store_path, false, &e));
	assert_true(keystore_unbacked(&store, "default"));
	path_of("backed-up", path);
	assert_int_equal(envelope_file_replace(path, "", 0, 0600), 0);
	assert_false(keystore_unbacked(&store, "default"));
	create("other");
	assert_true(keystore_unbacked(&store, "other"));
	assert_false(keystore_unbacked(&store, "default"));
	keystore_close(&store);
}

/* The rest of the file is as it was, and so are the versions that were not meant */
static void test_enabled(void **state)
{
	struct keystore_kek kek, before;
	struct envelope_error e = { 0 };
	struct keystore store;
	bool changed;

	create("default");
	assert_good(keystore_open(&store, store_path, false, &e));
	assert_good(keystore_load(&store, "default", &kek, &e));
	assert_good(keystore_add_version(&store, &kek, &e));
	assert_good(keystore_add_version(&store, &kek, &e));
	assert_good(keystore_load(&store, "default", &before, &e));
	assert_good(keystore_set_enabled(&store, &kek, 1, 1, false, &changed, &e));
	assert_true(changed);
	keystore_kek_free(&kek);
	assert_good(keystore_load(&store, "default", &kek, &e));
	assert_false(kek.versions[1].enabled);
	kek.versions[1].enabled = true;
	assert_int_equal(kek.n_versions, before.n_versions);
	assert_memory_equal(kek.versions, before.versions, 3 * sizeof(*kek.versions));
	keystore_kek_free(&kek);
	keystore_kek_free(&before);
	keystore_close(&store);
}

static void add_versions_for_ever(int ready)
{
	for (size_t added = 0;; added++) {
		struct keystore_kek kek = { 0 };
		struct keystore store;

		if (keystore_open(&store, store_path, false, NULL) < 0 ||
		    keystore_load(&store, "default", &kek, NULL) < 0 ||
		    keystore_add_version(&store, &kek, NULL) < 0)
			_exit(1);
		keystore_kek_free(&kek);
		keystore_close(&store);
		if (added == 0 && write(ready, "", 1) != 1)
			_exit(1);
	}
}

/* Run this in a process, and kill that so long after it has done its work once */
static void kill_within(void (*for_ever)(int ready), int usec)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0)
		for_ever(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	usleep((useconds_t)usec);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

/* Killed at any point of a rotation, the store has all versions it had */
static void test_killed(void **state)
{
	struct envelope_error e = { 0 };
	struct keystore_kek kek;
	size_t versions = 1;

	create("default");
	for (int i = 0; i < 40; i++) {
		kill_within(add_versions_for_ever, i * 137 % 2500);
		assert_good(load("default", &kek, &e));
		assert_true(kek.n_versions > versions);
		versions = kek.n_versions;
		keystore_kek_free(&kek);
	}
}

static void switch_for_ever(int ready)
{
	for (size_t done = 0;; done++) {
		struct keystore_kek kek = { 0 };
		struct keystore store;
		bool changed;

		if (keystore_open(&store, store_path, false, NULL) < 0 ||
		    keystore_load(&store, "default", &kek, NULL) < 0 ||
		    keystore_set_enabled(&store, &kek, 0, kek.n_versions, !kek.versions[0].enabled,
					 &changed, NULL) < 0)
			_exit(1);
		keystore_kek_free(&kek);
		keystore_close(&store);
		if (done == 0 && write(ready, "", 1) != 1)
			_exit(1);
	}
}

/* Killed at any point, all versions are as they were, or as they were to be */
static void test_killed_switching(void **state)
{
	struct envelope_error e = { 0 };
	struct keystore_kek kek = { 0 };
	struct keystore store;

	create("default");
	assert_good(keystore_open(&store, store_path, false, &e));
	assert_good(keystore_load(&store, "default", &kek, &e));
	for (int i = 0; i < 49; i++)
		assert_good(keystore_add_version(&store, &kek, &e));
	keystore_kek_free(&kek);
	keystore_close(&store);
	for (int i = 0; i < 40; i++) {
		kill_within(switch_for_ever, i * 137 % 2500);
		assert_good(load("default", &kek, &e));
		assert_int_equal(kek.n_versions, 50);
		for (int version = 1; version < 50; version++)
			assert_int_equal(kek.versions[version].enabled, kek.versions[0].enabled);
		keystore_kek_free(&kek);
	}
}

/* Of many that begin at once, all come to the same root key */
static void test_together(void **state)
{
	struct envelope_error e = { 0 };
	struct keystore_kek kek;
	char name[16];
	int status;

	for (int i = 0; i < 8; i++) {
		if (fork() == 0) {
			snprintf(name, sizeof(name), "kek-%d", i);
			create(name);
			_exit(0);
		}
	}
	for (int i = 0; i < 8; i++) {
		wait(&status);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "kek-%d", i);
		assert_good(load(name, &kek, &e));
		keystore_kek_free(&kek);
	}
}

static int set_up(void **state)
{
	new_directory(directory);
	snprintf(store_path, sizeof(store_path), "%s/keystore", directory);
	return 0;
}

static int tear_down(void **state)
{
	remove_directory(directory);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_versions),   TEST(test_private), TEST(test_root_damaged),
		TEST(test_every_byte), TEST(test_swapped), TEST(test_backed_up),
		TEST(test_enabled),    TEST(test_killed),  TEST(test_killed_switching),
		TEST(test_together),
	};

	return cmocka_run_group_tests_name("keystore", tests, NULL, NULL);
}
