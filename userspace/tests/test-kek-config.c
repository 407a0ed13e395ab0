// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include "file.h"
#include "kek-config.h"

static char directory[64];

static void declare(const char *name, const char *text)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s.conf", directory, name);
	assert_int_equal(envelope_file_replace(path, text, strlen(text), 0644), 0);
}

static void test_default(void **state)
{
	struct envelope_kek_config config;
	struct envelope_error e;

	assert_good(envelope_kek_config_load(directory, "default", &config, &e));
	assert_string_equal(config.provider, "service");
	assert_string_equal(config.keystore, ENVELOPE_KEYSTORE_DIRECTORY);
	assert_int_equal(config.lease, ENVELOPE_LEASE_DEFAULT);
	assert_good(envelope_kek_config_load("/none", "default", &config, &e));
}

static void test_declared(void **state)
{
	struct envelope_kek_config config, back;
	struct envelope_error e;
	char **names;

	declare("north", "# ours\n[kek]\nprovider = service\nlease = 600\n\n"
			 "[service]\nkeystore = /srv/keys ; here\n");
	assert_good(envelope_kek_config_load(directory, "north", &config, &e));
	assert_int_equal(config.lease, 600);
	assert_string_equal(config.keystore, "/srv/keys");
	snprintf(config.name, sizeof(config.name), "south");
	assert_good(envelope_kek_config_write(directory, &config, &e));
	assert_fails(EXISTS, envelope_kek_config_write(directory, &config, &e));
	assert_good(envelope_kek_config_load(directory, "south", &back, &e));
	assert_memory_equal(&back, &config, sizeof(config));
	assert_good(envelope_kek_config_list(directory, &names, &e));
	assert_string_equal(names[0], "default");
	assert_string_equal(names[1], "north");
	assert_string_equal(names[2], "south");
	assert_null(names[3]);
	for (int i = 0; i < 3; i++)
		free(names[i]);
	free(names);
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
		{ "[kek]\nprovider = service\n[azure]\nvault = x\n", ":4: [azure] vault" },
		{ "[kek]\nprovider = service\nlease = 5\n", ":3: malformed" },
		{ "[kek]\nprovider = service\nlease = 90000\n", ":3: malformed" },
		{ "[kek]\nprovider = service\nlease = soon\n", ":3: malformed" },
		{ "[kek]\nprovider = service\nlease = -60\n", ":3: malformed" },
		{ "[kek]\nprovider = service\n[service]\nkeystore = relative\n", ":4: malformed" },
		{ "[kek]\nlease = 60\n", "provider is missing" },
		{ "provider\n", ":1: malformed" },
	};
	struct envelope_kek_config config;
	struct envelope_error e;
	char *large;

	for (size_t i = 0; i < N(bad); i++) {
		declare("bad", bad[i].text);
		assert_fails(CONFIG, envelope_kek_config_load(directory, "bad", &config, &e));
		assert_non_null(strstr(e.message, bad[i].says));
	}
	declare("bad", "[kek]\nprovider = azure\n");
	assert_fails(UNSUPPORTED, envelope_kek_config_load(directory, "bad", &config, &e));
	large = calloc(1, 70000);
	memset(large, '\n', 69999);
	declare("bad", large);
	assert_fails(CONFIG, envelope_kek_config_load(directory, "bad", &config, &e));
	free(large);
}

static int set_up(void **state)
{
	new_directory(directory);
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
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_declared),
		cmocka_unit_test(test_undeclared),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests_name("kek-config", tests, set_up, tear_down);
}
