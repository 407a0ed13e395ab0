// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include <errno.h>

#include "json.h"

static struct json_object *parse(const char *text)
{
	return envelope_json_parse(text, strlen(text));
}

static void test_good(void **state)
{
	static const char *const good[] = { "{}", " {\"a\": 1} \n",
					    "{\"a\":{\"b\":[1,{\"c\":\"d:\"}]}}",
					    "{\"a\\\"b\":\":\\\":\"}" };

	for (size_t i = 0; i < N(good); i++) {
		_cleanup_json_ struct json_object *object = parse(good[i]);

		assert_non_null(object);
	}
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"1",
		"[]",
		"null",
		"{",
		"{}x",
		"{} {}",
		"{\"a\":1,}",
		"{'a':1}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":01}",
		"{\"a\":\"\xff\"}",
		"{\"b\":{\"a\":1,\"a\":1}}",
		"{\"a\":[[[[[[[[[1]]]]]]]]]}",
		"// {}",
	};

	for (size_t i = 0; i < N(bad); i++)
		assert_null(parse(bad[i]));
	assert_null(envelope_json_parse("{}\0", 3));
}

static void test_members(void **state)
{
	_cleanup_json_ struct json_object *object =
		parse("{\"t\":\"text\",\"n\":7,\"b\":\"AAEC\",\"neg\":-1,\"z\":\"a\\u0000b\"}");
	const char *const all[] = { "t", "n", "b", "neg", "z", NULL };
	const char *const fewer[] = { "t", "n", NULL };
	char text[8];
	uint8_t bytes[4];
	uint64_t n;
	size_t size;

	assert_true(envelope_json_members(object, all));
	assert_false(envelope_json_members(object, fewer));
	assert_int_equal(envelope_json_text(object, "t", text, sizeof(text)), 0);
	assert_string_equal(text, "text");
	assert_int_equal(envelope_json_text(object, "t", text, 4), -EINVAL);
	assert_int_equal(envelope_json_text(object, "n", text, sizeof(text)), -EINVAL);
	assert_int_equal(envelope_json_text(object, "z", text, sizeof(text)), -EINVAL);
	assert_int_equal(envelope_json_text(object, "none", text, sizeof(text)), -EINVAL);
	assert_int_equal(envelope_json_u64(object, "n", 7, 7, &n), 0);
	assert_int_equal(envelope_json_u64(object, "n", 0, 6, &n), -EINVAL);
	assert_int_equal(envelope_json_u64(object, "neg", 0, UINT64_MAX, &n), -EINVAL);
	assert_int_equal(envelope_json_u64(object, "t", 0, 9, &n), -EINVAL);
	assert_int_equal(envelope_json_base64(object, "b", bytes, 3, 4, &size), 0);
	assert_int_equal(size, 3);
	assert_int_equal(envelope_json_base64(object, "b", bytes, 4, 4, &size), -EINVAL);
	assert_int_equal(envelope_json_base64(object, "b", bytes, 0, 2, &size), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_members),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
