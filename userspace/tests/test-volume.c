// SPDX-License-Identifier: GPL-2.0-or-later
/* Volumes on image files, by the real libcryptsetup. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "volume.h"

#define SIZE (48 << 20)

static char directory[64], image[96], other[96], backups[96];

struct made {
	struct envelope_geometry geometry;
	struct envelope_token token;
	uint8_t *dek;
};

static int run(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command);
}

static void new_image(const char *path, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void poke(const char *path, off_t at, const void *data, size_t size)
{
	int fd = open(path, O_RDWR);

	assert_int_equal(pwrite(fd, data, size, at), size);
	close(fd);
}

static void seal(struct made *made, unsigned int slot, struct envelope_token *token)
{
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(32);
	struct envelope_error e = { 0 };

	assert_good(envelope_token_begin(token, &made->geometry, slot, secret, &e));
	token->threshold = 1;
	token->n_shares = 1;
	token->shares[0].index = 1;
	strcpy(token->shares[0].kek, "default");
	strcpy(token->shares[0].version, "1");
	strcpy(token->shares[0].algorithm, "A256KWP");
	token->shares[0].wrapped_size = 40;
	assert_good(envelope_token_commit(token, 0, secret, &e));
	assert_good(envelope_token_seal(token, &made->geometry, secret, made->dek, &e));
}

static void format(const char *path, const char *uuid, struct made *made)
{
	struct envelope_format wish = { .device = path, .uuid = uuid, .label = "test" };
	struct envelope_error e = { 0 };

	new_image(path, SIZE);
	assert_good(envelope_volume_check_device(&wish, &made->geometry, &e));
	made->dek = envelope_secret_alloc(64);
	assert_int_equal(envelope_random(made->dek, 64), 0);
	seal(made, 0, &made->token);
	assert_good(envelope_volume_format(&wish, &made->geometry, made->dek, &made->token, &e));
}

static struct envelope_volume *load(const char *path)
{
	struct envelope_volume *volume;
	struct envelope_error e = { 0 };

	assert_good(envelope_volume_load(path, &volume, &e));
	return volume;
}

static void test_format_and_load(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	uint64_t sectors;
	struct made made;
	char *text, *back;
	size_t n;

	format(image, NULL, &made);
	volume = load(image);
	assert_string_equal(envelope_volume_label(volume), "test");
	assert_int_equal(envelope_volume_geometry(volume)->sector_size, 4096);
	assert_int_equal(envelope_volume_geometry(volume)->data_offset, 32 << 20);
	assert_good(envelope_volume_slots(volume, slots, &n, &e));
	assert_int_equal(n, 1);
	text = envelope_token_format(&made.token);
	back = envelope_token_format(&slots[0].token);
	assert_string_equal(text, back);
	assert_good(envelope_volume_verify(volume, made.dek, &e));
	assert_good(envelope_volume_witness(volume, made.dek, &e));
	assert_good(envelope_volume_data_sectors(volume, &sectors, &e));
	assert_int_equal(sectors, (SIZE - (32 << 20)) / 512);
	made.dek[0] ^= 1;
	assert_fails(WRONG_KEY, envelope_volume_verify(volume, made.dek, &e));
	assert_fails(WITNESS_MISMATCH, envelope_volume_witness(volume, made.dek, &e));
	assert_int_equal(run("cryptsetup luksDump %s >/dev/null", image), 0);
	assert_int_equal(run("blkid -p -o value -s SUBSYSTEM %s | grep -qx envelope", image), 0);
	envelope_volume_free(volume);
	envelope_secret_free(made.dek);
	free(text);
	free(back);
}

/* Another volume's header on this disk: all of it is valid but the witness */
static void test_foreign_header(void **state)
{
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct made a, b;

	format(image, NULL, &a);
	format(other, NULL, &b);
	assert_int_equal(
		run("dd if=%s of=%s bs=1M count=16 conv=notrunc status=none", other, image), 0);
	volume = load(image);
	assert_good(envelope_volume_verify(volume, b.dek, &e));
	assert_fails(WITNESS_MISMATCH, envelope_volume_witness(volume, b.dek, &e));
	envelope_volume_free(volume);
	poke(image, ENVELOPE_WITNESS_OFFSET, "\0\0\0\0", 4);
	volume = load(image);
	assert_fails(WITNESS_MISMATCH, envelope_volume_witness(volume, b.dek, &e));
	envelope_volume_free(volume);
	envelope_secret_free(a.dek);
	envelope_secret_free(b.dek);
}

static size_t count_slots(const char *path, struct envelope_slot *slots)
{
	struct envelope_volume *volume = load(path);
	struct envelope_error e = { 0 };
	size_t n;

	assert_good(envelope_volume_slots(volume, slots, &n, &e));
	envelope_volume_free(volume);
	return n;
}

