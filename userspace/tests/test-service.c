// SPDX-License-Identifier: GPL-2.0-or-later
/* The provider "service", as the worker's loop calls it; each call is done when it returns. */
#include "test.h"

#include <sys/stat.h>

#include "crypto.h"
#include "file.h"
#include "keystore.h"
#include "provider.h"

static const struct envelope_provider *const service = &envelope_provider_service;
static char directory[64];
static struct envelope_provider_key *key;
static uint8_t *share;

static int result;
static unsigned int times_done;

static void on_done(struct envelope_provider_call *call, int r)
{
	result = r;
	times_done++;
}

/* As the worker has it. Return: what came of it, with @e as it is then */
static int ask(envelope_provider_begin *begin, struct envelope_provider_call *call,
	       struct envelope_error *e)
{
	call->share = share;
	call->state = ENVELOPE_PROVIDER_UNREACHABLE;
	call->done = on_done;
	memset(&call->error, 0, sizeof(call->error));
	times_done = 0;
	begin(key, call);
	assert_int_equal(times_done, 1);
	*e = call->error;
	return result;
}

static int unwrap(const struct envelope_wrapped *wrapped, enum envelope_provider_state *state,
		  struct envelope_error *e)
{
	struct envelope_provider_call call = { .wrapped = *wrapped };
	int r = ask(service->unwrap, &call, e);

	*state = call.state;
	return r;
}

static int version_at(unsigned int index, char version[static ENVELOPE_KEK_VERSION_MAX + 1],
		      struct envelope_error *e)
{
	struct envelope_provider_call call = { .index = index };
	int r = ask(service->version, &call, e);

	strcpy(version, call.found.version);
	return r;
}

static void open_key(const char *name)
{
	static struct envelope_kek_config config;
	struct envelope_error e = { 0 };

	config = (struct envelope_kek_config) { .provider = "service" };
	snprintf(config.name, sizeof(config.name), "%s", name);
	snprintf(config.keystore, sizeof(config.keystore), "%s/keystore", directory);
	assert_good(service->open(&config, NULL, &key, &e));
}

static void create(void)
{
	struct envelope_provider_call call = { 0 };
	struct envelope_error e = { 0 };

	assert_good(ask(service->create, &call, &e));
	assert_string_equal(call.found.version, "1");
}

static void rotate(void)
{
	struct envelope_provider_call call = { 0 };
	struct envelope_error e = { 0 };

	assert_good(ask(service->rotate, &call, &e));
}

static struct envelope_wrapped wrap(void)
{
	struct envelope_provider_call call = { 0 };
	struct envelope_error e = { 0 };

	memset(share, 0x5a, ENVELOPE_SHARE_BYTES);
	assert_good(ask(service->wrap, &call, &e));
	memset(share, 0, ENVELOPE_SHARE_BYTES);
	return call.wrapped;
}

static int try_set_enabled(const char *version, bool enabled, bool *changed,
			   struct envelope_error *e)
{
	struct envelope_provider_call call = { .enabled = enabled };
	int r;

	strcpy(call.version, version);
	r = ask(service->set_enabled, &call, e);
	*changed = call.changed;
	return r;
}

/* Return: was one of them otherwise before? */
static bool set_enabled(const char *version, bool enabled)
{
	struct envelope_error e = { 0 };
	bool changed = false;

	assert_good(try_set_enabled(version, enabled, &changed, &e));
	return changed;
}

static void unwraps(const struct envelope_wrapped *wrapped)
{
	enum envelope_provider_state state = ENVELOPE_PROVIDER_STATES;
	struct envelope_error e = { 0 };

	memset(share, 0, ENVELOPE_SHARE_BYTES);
	assert_good(unwrap(wrapped, &state, &e));
	assert_int_equal(state, ENVELOPE_PROVIDER_OK);
	for (int i = 0; i < ENVELOPE_SHARE_BYTES; i++)
		assert_int_equal(share[i], 0x5a);
}

static void refused(const struct envelope_wrapped *wrapped)
{
	enum envelope_provider_state state = ENVELOPE_PROVIDER_OK;
	struct envelope_error e;

	memset(share, 0, ENVELOPE_SHARE_BYTES);
	assert_fails(KEK_REFUSED, unwrap(wrapped, &state, &e));
	assert_non_null(strstr(e.cure, "envelopectl kek enable test "));
	assert_int_equal(state, ENVELOPE_PROVIDER_DISABLED);
	assert_int_equal(share[0], 0);
}

