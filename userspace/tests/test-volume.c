// SPDX-License-Identifier: GPL-2.0-or-later
/* Volumes on image files, by the real libcryptsetup. */
#include "test.h"

#include <json-c/json.h>
#include <libcryptsetup.h>

#include "test-volume.h"

static void test_format_and_load(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	uint64_t sectors;
	struct made made;
	char *text, *back;
	size_t n;

	format(image, &made);
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

	format(image, &a);
	format(other, &b);
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

static void test_damaged_header(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_volume *volume;
	struct envelope_error e;
	struct made made;

	format(image, &made);
	poke(image, 5000, "damage", 6);
	assert_int_equal(read_slots(image, slots), 1);
	poke(image, 5000, "damage", 6);
	poke(image, (128 << 10) + 5000, "damage", 6);
	assert_fails(HEADER_DAMAGED, envelope_volume_load(image, NULL, &volume, &e));
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
	assert_fails(NOT_VOLUME, envelope_volume_load(image, NULL, &volume, &e));
	assert_fails(NOT_FOUND, envelope_volume_load("/dev/none", NULL, &volume, &e));
	new_image(image, SIZE + 512);
	wish.device = image;
	assert_good(envelope_volume_check_device(&wish, &geometry, &e));
	assert_int_equal(geometry.sector_size, 512);

	new_image(image, SIZE);
	assert_int_equal(run("printf x | cryptsetup luksFormat -q --pbkdf pbkdf2 "
			     "--pbkdf-force-iterations 1000 %s - 2>/dev/null",
			     image),
			 0);
	assert_fails(NOT_VOLUME, envelope_volume_load(image, NULL, &volume, &e));
	assert_non_null(strstr(e.message, "LUKS2"));
	format(image, &made);
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

static const struct {
	const char *name, *value; /* of a member of the token; NULL takes it away */
} bad_tokens[] = {
	{ "dek", NULL },
	{ "slot", "31" },
	{ "dek", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"" },
};

/* One token that is not good is an error which names it, however good the others are */
static void test_bad_tokens(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct made made;
	char *text;
	size_t n;

	format(image, &made);
	text = envelope_token_format(&made.token);
	for (size_t i = 0; i < N(bad_tokens); i++) {
		struct json_object *object = json_tokener_parse(text);
		char path[96];

		json_object_object_del(object, bad_tokens[i].name);
		if (bad_tokens[i].value)
			json_object_object_add(object, bad_tokens[i].name,
					       json_tokener_parse(bad_tokens[i].value));
		snprintf(path, sizeof(path), "%s/token", directory);
		json_object_to_file(path, object);
		json_object_put(object);
		assert_int_equal(run("cryptsetup token import --token-id 7 --token-replace "
				     "--json-file %s %s",
				     path, image),
				 0);
		volume = load(image);
		assert_fails(TOKEN_INVALID, envelope_volume_slots(volume, slots, &n, &e));
		assert_non_null(strstr(e.message, "7"));
		assert_non_null(strstr(e.message, image));
		envelope_volume_free(volume);
	}
	free(text);
	envelope_secret_free(made.dek);
}

/* One of another uuid opens nothing here, and is in nobody's way unless it is alone */
static void test_foreign_slot(void **state)
{
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct envelope_token foreign;
	struct made made;
	size_t n;

	format(image, &made);
	foreign = made.token;
	memcpy(foreign.uuid, "00000000", 8);
	volume = load(image);
	assert_good(envelope_volume_foreign_slots(volume, slots, &n, &e));
	assert_int_equal(n, 0);
	assert_int_equal(envelope_volume_put_slot(volume, &foreign, &e), 1);
	assert_good(envelope_volume_slots(volume, slots, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(slots[0].token_id, 0);
	assert_good(envelope_volume_foreign_slots(volume, slots, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(slots[0].token_id, 1);
	assert_good(envelope_volume_drop_slot(volume, 0, &e));
	assert_fails(TOKEN_INVALID, envelope_volume_slots(volume, slots, &n, &e));
	assert_non_null(strstr(e.message, foreign.uuid));
	assert_non_null(strstr(e.cure, "luksUUID --uuid 00000000"));
	assert_int_equal(n, 0);
	envelope_volume_free(volume);
	envelope_secret_free(made.dek);
}

/* Between a new uuid and its witness the one of before counts, if its key is the same */
static void test_renamed(void **state)
{
	static const char uuid[] = "00000000-52a7-4e0e-9d0a-6f3a4f9f2b11";
	_cleanup_secret_ uint8_t *wrong = envelope_secret_alloc(ENVELOPE_DEK_MAX);
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct made made;

	format(image, &made);
	volume = load(image);
	assert_good(envelope_volume_rename(volume, uuid, &e));
	assert_good(envelope_volume_witness(volume, made.dek, &e));
	assert_fails(WITNESS_MISMATCH, envelope_volume_witness(volume, wrong, &e));
	assert_good(envelope_volume_drop_slot(volume, 0, &e));
	assert_fails(WITNESS_MISMATCH, envelope_volume_witness(volume, made.dek, &e));
	assert_good(envelope_volume_put_witness(volume, made.dek, &e));
	assert_good(envelope_volume_witness(volume, made.dek, &e));
	envelope_volume_free(volume);
	volume = load(image);
	assert_string_equal(envelope_volume_geometry(volume)->uuid, uuid);
	envelope_volume_free(volume);
	envelope_secret_free(made.dek);
}

/* What would make the table that is loaded a wrong one */
static void test_unsupported(void **state)
{
	struct crypt_device *cd;
	struct envelope_volume *volume;
	struct envelope_error e = { 0 };
	struct made made;

	format(image, &made);
	assert_int_equal(crypt_init(&cd, image), 0);
	assert_int_equal(crypt_load(cd, CRYPT_LUKS2, NULL), 0);
	assert_int_equal(crypt_persistent_flags_set(cd, CRYPT_FLAGS_REQUIREMENTS,
						    CRYPT_REQUIREMENT_OFFLINE_REENCRYPT),
			 0);
	crypt_free(cd);
	assert_fails(UNSUPPORTED, envelope_volume_load(image, NULL, &volume, &e));
	assert_non_null(strstr(e.message, "reencryption"));
	envelope_secret_free(made.dek);

	new_image(image, SIZE);
	assert_int_equal(run("printf x | cryptsetup luksFormat -q --pbkdf pbkdf2 "
			     "--pbkdf-force-iterations 1000 --cipher aes-cbc-essiv:sha256 "
			     "--subsystem envelope %s - 2>/dev/null",
			     image),
			 0);
	assert_fails(UNSUPPORTED, envelope_volume_load(image, NULL, &volume, &e));
	assert_non_null(strstr(e.message, "aes-cbc-essiv"));
}

/* cryptsetup's own layouts: none leaves room unless it is told to */
static void test_room_for_witness(void **state)
{
	static const struct {
		const char *layout;
		bool room;
	} cases[] = {
		{ "", false },
		{ "--offset 32768", false },
		{ "--offset 65536", false },
		{ "--offset 65536 --luks2-keyslots-size 8m", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct envelope_volume *volume;

		new_image(image, SIZE);
		assert_int_equal(run("printf x | cryptsetup luksFormat -q --pbkdf pbkdf2 "
				     "--pbkdf-force-iterations 1000 --subsystem envelope "
				     "%s %s - 2>/dev/null",
				     cases[i].layout, image),
				 0);
		volume = load(image);
		assert_int_equal(envelope_volume_has_witness(volume), cases[i].room);
		envelope_volume_free(volume);
	}
}

/* A DEK of 32 bytes, and sectors of 512 */
static void test_small(void **state)
{
	struct envelope_format wish = { .device = image, .sector_size = 512 };
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	struct made made;
	size_t n;

	format_as(&wish, 32, &made);
	volume = load(image);
	assert_good(envelope_volume_slots(volume, slots, &n, &e));
	assert_int_equal(envelope_volume_geometry(volume)->key_size, 32);
	assert_int_equal(envelope_volume_geometry(volume)->sector_size, 512);
	assert_true(opens(&made, &slots[0].token));
	assert_good(envelope_volume_verify(volume, made.dek, &e));
	assert_good(envelope_volume_witness(volume, made.dek, &e));
	envelope_volume_free(volume);
	envelope_secret_free(made.dek);
}

/* Of the DEK 00 01 … 3f, made from the document by a few lines of Python */
static void test_known_witness(void **state)
{
	struct envelope_format wish = { .device = image,
					.uuid = "7c0b6a1e-52a7-4e0e-9d0a-6f3a4f9f2b11" };
	struct envelope_error e = { 0 };
	struct envelope_volume *volume;
	uint8_t witness[112], dek[64];
	struct made made;

	from_hex("444d2d454e56454c4f50452d57495431b0b1b2b3b4b5b6b7b8b9babb30103dc2af66138a9a5f7f1e"
		 "ef80ac802b433c8dc2ee657d2b90e15868dbad3a81328783dd686129f2d8f39e7b656479844ace38"
		 "dffe422364c874fd3897638bfb67a6617b42ebc984c99cfc69e2e3512aed9c73",
		 witness);
	for (size_t i = 0; i < sizeof(dek); i++)
		dek[i] = (uint8_t)i;
	format_as(&wish, ENVELOPE_DEK_MAX, &made);
	poke(image, ENVELOPE_WITNESS_OFFSET, witness, sizeof(witness));
	volume = load(image);
	assert_good(envelope_volume_witness(volume, dek, &e));
	assert_fails(WITNESS_MISMATCH, envelope_volume_witness(volume, made.dek, &e));
	poke(image, ENVELOPE_WITNESS_OFFSET + 4095, "x", 1);
	assert_fails(WITNESS_MISMATCH, envelope_volume_witness(volume, dek, &e));
	envelope_volume_free(volume);
	envelope_secret_free(made.dek);
}

/* Sealed under the right key, but not the bytes that are known */
static void test_other_witness(void **state)
{
	struct envelope_error e = { 0 };
	uint8_t key[32], witness[112] = "DM-ENVELOPE-WIT1", bytes[68] = { 0 };
	struct envelope_volume *volume;
	struct made made;
	char info[64];

	format(image, &made);
	snprintf(info, sizeof(info), "dm-envelope witness v1%s", made.geometry.uuid);
	assert_int_equal(envelope_hkdf(made.dek, 64, NULL, 0, info, strlen(info), key, 32), 0);
	assert_int_equal(envelope_gcm_seal(key, witness + 16, witness, 16, bytes, sizeof(bytes),
					   witness + 28),
			 0);
	poke(image, ENVELOPE_WITNESS_OFFSET, witness, sizeof(witness));
	volume = load(image);
	assert_fails(WITNESS_MISMATCH, envelope_volume_witness(volume, made.dek, &e));
	envelope_volume_free(volume);
	envelope_secret_free(made.dek);
}

/* Between the check and the writing a KEK is made, and somebody may write to the disk */
static void test_changed_meanwhile(void **state)
{
	struct envelope_format wish = { .device = image };
	struct envelope_error e = { 0 };
	struct made made;

	new_image(image, SIZE);
	assert_good(envelope_volume_check_device(&wish, &made.geometry, &e));
	made.dek = envelope_secret_alloc(ENVELOPE_DEK_MAX);
	seal(&made, 0, &made.token);
	assert_int_equal(run("mkfs.ext4 -q %s", image), 0);
	assert_fails(HOLDS_DATA,
		     envelope_volume_format(&wish, &made.geometry, made.dek, &made.token, &e));
	assert_int_equal(run("e2fsck -fn %s >/dev/null 2>&1", image), 0);
	envelope_secret_free(made.dek);
}

/* What fails after the header is written takes it away again */
static void test_half_way(void **state)
{
	struct envelope_format wish = { .device = image };
	struct envelope_error e = { 0 };
	struct made made;

	new_image(image, SIZE);
	assert_good(envelope_volume_check_device(&wish, &made.geometry, &e));
	made.dek = envelope_secret_alloc(ENVELOPE_DEK_MAX);
	seal(&made, 0, &made.token);
	strcpy(made.token.created, "yesterday");
	assert_fails(TOKEN_INVALID,
		     envelope_volume_format(&wish, &made.geometry, made.dek, &made.token, &e));
	assert_false(envelope_volume_has_header(image));
	assert_good(envelope_volume_check_device(&wish, &made.geometry, &e));
	envelope_secret_free(made.dek);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format_and_load),	  cmocka_unit_test(test_foreign_header),
		cmocka_unit_test(test_damaged_header),	  cmocka_unit_test(test_content),
		cmocka_unit_test(test_refusals),	  cmocka_unit_test(test_forced),
		cmocka_unit_test(test_bad_tokens),	  cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_foreign_slot),	  cmocka_unit_test(test_renamed),
		cmocka_unit_test(test_room_for_witness),  cmocka_unit_test(test_small),
		cmocka_unit_test(test_known_witness),	  cmocka_unit_test(test_other_witness),
		cmocka_unit_test(test_changed_meanwhile), cmocka_unit_test(test_half_way),
	};

	return cmocka_run_group_tests_name("volume", tests, volumes_set_up, volumes_tear_down);
}