static void test_replace_and_erase(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct envelope_token fresh;
	struct made made;

	format(image, NULL, &made);
	seal(&made, 0, &fresh);
	volume = load(image);
	assert_int_equal(count_slots(image, slots), 1);
	assert_good(envelope_volume_replace_slot(volume, slots[0].token_id, &fresh, &e));
	envelope_volume_free(volume);
	assert_int_equal(count_slots(image, slots), 1);
	assert_memory_equal(slots[0].token.salt, fresh.salt, 32);

	volume = load(image);
	assert_good(envelope_volume_erase(volume, &e));
	assert_fails(WITNESS_MISMATCH, envelope_volume_witness(volume, made.dek, &e));
	envelope_volume_free(volume);
	assert_int_equal(count_slots(image, slots), 0);
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

	format(image, NULL, &made);
	volume = load(image);
	for (int i = 0; i < 5; i++)
		assert_good(envelope_volume_backup(volume, backups, 3, &e));
	assert_int_equal(count_files(backups), 3);
	assert_int_equal(stat(backups, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_good(envelope_volume_erase(volume, &e));
	envelope_volume_free(volume);
	assert_int_equal(count_slots(image, slots), 0);
	assert_int_equal(run("cryptsetup luksHeaderRestore -q --header-backup-file "
			     "$(ls %s/*.luks2 | tail -n 1) %s",
			     backups, image),
			 0);
	assert_int_equal(count_slots(image, slots), 1);
	assert_int_equal(envelope_volume_forget_backups(backups, made.geometry.uuid), 3);
	assert_int_equal(count_files(backups), 0);
	envelope_secret_free(made.dek);
}

static void test_damaged_header(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_volume *volume;
	struct envelope_error e;
	struct made made;

	format(image, NULL, &made);
	poke(image, 5000, "damage", 6);
	assert_int_equal(count_slots(image, slots), 1);
	poke(image, 5000, "damage", 6);
	poke(image, (128 << 10) + 5000, "damage", 6);
	assert_fails(HEADER_DAMAGED, envelope_volume_load(image, &volume, &e));
	assert_non_null(strstr(e.message, image));
	envelope_secret_free(made.dek);
}

static void refuses_content(const char *maker, const char *says)
{
	struct envelope_format wish = { .device = image };
	struct envelope_geometry geometry;
	struct envelope_error e = { 0 };

	new_image(image, SIZE);
	assert_int_equal(run(maker, image), 0);
	assert_fails(HOLDS_DATA, envelope_volume_check_device(&wish, &geometry, &e));
	assert_non_null(strstr(e.message, says));
	wish.force = true;
	assert_good(envelope_volume_check_device(&wish, &geometry, &e));
}

static void test_content(void **state)
{
	refuses_content("mkfs.ext4 -q %s", "ext4");
	refuses_content("mkswap -q %s", "swap");
	refuses_content("printf 'label: gpt\\n,\\n' | sfdisk -q %s", "gpt");
	refuses_content("printf 'label: dos\\n,\\n' | sfdisk -q %s", "dos");
	refuses_content(
		"printf x | cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 "
		"%s - 2>/dev/null",
		"crypto_LUKS");
}

static void test_refusals(void **state)
{
	struct envelope_format wish = { .device = image };
	struct envelope_geometry geometry;
	struct envelope_volume *volume;
	struct envelope_error e = { 0 };
	struct made made;

	new_image(image, (33 << 20) - 512);
	assert_fails(TOO_SMALL, envelope_volume_check_device(&wish, &geometry, &e));
	new_image(image, SIZE);
	wish.sector_size = 3000;
	assert_fails(USAGE, envelope_volume_check_device(&wish, &geometry, &e));
	wish.sector_size = 0;
	wish.uuid = "not-a-uuid";
	assert_fails(USAGE, envelope_volume_check_device(&wish, &geometry, &e));
	wish.uuid = NULL;
	wish.device = "/dev/none";
	assert_fails(NOT_FOUND, envelope_volume_check_device(&wish, &geometry, &e));
	wish.device = "/dev/null";
	assert_fails(USAGE, envelope_volume_check_device(&wish, &geometry, &e));
	assert_fails(NOT_VOLUME, envelope_volume_load(image, &volume, &e));
	assert_fails(NOT_FOUND, envelope_volume_load("/dev/none", &volume, &e));
	new_image(image, SIZE + 512);
	wish.device = image;
	assert_good(envelope_volume_check_device(&wish, &geometry, &e));
	assert_int_equal(geometry.sector_size, 512);

	new_image(image, SIZE);
	assert_int_equal(run("printf x | cryptsetup luksFormat -q --pbkdf pbkdf2 "
			     "--pbkdf-force-iterations 1000 %s - 2>/dev/null",
			     image),
			 0);
	assert_fails(NOT_VOLUME, envelope_volume_load(image, &volume, &e));
	assert_non_null(strstr(e.message, "LUKS2"));
	format(image, NULL, &made);
	assert_fails(HOLDS_DATA, envelope_volume_check_device(&wish, &geometry, &e));
	assert_non_null(strstr(e.message, made.geometry.uuid));
	envelope_secret_free(made.dek);
}

/* With --force, nothing of the old content is left that blkid would still know */
static void test_forced(void **state)
{
	struct envelope_format wish = { .device = image, .force = true };
	struct envelope_error e = { 0 };
	struct made made;

	new_image(image, SIZE);
	assert_int_equal(run("printf 'label: gpt\\n,\\n' | sfdisk -q %s", image), 0);
	assert_good(envelope_volume_check_device(&wish, &made.geometry, &e));
	made.dek = envelope_secret_alloc(64);
	seal(&made, 0, &made.token);
	assert_good(envelope_volume_format(&wish, &made.geometry, made.dek, &made.token, &e));
	assert_int_equal(run("test \"$(wipefs -n %s | tail -n +2 | wc -l)\" = 2", image), 0);
	envelope_secret_free(made.dek);
}

static int set_up(void **state)
{
	new_directory(directory);
	snprintf(image, sizeof(image), "%s/image", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	snprintf(backups, sizeof(backups), "%s/headers", directory);
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
		cmocka_unit_test(test_format_and_load),	  cmocka_unit_test(test_foreign_header),
		cmocka_unit_test(test_replace_and_erase), cmocka_unit_test(test_backup),
		cmocka_unit_test(test_damaged_header),	  cmocka_unit_test(test_content),
		cmocka_unit_test(test_refusals),	  cmocka_unit_test(test_forced),
	};

	return cmocka_run_group_tests_name("volume", tests, set_up, tear_down);
}