/* The version that wraps, and how the KEK stands by it */
static void current(const char *version, enum envelope_provider_state state)
{
	struct envelope_provider_call call = { 0 };
	struct envelope_error e = { 0 };

	assert_good(ask(service->attributes, &call, &e));
	assert_string_equal(call.attributes.current.version, version);
	assert_int_equal(call.attributes.state, state);
}

static void test_disabled(void **state_)
{
	struct envelope_wrapped one, two, again;
	struct envelope_provider_call call = { 0 };
	struct envelope_error e;

	create();
	one = wrap();
	rotate();
	two = wrap();
	assert_string_equal(two.version, "2");
	assert_true(set_enabled("2", false));
	refused(&two);
	unwraps(&one);
	again = wrap(); /* by the newest that may be used */
	assert_string_equal(again.version, "1");
	current("1", ENVELOPE_PROVIDER_OK);
	assert_true(set_enabled("1", false));
	refused(&one);
	assert_fails(KEK_REFUSED, ask(service->wrap, &call, &e));
	assert_string_equal(e.cure, "if it may be used again: envelopectl kek enable test");
	current("2", ENVELOPE_PROVIDER_DISABLED);
	assert_true(set_enabled("2", true));
	unwraps(&two);
	refused(&one);
	rotate(); /* what is added is enabled, and nothing else becomes so */
	refused(&one);
	current("3", ENVELOPE_PROVIDER_OK);
}

static void test_disabled_all(void **state_)
{
	struct envelope_wrapped one, two;

	create();
	one = wrap();
	rotate();
	two = wrap();
	assert_true(set_enabled("1", false));
	assert_false(set_enabled("1", false));
	assert_true(set_enabled("", false)); /* the other was enabled still */
	assert_false(set_enabled("", false));
	refused(&one);
	refused(&two);
	assert_true(set_enabled("", true));
	assert_false(set_enabled("", true));
	assert_false(set_enabled("2", true));
	unwraps(&one);
	unwraps(&two);
}

static void test_disable_unknown(void **state_)
{
	static const char *const versions[] = { "0", "3", "01", "-1", "1 ", "all" };
	struct envelope_wrapped wrapped;
	struct envelope_error e;
	bool changed = false;

	assert_fails(KEK_NOT_FOUND, try_set_enabled("", false, &changed, &e));
	create();
	rotate();
	wrapped = wrap();
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		assert_fails(KEK_NOT_FOUND, try_set_enabled(versions[i], false, &changed, &e));
		assert_non_null(strstr(e.message, "its newest is 2"));
	}
	assert_false(changed);
	unwraps(&wrapped);
}

static void test_states(void **state_)
{
	char path[128], away[128];
	enum envelope_provider_state state;
	struct envelope_wrapped wrapped;
	struct envelope_error e;

	create();
	wrapped = wrap();
	snprintf(path, sizeof(path), "%s/keystore/test.json", directory);
	snprintf(away, sizeof(away), "%s/away", directory);
	assert_int_equal(rename(path, away), 0);
	assert_fails(KEK_NOT_FOUND, unwrap(&wrapped, &state, &e));
	assert_int_equal(state, ENVELOPE_PROVIDER_DELETED);
	assert_int_equal(envelope_file_replace(path, "{}", 2, 0600), 0);
	assert_fails(KEYSTORE_DAMAGED, unwrap(&wrapped, &state, &e));
	assert_int_equal(state, ENVELOPE_PROVIDER_UNREACHABLE);
	assert_int_equal(rename(away, path), 0);
	unwraps(&wrapped);

	snprintf(path, sizeof(path), "%s/keystore", directory);
	assert_int_equal(rename(path, away), 0);
	assert_fails(KEK_NOT_FOUND, unwrap(&wrapped, &state, &e));
	assert_int_equal(state, ENVELOPE_PROVIDER_UNREACHABLE);

	create(); /* another store in its place opens nothing, and the cure says what to do */
	assert_fails(SEAL_BROKEN, unwrap(&wrapped, &state, &e));
	assert_int_equal(state, ENVELOPE_PROVIDER_OK);
	assert_non_null(strstr(e.cure, "backup"));
}

