// SPDX-License-Identifier: GPL-2.0-or-later
#include "test-directory.h"

#include "file.h"
#include "kek-config.h"

static void declare_bytes(const char *name, const void *bytes, size_t size)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s.conf", directory, name);
	assert_int_equal(envelope_file_replace(path, bytes, size, 0644), 0);
}

static void declare(const char *name, const char *text)
{
	declare_bytes(name, text, strlen(text));
}

static void test_default(void **state)
{
	struct envelope_kek_config config;
	struct envelope_error e;

	assert_good(envelope_kek_config_load(directory, "default", &config, &e));
	assert_string_equal(config.provider, "service");
	assert_string_equal(config.keystore, ENVELOPE_KEYSTORE_DIRECTORY);
	assert_int_equal(config.lease, ENVELOPE_LEASE_DEFAULT);
	assert_int_equal(config.check_interval, 60);
	assert_int_equal(config.rotation_interval, 3600);
	assert_int_equal(config.resume, ENVELOPE_RESUME_HELD);
	assert_false(config.lock_on_sleep);
	assert_true(config.cache);
	assert_int_equal(config.on_state[ENVELOPE_PROVIDER_UNREACHABLE], ENVELOPE_LOSS_LEASE);
	assert_int_equal(config.on_state[ENVELOPE_PROVIDER_THROTTLED], ENVELOPE_LOSS_LEASE);
	for (int i = ENVELOPE_PROVIDER_DENIED; i < ENVELOPE_PROVIDER_STATES; i++)
		assert_int_equal(config.on_state[i], ENVELOPE_LOSS_FENCE);
	assert_good(envelope_kek_config_load("/none", "default", &config, &e));
}

static void test_declared(void **state)
{
	struct envelope_kek_config config, back;
	struct envelope_error e;
	char **names;

	declare("north", "# ours\n[kek]\nprovider = service\nlease = 600\n\n"
			 "[service]\n  keystore = /srv/keys ; here\n");
	assert_good(envelope_kek_config_load(directory, "north", &config, &e));
	assert_int_equal(config.lease, 600);
	assert_string_equal(config.keystore, "/srv/keys");
	snprintf(config.name, sizeof(config.name), "south");
	assert_good(envelope_kek_config_write(directory, &config, &e));
	assert_fails(EXISTS, envelope_kek_config_write(directory, &config, &e));
	assert_good(envelope_kek_config_load(directory, "south", &back, &e));
	assert_memory_equal(&back, &config, sizeof(config));
	snprintf(back.name, sizeof(back.name), "west");
	snprintf(back.keystore, sizeof(back.keystore), "/%0220d", 0); /* no line holds it */
	assert_fails(CONFIG, envelope_kek_config_write(directory, &back, &e));
	assert_good(envelope_kek_config_list(directory, &names, &e));
	assert_string_equal(names[0], "default");
	assert_string_equal(names[1], "north");
	assert_string_equal(names[2], "south");
	assert_null(names[3]);
	for (int i = 0; i < 3; i++)
		free(names[i]);
	free(names);
}

static void test_policy(void **state)
{
	struct envelope_kek_config config, back;
	struct envelope_error e;

	declare("policy", "[kek]\nprovider = service\nlease = 5\ncheck_interval = 2\n"
			  "rotation_interval = 0\n"
			  "on_unreachable = fence\non_not_yet_valid = lease\nresume = all\n"
			  "lock_on_sleep = yes\ncache = no\n");
	assert_good(envelope_kek_config_load(directory, "policy", &config, &e));
	assert_int_equal(config.lease, 5);
	assert_int_equal(config.check_interval, 2);
	assert_int_equal(config.rotation_interval, 0);
	assert_int_equal(config.on_state[ENVELOPE_PROVIDER_UNREACHABLE], ENVELOPE_LOSS_FENCE);
	assert_int_equal(config.on_state[ENVELOPE_PROVIDER_NOT_YET_VALID], ENVELOPE_LOSS_LEASE);
	assert_int_equal(config.on_state[ENVELOPE_PROVIDER_DISABLED], ENVELOPE_LOSS_FENCE);
	assert_int_equal(config.resume, ENVELOPE_RESUME_ALL);
	assert_true(config.lock_on_sleep);
	assert_false(config.cache);
	memcpy(config.name, "second", sizeof("second"));
	assert_good(envelope_kek_config_write(directory, &config, &e));
	assert_good(envelope_kek_config_load(directory, "second", &back, &e));
	assert_memory_equal(&back, &config, sizeof(config));
}

