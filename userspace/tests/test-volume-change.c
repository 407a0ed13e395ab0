// SPDX-License-Identifier: GPL-2.0-or-later
/* Changing the slots of a volume, and its backups: at no moment is a way back missing. */
#include "test-volume.h"

#include <dirent.h>
#include <libcryptsetup.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define TOKENS 32 /* that a LUKS2 header has room for */
#define KILLS  25

static char backups[96];

static void test_replace(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct envelope_token fresh;
	struct made made;
	char *old;

	format(image, &made);
	assert_int_equal(read_slots(image, slots), 1);
	seal(&made, 0, &fresh);
	volume = load(image);
	assert_good(envelope_volume_replace_slot(volume, slots[0].token_id, &fresh, &e));
	envelope_volume_free(volume);
	assert_int_equal(read_slots(image, slots), 1);
	assert_memory_equal(slots[0].token.salt, fresh.salt, sizeof(fresh.salt));
	assert_true(opens(&made, &slots[0].token));

	/* A KEK version that is withdrawn must not find its slot in the header's slack */
	old = envelope_base64_encode(made.token.shares[0].wrapped, ENVELOPE_SHARE_BYTES);
	assert_false(holds_bytes(image, old, strlen(old)));
	free(old);
	envelope_secret_free(made.dek);
}

/* The new slot is there before the old one is dropped: see what a failure of either leaves */
static void test_replace_order(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct envelope_token fresh;
	struct crypt_device *cd;
	struct made made;

	format(image, &made);
	seal(&made, 0, &fresh);
	volume = load(image);
	assert_fails(IO, envelope_volume_replace_slot(volume, TOKENS, &fresh, &e));
	envelope_volume_free(volume);
	assert_int_equal(read_slots(image, slots), 2);
	assert_true(opens(&made, &slots[0].token));
	assert_true(opens(&made, &slots[1].token));

	assert_int_equal(crypt_init(&cd, image), 0);
	assert_int_equal(crypt_load(cd, CRYPT_LUKS2, NULL), 0);
	for (int id = 2; id < TOKENS; id++)
		assert_int_equal(crypt_token_json_set(cd, CRYPT_ANY_TOKEN,
						      "{\"type\":\"filler\",\"keyslots\":[]}"),
				 id);
	crypt_free(cd);
	volume = load(image);
	assert_fails(IO, envelope_volume_replace_slot(volume, slots[0].token_id, &fresh, &e));
	envelope_volume_free(volume);
	assert_int_equal(read_slots(image, slots), 2);
	assert_true(opens(&made, &slots[0].token));
	envelope_secret_free(made.dek);
}

/* As large as a slot can be */
static void seal_large(const struct made *made, unsigned int slot, struct envelope_token *token)
{
	seal(made, slot, token);
	token->threshold = token->n_shares = ENVELOPE_SHARES_MAX;
	for (unsigned int i = 0; i < ENVELOPE_SHARES_MAX; i++) {
		struct envelope_share *share = &token->shares[i];

		share->index = i + 1;
		memset(share->kek, 'k', ENVELOPE_KEK_NAME_MAX);
		memset(share->version, 'v', ENVELOPE_KEK_VERSION_MAX);
		memset(share->algorithm, 'a', ENVELOPE_ALGORITHM_MAX);
		share->wrapped_size = ENVELOPE_WRAPPED_MAX;
	}
}

/* Slots are added until the next would leave no room for a rewrap, and each can be rewrapped */
static void test_room(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct envelope_token token;
	struct made made;
	size_t n = 1;

	format(image, &made);
	volume = load(image);
	for (seal_large(&made, 1, &token); !envelope_volume_check_room(volume, &token, &e); n++) {
		token.slot = (unsigned int)n;
		assert_true(envelope_volume_put_slot(volume, &token, &e) >= 0);
	}
	assert_int_equal(e.code, ENVELOPE_E_LIMIT);
	assert_true(n > 6);
	envelope_volume_free(volume);
	assert_int_equal(read_slots(image, slots), n);
	volume = load(image);
	for (size_t i = 1; i < n; i++) {
		seal_large(&made, slots[i].token.slot, &token);
		assert_good(envelope_volume_replace_slot(volume, slots[i].token_id, &token, &e));
	}
	/* And there was not much more than that */
	assert_true(envelope_volume_put_slot(volume, &token, &e) >= 0);
	assert_true(envelope_volume_put_slot(volume, &token, &e) < 0);
	envelope_volume_free(volume);
	envelope_secret_free(made.dek);
}

