// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include "tab.h"

static void test_good(void **state)
{
	static const char text[] = "# a comment\n\n"
				   "data /dev/vdb\n"
				   "\tlogs  UUID=7c0b6a1e-52a7-4e0e-9d0a-6f3a4f9f2b11\t"
				   "readonly,discard,nofail,_netdev # more\r\n"
				   "root LABEL=root noauto,on-key-loss=queue,queue-timeout=30\n"
				   "last /dev/disk/by-id/a#b target=crypt,header=/boot/last";
	struct envelope_error e = { 0 };
	struct envelope_tab tab;

	assert_good(envelope_tab_parse(text, "tab", &tab, &e));
	assert_int_equal(tab.n, 4);
	assert_string_equal(tab.entries[0].name, "data");
	assert_string_equal(tab.entries[0].device, "/dev/vdb");
	assert_int_equal(tab.entries[0].line, 3);
	assert_false(tab.entries[0].readonly);
	assert_true(tab.entries[1].readonly && tab.entries[1].discard && tab.entries[1].nofail &&
		    tab.entries[1].netdev);
	assert_true(tab.entries[2].noauto);
	assert_string_equal(tab.entries[2].on_key_loss, "queue");
	assert_int_equal(tab.entries[2].queue_timeout, 30);
	assert_string_equal(tab.entries[3].device, "/dev/disk/by-id/a#b");
	assert_true(tab.entries[3].stock && !tab.entries[2].stock);
	assert_string_equal(tab.entries[3].header, "/boot/last");
	envelope_tab_free(&tab);
	assert_good(envelope_tab_parse("", "tab", &tab, &e));
	assert_int_equal(tab.n, 0);
	envelope_tab_free(&tab);
}

static void test_bad(void **state)
{
	static const char *const texts[] = {
		"data\n",
		"a/b /dev/vdb\n",
		"control /dev/vdb\n",
		"-x /dev/vdb\n",
		"data /dev/vdb readonly more\n",
		"data /dev/vdb readwrite\n",
		"data /dev/vdb readonly=yes\n",
		"data /dev/vdb on-key-loss=panic\n",
		"data /dev/vdb target=linear\n",
		"data /dev/vdb target=crypt,on-key-loss=queue\n",
		"data /dev/vdb queue-timeout=30\n",
		"data /dev/vdb on-key-loss=queue,queue-timeout=x\n",
		"data /dev/vdb on-key-loss=queue,queue-timeout=-1\n",
		"data /dev/vdb on-key-loss=queue,queue-timeout=99999999999\n",
		"data /dev/vdb header=boot/h\n",
		"data /dev/vdb volume-key=00\n",
	};
	char text[256], *longer;
	struct envelope_tab tab;
	struct envelope_error e;

	for (size_t i = 0; i < N(texts); i++) {
		snprintf(text, sizeof(text), "# first\ngood /dev/vdc\n%s", texts[i]);
		assert_fails(CONFIG, envelope_tab_parse(text, "/etc/tab", &tab, &e));
		assert_memory_equal(e.message, "/etc/tab:3: ", 12);
	}
	assert_fails(CONFIG, envelope_tab_parse("a /dev/b\na /dev/c\n", "t", &tab, &e));
	longer = calloc(1, ENVELOPE_TAB_LINE_MAX + 2);
	memset(longer, 'x', ENVELOPE_TAB_LINE_MAX + 1);
	assert_fails(CONFIG, envelope_tab_parse(longer, "t", &tab, &e));
	free(longer);
}

static void test_names(void **state)
{
	char name[ENVELOPE_NAME_MAX + 2];

	assert_true(envelope_name_valid("data"));
	assert_true(envelope_name_valid("vg0-a_b.c+d:e@f=g#h"));
	assert_false(envelope_name_valid(""));
	assert_false(envelope_name_valid("."));
	assert_false(envelope_name_valid(".."));
	assert_false(envelope_name_valid("#a"));
	assert_false(envelope_name_valid("a/b"));
	assert_false(envelope_name_valid("a b"));
	memset(name, 'n', sizeof(name) - 1);
	name[ENVELOPE_NAME_MAX + 1] = '\0';
	assert_false(envelope_name_valid(name));
	name[ENVELOPE_NAME_MAX] = '\0';
	assert_true(envelope_name_valid(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("tab", tests, NULL, NULL);
}
