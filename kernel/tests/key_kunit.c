// SPDX-License-Identifier: GPL-2.0-only
/*
 * Key checks against OpenSSL's HMAC, and keys from a real keyring.
 */
#include <linux/cred.h>
#include <linux/key.h>
#include <linux/key-type.h>
#include <linux/slab.h>
#include <keys/encrypted-type.h>
#include <keys/user-type.h>
#include <kunit/test.h>

#include "../dm-envelope.h"

/**
 * struct key_check_vector - a key and its check
 * @key_size: bytes
 * @key:      the key
 * @check:    ENVELOPE_CHECK_SIZE bytes
 */
struct key_check_vector {
	unsigned int key_size;
	const u8 *key;
	const u8 *check;
};

#include "key-check-vectors.h"

#define SECTOR	512

/* The first vector is of 64 bytes, the second of 32. */
#define RIGHT	(&openssl_key_checks[0])
#define SHORT	(&openssl_key_checks[1])
#define WRONG	(&openssl_key_checks[2])

/**
 * struct fixture - what each case begins with
 * @env:     a target with ciphers, without a key; wants RIGHT by its key_check
 * @keyring: the only one where keys are looked for: a second would hide why
 * @before:  the credentials to go back to
 * @cred:    those with @keyring
 * @sector:  buffers for converting
 * @expect:  the same
 */
struct fixture {
	struct envelope env;
	struct key *keyring;
	const struct cred *before;
	struct cred *cred;
	u8 *sector;
	u8 *expect;
};

static int key_setup(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	f->sector = kunit_kzalloc(test, SECTOR, GFP_KERNEL);
	f->expect = kunit_kzalloc(test, SECTOR, GFP_KERNEL);
	f->cred = prepare_kernel_cred(NULL);
	KUNIT_ASSERT_TRUE(test, f->sector && f->expect && f->cred);
	f->keyring = keyring_alloc("envelope test", GLOBAL_ROOT_UID, GLOBAL_ROOT_GID, f->cred,
				   KEY_POS_ALL | KEY_USR_ALL, KEY_ALLOC_NOT_IN_QUOTA, NULL, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->keyring));
	f->cred->session_keyring = key_get(f->keyring);
	f->before = override_creds(f->cred);

	mutex_init(&f->env.lock);
	KUNIT_ASSERT_EQ(test, envelope_hold_init(&f->env, "test"), 0);
	f->env.workqueue = alloc_workqueue("envelope_test", WQ_UNBOUND, 0);
	KUNIT_ASSERT_NOT_NULL(test, f->env.workqueue);
	KUNIT_ASSERT_EQ(test, envelope_life_init(&f->env), 0);
	f->env.hmac = crypto_alloc_shash("hmac(sha256)", 0, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->env.hmac));
	f->env.table.has_key_check = true;
	memcpy(f->env.table.key_check, RIGHT->check, ENVELOPE_CHECK_SIZE);
	f->env.table.key.size = RIGHT->key_size;
	return 0;
}

static void key_teardown(struct kunit *test)
{
	struct fixture *f = test->priv;

	envelope_life_exit(&f->env);
	envelope_hold_exit(&f->env);
	destroy_workqueue(f->env.workqueue);
	crypto_free_shash(f->env.hmac);
	revert_creds(f->before);
	put_cred(f->cred);
	key_put(f->keyring);
}

/* A key that the keyring alone holds */
static struct key *add_key(struct kunit *test, const char *type, const char *description,
			   const void *payload, size_t size)
{
	struct fixture *f = test->priv;
	key_ref_t ref = key_create_or_update(make_key_ref(f->keyring, true), type, description,
					     payload, size, KEY_POS_ALL | KEY_USR_ALL,
					     KEY_ALLOC_NOT_IN_QUOTA);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(ref), "cannot add: %ld", PTR_ERR(ref));
	key_ref_put(ref);
	return key_ref_to_ptr(ref);
}

/* What bios use, or used last */
static struct envelope_generation *last(struct kunit *test)
{
	struct fixture *f = test->priv;

	return &f->env.life.generations[f->env.life.last];
}

static void fence(struct kunit *test, const char *reason)
{
	struct fixture *f = test->priv;

	mutex_lock(&f->env.lock);
	envelope_fence(&f->env, reason);
	mutex_unlock(&f->env.lock);
}

static int set_key(struct kunit *test, const char *text, char **error)
{
	struct fixture *f = test->priv;
	struct envelope_keyspec spec;
	int r;

	r = envelope_keyspec_parse(&spec, text, error);
	KUNIT_ASSERT_EQ(test, r, 0);
	mutex_lock(&f->env.lock);
	r = envelope_key_set(&f->env, &spec, error);
	mutex_unlock(&f->env.lock);
	envelope_keyspec_free(&spec);
	return r;
}

