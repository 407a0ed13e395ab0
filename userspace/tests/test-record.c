// SPDX-License-Identifier: GPL-2.0-or-later
#include "test-directory.h"

#include <sys/stat.h>

#include "file.h"
#include "record.h"

#define UUID "7c0b6a1e-52a7-4e0e-9d0a-6f3a4f9f2b11"
#define SALT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SLOT                                                                                       \
	"{\"slot\":0,\"created\":\"2026-01-31T12:00:00Z\",\"salt\":\"" SALT                        \
	"\",\"threshold\":1,\"set\":\"\","                                                         \
	"\"shares\":"                                                                              \
	"[{\"kek\":\"default\",\"version\":\"1\"}]}"
#define RECORD(slots)                                                                              \
	"{\"type\":\"envelope-record\",\"format\":1,\"uuid\":\"" UUID                              \
	"\",\"device\":\"/dev/vdb\","                                                              \
	"\"header\":\"\",\"host\":\"here\",\"seen\":\"2026-01-31T12:00:00Z\",\"slots\":[" slots    \
	"]}"

/* As large as one can be */
static void largest(struct envelope_record *record)
{
	struct envelope_token token = { .threshold = ENVELOPE_SHARES_MAX,
					.n_shares = ENVELOPE_SHARES_MAX,
					.created = "2026-01-31T12:00:00Z",
					.salt = { 1, 2, 3 } };

	for (unsigned int i = 0; i < ENVELOPE_SHARES_MAX; i++) {
		memset(token.shares[i].kek, 'k', ENVELOPE_KEK_NAME_MAX);
		memset(token.shares[i].version, 'v', ENVELOPE_KEK_VERSION_MAX);
	}
	memset(record, 0, sizeof(*record));
	strcpy(record->uuid, UUID);
	strcpy(record->seen, "2026-01-31T12:00:01Z");
	memset(record->device, '/', ENVELOPE_PATH_TEXT);
	memset(record->header, '/', ENVELOPE_PATH_TEXT);
	memset(record->host, 'h', ENVELOPE_HOST_TEXT);
	for (unsigned int i = 0; i < ENVELOPE_RECORD_SLOTS_MAX; i++) {
		token.slot = i % ENVELOPE_SLOTS_MAX;
		envelope_record_slot(&token, &record->slots[i]);
		memset(record->slots[i].set, 's', ENVELOPE_KEK_NAME_MAX);
	}
	record->n_slots = ENVELOPE_RECORD_SLOTS_MAX;
}

static void test_round_trip(void **state)
{
	static struct envelope_record record, back;
	struct envelope_error e;
	struct stat st;
	char path[128], **uuids;

	assert_fails(NOT_FOUND, envelope_record_read(directory, UUID, &back, &e));
	largest(&record);
	assert_good(envelope_record_write(directory, &record, &e));
	assert_good(envelope_record_read(directory, UUID, &back, &e));
	assert_memory_equal(&back, &record, sizeof(record));
	snprintf(path, sizeof(path), "%s/" UUID ".json", directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_good(envelope_record_list(directory, &uuids, &e));
	assert_string_equal(uuids[0], UUID);
	assert_null(uuids[1]);
	free(uuids[0]);
	free(uuids);
	assert_good(envelope_record_remove(directory, UUID, &e));
	assert_good(envelope_record_remove(directory, UUID, &e));
	assert_fails(NOT_FOUND, envelope_record_read(directory, UUID, &back, &e));
}

static void test_parse(void **state)
{
	static const char good[] = RECORD(SLOT), none[] = RECORD("");
	static struct envelope_record record;
	struct envelope_error e;

	assert_good(envelope_record_parse(good, strlen(good), &record, &e));
	assert_int_equal(record.n_slots, 1);
	assert_string_equal(record.slots[0].shares[0].kek, "default");
	assert_string_equal(record.slots[0].shares[0].version, "1");
	assert_good(envelope_record_parse(none, strlen(none), &record, &e));
	assert_int_equal(record.n_slots, 0);
}

static void test_damaged(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		RECORD("5"),
		RECORD("{}"),
		RECORD(SLOT "," SLOT ",null"),
		/* a threshold that its shares do not reach, none, a slot that there cannot be */
		RECORD("{\"slot\":0,\"created\":\"2026-01-31T12:00:00Z\",\"salt\":\"" SALT
		       "\",\"threshold\":2,\"set\":"
		       "\"\",\"shares\":[{\"kek\":\"default\",\"version\":\"1\"}]}"),
		RECORD("{\"slot\":0,\"created\":\"2026-01-31T12:00:00Z\",\"salt\":\"" SALT
		       "\",\"threshold\":1,\"set\":"
		       "\"\",\"shares\":[]}"),
		RECORD("{\"slot\":31,\"created\":\"2026-01-31T12:00:00Z\",\"salt\":\"" SALT
		       "\",\"threshold\":1,\"set\":"
		       "\"\",\"shares\":[{\"kek\":\"default\",\"version\":\"1\"}]}"),
		/* names that none can be */
		RECORD("{\"slot\":0,\"created\":\"2026-01-31T12:00:00Z\",\"salt\":\"" SALT
		       "\",\"threshold\":1,\"set\":"
		       "\"../a\",\"shares\":[{\"kek\":\"default\",\"version\":\"1\"}]}"),
		RECORD("{\"slot\":0,\"created\":\"2026-01-31T12:00:00Z\",\"salt\":\"" SALT
		       "\",\"threshold\":1,\"set\":"
		       "\"\",\"shares\":[{\"kek\":\"a b\",\"version\":\"1\"}]}"),
		RECORD("{\"slot\":0,\"created\":\"2026-01-31T12:00:00Z\",\"salt\":\"" SALT
		       "\",\"threshold\":1,\"set\":"
		       "\"\",\"shares\":[{\"kek\":\"default\",\"version\":\"1 2\"}]}"),
		/* another volume's */
		"{\"type\":\"envelope-record\",\"format\":1,\"uuid\":\"00000000-52a7-4e0e-9d0a-"
		"6f3a4f9f2b11\",\"device\":\"\",\"header\":\"\",\"host\":\"\",\"seen\":"
		"\"2026-01-31T12:00:00Z\",\"slots\":[]}",
	};
	static struct envelope_record record;
	struct envelope_error e;
	char path[128];

	snprintf(path, sizeof(path), "%s/" UUID ".json", directory);
	for (size_t i = 0; i < N(texts); i++) {
		assert_int_equal(envelope_file_replace(path, texts[i], strlen(texts[i]), 0600), 0);
		assert_fails(CONFIG, envelope_record_read(directory, UUID, &record, &e));
		assert_non_null(strstr(e.cure, "recorded anew"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests_name("record", tests, set_up, tear_down);
}