/* As many as there may be, of the longest numbers, are written as they were read */
static void test_access(void **state)
{
	struct envelope_kek_config config, back;
	struct envelope_error e;

	declare("shared", "[kek]\nprovider = service\n[access]\nadminister = uid:root\n");
	assert_good(envelope_kek_config_load(directory, "shared", &config, &e));
	assert_int_equal(config.use.n, 0);
	assert_int_equal(config.administer.n, 1);
	for (uint32_t i = 0; i < ENVELOPE_SUBJECTS_MAX; i++)
		config.administer.subjects[i] = config.use.subjects[i] =
			(struct envelope_subject) { .kind = i % 2, .id = UINT32_MAX - 1 - i };
	config.administer.n = config.use.n = ENVELOPE_SUBJECTS_MAX;
	memcpy(config.name, "third", sizeof("third"));
	assert_good(envelope_kek_config_write(directory, &config, &e));
	assert_good(envelope_kek_config_load(directory, "third", &back, &e));
	assert_memory_equal(&back, &config, sizeof(config));
}

static void test_undeclared(void **state)
{
	struct envelope_kek_config config;
	struct envelope_error e;

	assert_fails(KEK_UNDECLARED, envelope_kek_config_load(directory, "other", &config, &e));
	assert_non_null(strstr(e.cure, "provider = service"));
	assert_fails(USAGE, envelope_kek_config_load(directory, "../passwd", &config, &e));
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "[kek]\nprovider = service\nkolour = red\n", ":3: [kek] kolour" },
		{ "[kek]\nprovider = service\n[azure]\nvault = x\n", ":3: [azure]" },
		{ "[kek]\nprovider = service\n[empty]\n", ":3: [empty] is not a known section" },
		{ "provider = service\n", ":1: [] provider is not known" },
		{ "[kek]\nprovider = service\nlease = 4\n", ":3: [kek] lease must be 5 to" },
		{ "[kek]\nprovider = service\nlease = 90000\n", "not \"90000\"" },
		{ "[kek]\nprovider = service\nlease = soon\n", ":3: [kek] lease must be" },
		{ "[kek]\nprovider = service\nlease = -60\n", ":3: [kek] lease must be" },
		{ "[kek]\nprovider = service\n[service]\nkeystore = relative\n", "full path" },
		{ "[kek]\nprovider = service\ncheck_interval = 0\n", "must be 1 to 3600" },
		{ "[kek]\nprovider = service\nrotation_interval = 2592001\n",
		  "must be 0 to 2592000" },
		{ "[kek]\nprovider = service\non_disabled = stop\n", "must be lease or fence" },
		{ "[kek]\nprovider = service\non_ok = fence\n", "[kek] on_ok is not known" },
		{ "[kek]\nprovider = service\nresume = yes\n", "must be none, held or all" },
		{ "[kek]\nprovider = service\nlock_on_sleep = 1\n", "must be yes or no" },
		{ "[kek]\nprovider = service\n[access]\nuse = unit:a.mount\n",
		  ":4: [access] use: unit:a.mount is to end in .service or .scope" },
		{ "[kek]\nprovider = service\n[access]\nread = uid:1\n", "[access] read is not" },
		{ "[kek]\nlease = 60\n", "provider is missing" },
		{ "provider\n", ":1: neither" },
		{ "[kek]\nprovider\nlease = 5\n", ":2: neither" },
		{ "[kek]\nlease = 60\nlease = 70\n", ":3: [kek] lease is given twice" },
	};
	static const char nul[] = "[kek]\nprovider = service\n\0lease = 5\n";
	struct envelope_kek_config config;
	char text[256], *large;
	struct envelope_error e;

	for (size_t i = 0; i < N(bad); i++) {
		declare("bad", bad[i].text);
		assert_fails(CONFIG, envelope_kek_config_load(directory, "bad", &config, &e));
		assert_non_null(strstr(e.message, bad[i].says));
	}
	declare("bad", "[kek]\nprovider = azure\n");
	assert_fails(UNSUPPORTED, envelope_kek_config_load(directory, "bad", &config, &e));
	snprintf(text, sizeof(text), "[kek]\n# %0190d lease = 60\nprovider = service\n", 0);
	declare("bad", text);
	assert_fails(CONFIG, envelope_kek_config_load(directory, "bad", &config, &e));
	assert_non_null(strstr(e.message, ":2: the line is longer"));
	declare_bytes("bad", nul, sizeof(nul) - 1);
	assert_fails(CONFIG, envelope_kek_config_load(directory, "bad", &config, &e));
	large = calloc(1, 70000);
	memset(large, '\n', 69999);
	declare("bad", large);
	assert_fails(CONFIG, envelope_kek_config_load(directory, "bad", &config, &e));
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default), cmocka_unit_test(test_declared),
		cmocka_unit_test(test_policy),	cmocka_unit_test(test_undeclared),
		cmocka_unit_test(test_access),	cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests_name("kek-config", tests, set_up, tear_down);
}