/* The target's cipher converts as one with this key does */
static bool is_keyed_with(struct kunit *test, const struct key_check_vector *v)
{
	struct fixture *f = test->priv;
	struct envelope_xts *xts = envelope_xts_alloc();

	memset(f->sector, 0x5a, SECTOR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(xts));
	KUNIT_EXPECT_EQ(test, envelope_xts_set_key(xts, v->key, v->key_size), 0);
	KUNIT_EXPECT_EQ(test, envelope_xts_crypt_wait(xts, true, 1, f->sector, f->expect, SECTOR),
			0);
	envelope_xts_free(xts);
	KUNIT_EXPECT_EQ(test, envelope_xts_crypt_wait(last(test)->xts, true, 1, f->sector,
						      f->sector, SECTOR), 0);
	return !memcmp(f->sector, f->expect, SECTOR);
}

static void key_check_openssl(struct kunit *test)
{
	struct fixture *f = test->priv;
	u8 check[ENVELOPE_CHECK_SIZE];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(openssl_key_checks); i++) {
		const struct key_check_vector *v = &openssl_key_checks[i];

		KUNIT_EXPECT_EQ(test, envelope_key_check(f->env.hmac, v->key, v->key_size, check),
				0);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(check, v->check, sizeof(check)), 0, "key %u", i);
	}
}

/* What the HMAC gives after a check has nothing to do with the key that was checked */
static void key_check_forgets(struct kunit *test)
{
	struct fixture *f = test->priv;
	u8 check[ENVELOPE_CHECK_SIZE], digest[32];

	KUNIT_ASSERT_EQ(test, envelope_key_check(f->env.hmac, RIGHT->key, RIGHT->key_size, check),
			0);
	KUNIT_ASSERT_EQ(test, crypto_shash_tfm_digest(f->env.hmac, ENVELOPE_CHECK_LABEL,
						      strlen(ENVELOPE_CHECK_LABEL), digest), 0);
	KUNIT_EXPECT_NE(test, memcmp(digest, RIGHT->check, ENVELOPE_CHECK_SIZE), 0);
}

static void key_set_logon(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct key *key = add_key(test, "logon", "t:right", RIGHT->key, RIGHT->key_size);
	char *error = NULL;

	KUNIT_EXPECT_EQ_MSG(test, set_key(test, ":64:logon:t:right", &error), 0, "%s", error);
	KUNIT_EXPECT_PTR_EQ(test, last(test)->key, key);
	KUNIT_EXPECT_EQ(test, f->env.life.count, 1U);
	KUNIT_EXPECT_EQ(test, (int)f->env.life.state, ENVELOPE_ACTIVE);
	KUNIT_EXPECT_STREQ(test, f->env.life.reason, "none");
	KUNIT_EXPECT_TRUE(test, is_keyed_with(test, RIGHT));
}

static void key_set_user(struct kunit *test)
{
	char *error = NULL;

	add_key(test, "user", "right", RIGHT->key, RIGHT->key_size);
	KUNIT_EXPECT_EQ_MSG(test, set_key(test, ":64:user:right", &error), 0, "%s", error);
	KUNIT_EXPECT_TRUE(test, is_keyed_with(test, RIGHT));
}

/* Of 32 bytes, and with no key_check to hold against it */
static void key_set_short(struct kunit *test)
{
	struct fixture *f = test->priv;
	char *error = NULL;

	f->env.table.has_key_check = false;
	add_key(test, "logon", "t:short", SHORT->key, SHORT->key_size);
	KUNIT_EXPECT_EQ_MSG(test, set_key(test, ":32:logon:t:short", &error), 0, "%s", error);
	KUNIT_EXPECT_TRUE(test, is_keyed_with(test, SHORT));
}

/* The kernel makes the bytes of this one up: it is compared by its payload. */
static void key_set_encrypted(struct kunit *test)
{
	static const char recipe[] = "new default user:master 64";
	struct fixture *f = test->priv;
	struct key_check_vector v = { .key_size = 64 };
	struct encrypted_key_payload *payload;
	char *error = NULL;
	struct key *key;

	f->env.table.has_key_check = false;
	add_key(test, "user", "master", RIGHT->key, 32);
	key = add_key(test, "encrypted", "right", recipe, strlen(recipe));
	payload = key->payload.data[0];
	v.key = payload->decrypted_data;
	KUNIT_EXPECT_EQ_MSG(test, set_key(test, ":64:encrypted:right", &error), 0, "%s", error);
	KUNIT_EXPECT_TRUE(test, is_keyed_with(test, &v));
}

