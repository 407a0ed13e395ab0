// SPDX-License-Identifier: GPL-2.0-or-later
#include "test-directory.h"

#include <sys/stat.h>

#include "file.h"
#include "pin.h"

#define UUID "7c0b6a1e-52a7-4e0e-9d0a-6f3a4f9f2b11"

static const struct envelope_geometry geometry = { .uuid = UUID, .key_size = 64 };
static const uint8_t dek[64] = { 1, 2, 3 };

static struct envelope_token token_of(unsigned int threshold, const char *kek)
{
	struct envelope_token token = { .uuid = UUID, .threshold = threshold, .n_shares = 1 };

	snprintf(token.shares[0].kek, sizeof(token.shares[0].kek), "%s", kek);
	return token;
}

static void test_round_trip(void **state)
{
	struct envelope_token token = token_of(1, "default");
	struct envelope_pin pin, back;
	struct envelope_error e;
	struct stat st;
	char path[128];

	assert_fails(NOT_PINNED, envelope_pin_read(directory, UUID, &back, &e));
	assert_good(envelope_pin_make(&pin, &geometry, dek, &e));
	assert_good(envelope_pin_add(&pin, &token, &e));
	assert_good(envelope_pin_write(directory, &pin, &e));
	snprintf(path, sizeof(path), "%s/" UUID ".json", directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_good(envelope_pin_read(directory, UUID, &back, &e));
	assert_memory_equal(&back, &pin, sizeof(pin));
	assert_good(envelope_pin_check(&back, &geometry, &token, dek, &e));
	assert_good(envelope_pin_remove(directory, UUID, &e));
	assert_good(envelope_pin_remove(directory, UUID, &e));
	assert_fails(NOT_PINNED, envelope_pin_read(directory, UUID, &back, &e));
}

static void test_mismatch(void **state)
{
	struct envelope_token token = token_of(2, "default"), lower = token_of(1, "default"),
			      foreign = token_of(2, "evil"), higher = token_of(3, "default");
	uint8_t other[64] = { 1, 2, 4 };
	struct envelope_error e;
	struct envelope_pin pin;

	assert_good(envelope_pin_make(&pin, &geometry, dek, &e));
	assert_good(envelope_pin_add(&pin, &token, &e));
	assert_good(envelope_pin_check(&pin, &geometry, &higher, dek, &e));
	assert_fails(PIN_MISMATCH, envelope_pin_check(&pin, &geometry, &token, other, &e));
	assert_fails(PIN_MISMATCH, envelope_pin_check(&pin, &geometry, &lower, dek, &e));
	assert_fails(PIN_MISMATCH, envelope_pin_check(&pin, &geometry, &foreign, dek, &e));
}

/* The slots of a volume together: any KEK of them, and the lowest threshold */
static void test_slots(void **state)
{
	struct envelope_token two = token_of(2, "default"), one = token_of(1, "other"),
			      foreign = token_of(1, "evil"), named;
	struct envelope_error e;
	struct envelope_pin pin, back;

	assert_good(envelope_pin_make(&pin, &geometry, dek, &e));
	assert_good(envelope_pin_add(&pin, &two, &e));
	assert_fails(PIN_MISMATCH, envelope_pin_allows(&pin, &one, &e));
	assert_good(envelope_pin_add(&pin, &one, &e));
	assert_good(envelope_pin_add(&pin, &one, &e));
	assert_int_equal(pin.n_keks, 2);
	assert_good(envelope_pin_allows(&pin, &one, &e));
	assert_good(envelope_pin_allows(&pin, &two, &e));
	assert_fails(PIN_MISMATCH, envelope_pin_allows(&pin, &foreign, &e));
	for (unsigned int i = 2; i < ENVELOPE_PIN_KEKS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "kek-%u", i);
		named = token_of(1, name);
		assert_good(envelope_pin_add(&pin, &named, &e));
	}
	assert_fails(LIMIT, envelope_pin_add(&pin, &foreign, &e));
	assert_good(envelope_pin_write(directory, &pin, &e));
	assert_good(envelope_pin_read(directory, UUID, &back, &e));
	assert_memory_equal(&back, &pin, sizeof(pin));
	assert_good(envelope_pin_remove(directory, UUID, &e));
}

static void write_text(const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/" UUID ".json", directory);
	assert_int_equal(envelope_file_replace(path, text, strlen(text), 0600), 0);
}

static void test_damaged(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"{\"type\":\"envelope-pin\"}",
		"{\"type\":\"envelope-pin\",\"format\":2,\"uuid\":\"" UUID
		"\",\"dek\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"threshold\":1,"
		"\"keks\":"
		"[\"default\"],\"created\":\"2026-01-31T12:00:00Z\"}",
		"{\"type\":\"envelope-pin\",\"format\":1,\"uuid\":\"" UUID
		"\",\"dek\":\"AAAA\",\"threshold\":1,\"keks\":[\"default\"],\"created\":"
		"\"2026-01-31T12:00:00Z\"}",
		"{\"type\":\"envelope-pin\",\"format\":1,\"uuid\":\"" UUID
		"\",\"dek\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"threshold\":1,"
		"\"keks\":[],"
		"\"created\":\"2026-01-31T12:00:00Z\"}",
		/* a KEK whose name goes on behind a NUL */
		"{\"type\":\"envelope-pin\",\"format\":1,\"uuid\":\"" UUID
		"\",\"dek\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"threshold\":1,"
		"\"keks\":[\"default\\u0000x\"],\"created\":\"2026-01-31T12:00:00Z\"}",
		/* another volume's */
		"{\"type\":\"envelope-pin\",\"format\":1,\"uuid\":\"00000000-52a7-4e0e-9d0a-"
		"6f3a4f9f2b11\",\"dek\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
		"\"threshold\":1,\"keks\":[\"default\"],\"created\":\"2026-01-31T12:00:00Z\"}",
	};
	struct envelope_error e;
	struct envelope_pin pin;

	for (size_t i = 0; i < N(texts); i++) {
		write_text(texts[i]);
		assert_fails(CONFIG, envelope_pin_read(directory, UUID, &pin, &e));
		assert_non_null(strstr(e.cure, "--accept-new"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests_name("pin", tests, set_up, tear_down);
}