static void test_foreign_share(void **state_)
{
	struct envelope_wrapped wrapped, changed;
	enum envelope_provider_state state;
	struct envelope_error e;

	create();
	wrapped = changed = wrap();
	for (size_t i = 0; i < wrapped.size; i++) {
		changed.data[i] ^= 1;
		assert_fails(SEAL_BROKEN, unwrap(&changed, &state, &e));
		changed.data[i] ^= 1;
	}
	changed.size -= 8;
	assert_fails(SEAL_BROKEN, unwrap(&changed, &state, &e));
	changed = wrapped;
	strcpy(changed.algorithm, "A256KW");
	assert_fails(SEAL_BROKEN, unwrap(&changed, &state, &e));
	changed = wrapped;
	for (size_t i = 0; i < 6; i++) {
		static const char *const versions[] = { "0", "2", "01", "-1", " 1", "" };

		strcpy(changed.version, versions[i]);
		assert_fails(KEK_NOT_FOUND, unwrap(&changed, &state, &e));
	}
	unwraps(&wrapped);
}

/* The most versions there may be fit in a file, and one more is refused */
static void test_most_versions(void **state_)
{
	char version[ENVELOPE_KEK_VERSION_MAX + 1];
	struct envelope_provider_call call = { 0 };
	struct keystore_kek kek = { .created = "2026-01-31T12:00:00Z" };
	char store_path[96], path[160], *text;
	struct envelope_wrapped wrapped;
	struct envelope_error e;
	struct keystore store;

	create();
	wrapped = wrap();
	snprintf(store_path, sizeof(store_path), "%s/keystore", directory);
	snprintf(path, sizeof(path), "%s/test.json", store_path);
	assert_good(keystore_open(&store, store_path, false, &e));
	assert_good(keystore_load(&store, "test", &kek, &e));
	kek.versions = realloc(kek.versions, KEYSTORE_VERSIONS_MAX * sizeof(*kek.versions));
	assert_non_null(kek.versions);
	for (kek.n_versions = 1; kek.n_versions < KEYSTORE_VERSIONS_MAX - 1; kek.n_versions++)
		kek.versions[kek.n_versions] = kek.versions[0];
	text = keystore_file_format(&kek, store.keys + 32);
	assert_int_equal(envelope_file_replace(path, text, strlen(text), 0600), 0);
	free(text);
	keystore_kek_free(&kek);
	keystore_close(&store);

	rotate();
	assert_fails(LIMIT, ask(service->rotate, &call, &e));
	assert_good(version_at(KEYSTORE_VERSIONS_MAX - 1, version, &e));
	assert_string_equal(version, "1000");
	assert_fails(KEK_NOT_FOUND, version_at(KEYSTORE_VERSIONS_MAX, version, &e));
	unwraps(&wrapped);
}

/* As root restores a backup without its owner: refused, and the cure names the command */
static void test_owner(void **state_)
{
	static const char *const names[] = { "/test.json", "/root.key", "" };
	enum envelope_provider_state state;
	struct envelope_wrapped wrapped;
	struct envelope_error e;
	char path[128];

	if (geteuid() != 0)
		skip();
	create();
	wrapped = wrap();
	for (size_t i = 0; i < N(names); i++) {
		snprintf(path, sizeof(path), "%s/keystore%s", directory, names[i]);
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_fails(KEYSTORE_DAMAGED, unwrap(&wrapped, &state, &e));
		assert_non_null(strstr(e.message, names[i]));
		assert_non_null(strstr(e.cure, "chown -R 0 "));
		assert_int_equal(chown(path, 0, 0), 0);
	}
	unwraps(&wrapped);
}

static int set_up(void **state)
{
	share = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	new_directory(directory);
	open_key("test");
	return share ? 0 : -1;
}

static int tear_down(void **state)
{
	service->close(key);
	envelope_secret_free(share);
	remove_directory(directory);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_disabled), TEST(test_disabled_all),  TEST(test_disable_unknown),
		TEST(test_states),   TEST(test_foreign_share), TEST(test_most_versions),
		TEST(test_owner),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