/* A key is replaced by one of the same bytes: the reference moves to the new one. */
static void key_set_again(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct key *second;
	char *error = NULL;

	add_key(test, "logon", "t:1", RIGHT->key, RIGHT->key_size);
	second = add_key(test, "logon", "t:2", RIGHT->key, RIGHT->key_size);
	KUNIT_ASSERT_EQ(test, set_key(test, ":64:logon:t:1", &error), 0);
	KUNIT_ASSERT_EQ(test, set_key(test, ":64:logon:t:2", &error), 0);
	KUNIT_EXPECT_PTR_EQ(test, last(test)->key, second);
	KUNIT_EXPECT_EQ(test, f->env.life.count, 2U);
	KUNIT_EXPECT_TRUE(test, is_keyed_with(test, RIGHT));
}

/* Set RIGHT, then try another that must be refused: nothing of the first is lost */
static void expect_refused(struct kunit *test, const char *text, int error_code,
			   const char *expect)
{
	struct fixture *f = test->priv;
	struct key *key = add_key(test, "logon", "t:first", RIGHT->key, RIGHT->key_size);
	char *error = NULL;

	KUNIT_ASSERT_EQ(test, set_key(test, ":64:logon:t:first", &error), 0);
	KUNIT_ASSERT_EQ(test, set_key(test, text, &error), error_code);
	KUNIT_EXPECT_STREQ(test, error, expect);
	KUNIT_EXPECT_PTR_EQ(test, last(test)->key, key);
	KUNIT_EXPECT_EQ(test, f->env.life.count, 1U);
	KUNIT_EXPECT_EQ(test, (int)f->env.life.state, ENVELOPE_ACTIVE);
	KUNIT_EXPECT_TRUE(test, is_keyed_with(test, RIGHT));
}

static void key_refuses_wrong(struct kunit *test)
{
	add_key(test, "logon", "t:wrong", WRONG->key, WRONG->key_size);
	expect_refused(test, ":64:logon:t:wrong", -EKEYREJECTED,
		       "The key is not this volume's: key_check does not match");
}

static void key_refuses_other_size(struct kunit *test)
{
	add_key(test, "logon", "t:short", SHORT->key, SHORT->key_size);
	expect_refused(test, ":64:logon:t:short", -EINVAL, "The key is not of the size given");
}

static void key_refuses_absent(struct kunit *test)
{
	expect_refused(test, ":64:logon:t:absent", -ENOKEY,
		       "No such key in a keyring of this process, or it is revoked or expired");
}

static void key_refuses_other_type(struct kunit *test)
{
	add_key(test, "user", "t:right", RIGHT->key, RIGHT->key_size);
	expect_refused(test, ":64:logon:t:right", -ENOKEY,
		       "No such key in a keyring of this process, or it is revoked or expired");
}

static void key_refuses_revoked(struct kunit *test)
{
	key_revoke(add_key(test, "logon", "t:revoked", RIGHT->key, RIGHT->key_size));
	expect_refused(test, ":64:logon:t:revoked", -EKEYREVOKED, "The key is revoked");
}

static void key_refuses_expired(struct kunit *test)
{
	struct key *key = add_key(test, "logon", "t:expired", RIGHT->key, RIGHT->key_size);

	key->expiry = 1;	/* in 1970 */
	expect_refused(test, ":64:logon:t:expired", -ENOKEY,
		       "No such key in a keyring of this process, or it is revoked or expired");
}

static void key_refuses_unsearchable(struct kunit *test)
{
	struct key *key = add_key(test, "logon", "t:closed", RIGHT->key, RIGHT->key_size);

	key->perm = KEY_POS_VIEW | KEY_USR_VIEW;
	expect_refused(test, ":64:logon:t:closed", -EACCES,
		       "The key may not be searched for by this process");
}

/* A key that is there in place of one that could not be had, for that reason */
static void add_rejected_key(struct kunit *test, const char *description, unsigned int reason)
{
	struct fixture *f = test->priv;
	struct key *key = key_alloc(&key_type_logon, description, GLOBAL_ROOT_UID, GLOBAL_ROOT_GID,
				    f->cred, KEY_POS_ALL | KEY_USR_ALL, KEY_ALLOC_NOT_IN_QUOTA,
				    NULL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(key));
	KUNIT_EXPECT_EQ(test, key_reject_and_link(key, 60, reason, f->keyring, NULL), 0);
	key_put(key);
}