/* As a rewrap does: one slot for whatever there was */
static int rewrap(const struct made *made, const struct envelope_token *fresh)
{
	_cleanup_volume_ struct envelope_volume *volume = NULL;
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	size_t n;
	int r = envelope_volume_load(image, NULL, &volume, NULL);

	if (r == 0)
		r = envelope_volume_slots(volume, slots, &n, NULL);
	if (r == 0)
		r = envelope_volume_replace_slot(volume, slots[0].token_id, fresh, NULL);
	for (size_t i = 1; r == 0 && i < n; i++)
		r = envelope_volume_drop_slot(volume, slots[i].token_id, NULL);
	return r;
}

static void test_killed(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_token fresh;
	struct made made;
	int status;

	format(image, &made);
	for (int i = 0; i < KILLS; i++) {
		const struct timespec moment = { .tv_nsec = (random() % 40 + 1) * 1000000 };
		pid_t pid;
		size_t n;

		seal(&made, 0, &fresh);
		pid = fork();
		if (pid == 0) {
			while (rewrap(&made, &fresh) == 0)
				;
			_exit(1);
		}
		nanosleep(&moment, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		n = read_slots(image, slots);
		assert_true(n > 0);
		while (n-- > 0)
			assert_true(opens(&made, &slots[n].token));
		assert_int_equal(rewrap(&made, &fresh), 0);
		assert_int_equal(read_slots(image, slots), 1);
	}
	envelope_secret_free(made.dek);
}

static void test_erase(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct envelope_token second;
	struct made made;
	char *sealed;

	format(image, &made);
	seal(&made, 1, &second);
	volume = load(image);
	assert_fails(IO, envelope_volume_replace_slot(volume, TOKENS, &second, &e));
	sealed = envelope_base64_encode(second.dek, second.dek_size);
	assert_true(holds_bytes(image, sealed, strlen(sealed)));
	assert_good(envelope_volume_erase(volume, &e));
	assert_fails(WITNESS_MISMATCH, envelope_volume_witness(volume, made.dek, &e));
	envelope_volume_free(volume);
	assert_int_equal(read_slots(image, slots), 0);
	assert_false(holds_bytes(image, sealed, strlen(sealed)));
	assert_false(holds_bytes(image, "DM-ENVELOPE-WIT1", 16));
	free(sealed);
	envelope_secret_free(made.dek);
}

static int count_files(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void test_backup(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct made made;
	struct stat st;

	format(image, &made);
	volume = load(image);
	for (int i = 0; i < 5; i++)
		assert_good(envelope_volume_backup(volume, backups, 3, &e));
	assert_int_equal(count_files(backups), 3);
	assert_int_equal(stat(backups, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(run("test -z \"$(find %s -type f -not -perm 600)\"", backups), 0);
	assert_int_equal(run("test $(du -sk %s | cut -f 1) -lt 4096", backups), 0);
	assert_good(envelope_volume_erase(volume, &e));
	envelope_volume_free(volume);
	assert_int_equal(read_slots(image, slots), 0);
	assert_int_equal(run("cryptsetup luksHeaderRestore -q --header-backup-file "
			     "$(ls %s/*.luks2 | tail -n 1) %s",
			     backups, image),
			 0);
	assert_int_equal(read_slots(image, slots), 1);
	assert_true(opens(&made, &slots[0].token));
	assert_int_equal(envelope_volume_forget_backups(backups, made.geometry.uuid), 3);
	assert_int_equal(count_files(backups), 0);
	envelope_secret_free(made.dek);
}

/* Of this volume everything goes, of others nothing, and what cannot go is told */
static void test_forget(void **state)
{
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct made a, b;

	format(image, &a);
	format(other, &b);
	assert_int_equal(envelope_volume_forget_backups(backups, a.geometry.uuid), 0);
	volume = load(image);
	assert_good(envelope_volume_backup(volume, backups, 3, &e));
	envelope_volume_free(volume);
	volume = load(other);
	assert_good(envelope_volume_backup(volume, backups, 3, &e));
	envelope_volume_free(volume);
	/* as power lost in the middle of a backup leaves one */
	assert_int_equal(
		run("touch %s/%s-20260131T120000.000000000Z.luks2.new", backups, a.geometry.uuid),
		0);
	assert_int_equal(envelope_volume_forget_backups(backups, a.geometry.uuid), 1);
	assert_int_equal(count_files(backups), 1);
	assert_int_equal(run("mkdir %s/%s-1.luks2", backups, b.geometry.uuid), 0);
	assert_true(envelope_volume_forget_backups(backups, b.geometry.uuid) < 0);
	envelope_secret_free(a.dek);
	envelope_secret_free(b.dek);
}

static int set_up(void **state)
{
	volumes_set_up(state);
	snprintf(backups, sizeof(backups), "%s/headers", directory);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_replace_order),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_erase),
		cmocka_unit_test_setup_teardown(test_backup, set_up, volumes_tear_down),
		cmocka_unit_test_setup_teardown(test_forget, set_up, volumes_tear_down),
	};

	return cmocka_run_group_tests_name("volume-change", tests, volumes_set_up,
					   volumes_tear_down);
}