static void key_refuses_expiring(struct kunit *test)
{
	add_rejected_key(test, "t:expiring", EKEYEXPIRED);
	expect_refused(test, ":64:logon:t:expiring", -EKEYEXPIRED, "The key has expired");
}

static void key_refuses_unreadable(struct kunit *test)
{
	add_rejected_key(test, "t:unreadable", EIO);
	expect_refused(test, ":64:logon:t:unreadable", -EIO, "The key cannot be read");
}

static void key_wipe(struct kunit *test)
{
	struct fixture *f = test->priv;
	char *error = NULL;
	int r;

	add_key(test, "logon", "t:right", RIGHT->key, RIGHT->key_size);
	KUNIT_ASSERT_EQ(test, set_key(test, ":64:logon:t:right", &error), 0);
	fence(test, "wiped");
	KUNIT_EXPECT_NULL(test, envelope_generation_get(&f->env));
	KUNIT_EXPECT_NULL(test, last(test)->key);
	KUNIT_EXPECT_EQ(test, (int)f->env.life.state, ENVELOPE_FENCED);
	KUNIT_EXPECT_STREQ(test, f->env.life.reason, "wiped");
	KUNIT_EXPECT_EQ(test, f->env.life.count, 1U);
	KUNIT_EXPECT_FALSE(test, is_keyed_with(test, RIGHT));
	r = set_key(test, ":64:logon:t:right", &error);
	/* The keyring has an invalidated key until the collector has been there. */
	KUNIT_EXPECT_TRUE(test, r == -EKEYREVOKED || r == -ENOKEY);

	add_key(test, "logon", "t:right", RIGHT->key, RIGHT->key_size);
	KUNIT_ASSERT_EQ(test, set_key(test, ":64:logon:t:right", &error), 0);
	KUNIT_EXPECT_EQ(test, f->env.life.count, 2U);
	KUNIT_EXPECT_TRUE(test, is_keyed_with(test, RIGHT));
}

/* Wiped or refused: no reference on a key is left behind, or lost. */
static void key_references(struct kunit *test)
{
	struct key *right = key_get(add_key(test, "logon", "t:right", RIGHT->key,
					    RIGHT->key_size));
	struct key *wrong = key_get(add_key(test, "logon", "t:wrong", WRONG->key,
					    WRONG->key_size));
	unsigned int before = refcount_read(&right->usage);
	char *error = NULL;

	KUNIT_ASSERT_EQ(test, refcount_read(&wrong->usage), before);
	KUNIT_ASSERT_EQ(test, set_key(test, ":64:logon:t:right", &error), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&right->usage), before + 1);
	KUNIT_ASSERT_EQ(test, set_key(test, ":64:logon:t:right", &error), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&right->usage), before + 1);
	KUNIT_ASSERT_EQ(test, set_key(test, ":64:logon:t:wrong", &error), -EKEYREJECTED);
	KUNIT_EXPECT_EQ(test, refcount_read(&wrong->usage), before);
	fence(test, "wiped");
	KUNIT_EXPECT_LE(test, refcount_read(&right->usage), before);
	key_put(wrong);
	key_put(right);
}

/* The suites of a module run before it is initialized */
static int suite_init(struct kunit_suite *suite)
{
	return envelope_fence_module_init();
}

static void suite_exit(struct kunit_suite *suite)
{
	envelope_fence_module_exit();
}

static struct kunit_case key_cases[] = {
	KUNIT_CASE(key_check_openssl),
	KUNIT_CASE(key_check_forgets),
	KUNIT_CASE(key_set_logon),
	KUNIT_CASE(key_set_user),
	KUNIT_CASE(key_set_short),
	KUNIT_CASE(key_set_encrypted),
	KUNIT_CASE(key_set_again),
	KUNIT_CASE(key_refuses_wrong),
	KUNIT_CASE(key_refuses_other_size),
	KUNIT_CASE(key_refuses_absent),
	KUNIT_CASE(key_refuses_other_type),
	KUNIT_CASE(key_refuses_revoked),
	KUNIT_CASE(key_refuses_expired),
	KUNIT_CASE(key_refuses_unsearchable),
	KUNIT_CASE(key_refuses_expiring),
	KUNIT_CASE(key_refuses_unreadable),
	KUNIT_CASE(key_wipe),
	KUNIT_CASE(key_references),
	{}
};

static struct kunit_suite key_suite = {
	.name = "envelope_key",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = key_setup,
	.exit = key_teardown,
	.test_cases = key_cases,
};

kunit_test_suite(key_suite);
