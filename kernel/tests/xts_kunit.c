// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cipher back end against the standard's vectors and OpenSSL's.
 */
#include <linux/gfp.h>
#include <kunit/test.h>

#include "../dm-envelope.h"
#include "p1619-vectors.h"

/**
 * struct xts_vector - one sector
 * @key_size: bytes
 * @size:     of the sector, in bytes
 * @iv:       as a number
 * @key:      both halves
 * @plain:    plaintext
 * @cipher:   ciphertext
 */
struct xts_vector {
	unsigned int key_size;
	unsigned int size;
	u64 iv;
	const u8 *key;
	const u8 *plain;
	const u8 *cipher;
};

#include "xts-vectors.h"

#define SECTOR_MAX	4096

/**
 * struct fixture - what each case begins with
 * @xts: a cipher, with a key that is no secret
 * @src: a page and a bit, so that a sector may lie across a page's end
 * @dst: the same
 */
struct fixture {
	struct envelope_xts *xts;
	u8 *src;
	u8 *dst;
};

static int xts_setup(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	f->src = (u8 *)__get_free_pages(GFP_KERNEL, 1);
	f->dst = (u8 *)__get_free_pages(GFP_KERNEL, 1);
	KUNIT_ASSERT_TRUE(test, f->src && f->dst);
	f->xts = envelope_xts_alloc();
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->xts));
	return 0;
}

static void xts_teardown(struct kunit *test)
{
	struct fixture *f = test->priv;

	envelope_xts_free(f->xts);
	free_pages((unsigned long)f->src, 1);
	free_pages((unsigned long)f->dst, 1);
}

static void crypt(struct kunit *test, bool encrypt, u64 iv, const void *src, void *dst,
		  unsigned int size)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, envelope_xts_crypt_wait(f->xts, encrypt, iv, src, dst, size), 0);
}

/* Encrypt from one place to another, decrypt in place, both at @offset in a page */
static void check_vector(struct kunit *test, const struct xts_vector *v, unsigned int offset)
{
	struct fixture *f = test->priv;
	u8 *src = f->src + offset, *dst = f->dst + offset;

	KUNIT_ASSERT_EQ(test, envelope_xts_set_key(f->xts, v->key, v->key_size), 0);
	memcpy(src, v->plain, v->size);
	memset(dst, 0, v->size);
	crypt(test, true, v->iv, src, dst, v->size);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(dst, v->cipher, v->size), 0,
			    "encrypted: key size %u, iv %llx, size %u", v->key_size, v->iv,
			    v->size);
	KUNIT_EXPECT_EQ(test, memcmp(src, v->plain, v->size), 0);

	memcpy(dst, v->cipher, v->size);
	crypt(test, false, v->iv, dst, dst, v->size);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(dst, v->plain, v->size), 0,
			    "decrypted: key size %u, iv %llx, size %u", v->key_size, v->iv,
			    v->size);
}

static void p1619_name(const struct p1619_vector *v, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "XTS-AES %u", v->number);
}

KUNIT_ARRAY_PARAM(p1619, p1619_vectors, p1619_name);

static void xts_p1619(struct kunit *test)
{
	const struct p1619_vector *standard = test->param_value;
	struct xts_vector v = {
		.key_size = standard->key_size,
		.size = standard->size,
		.iv = standard->iv,
		.key = standard->key,
		.plain = standard->plain,
		.cipher = standard->cipher,
	};

	check_vector(test, &v, 0);
}

static void xts_openssl(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(openssl_xts_vectors); i++)
		check_vector(test, &openssl_xts_vectors[i], 0);
}

/* A sector that begins where it cannot end on the same page */
static void xts_across_pages(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(openssl_xts_vectors); i++)
		check_vector(test, &openssl_xts_vectors[i], PAGE_SIZE - 256);
}

/* The bytes around a sector are left alone */
static void xts_bounds(struct kunit *test)
{
	struct fixture *f = test->priv;
	const struct xts_vector *v;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(openssl_xts_vectors); i++) {
		v = &openssl_xts_vectors[i];
		memset(f->dst, 0xa5, 2 * PAGE_SIZE);
		check_vector(test, v, 512);
		KUNIT_EXPECT_NULL(test, memchr_inv(f->dst, 0xa5, 512));
		KUNIT_EXPECT_NULL(test, memchr_inv(f->dst + 512 + v->size, 0xa5,
						   2 * PAGE_SIZE - 512 - v->size));
	}
}

/* Same bytes, next sector: other ciphertext */
static void xts_iv_matters(struct kunit *test)
{
	const struct xts_vector *v = &openssl_xts_vectors[0];
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, envelope_xts_set_key(f->xts, v->key, v->key_size), 0);
	memcpy(f->src, v->plain, v->size);
	crypt(test, true, v->iv + 1, f->src, f->dst, v->size);
	KUNIT_EXPECT_NE(test, memcmp(f->dst, v->cipher, v->size), 0);
}

static void xts_refuses_key_sizes(struct kunit *test)
{
	static const u8 key[ENVELOPE_KEY_MAX + 2];
	struct fixture *f = test->priv;
	static const unsigned int sizes[] = { 0, 16, 31, 33, 63, 66 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		KUNIT_EXPECT_EQ_MSG(test, envelope_xts_set_key(f->xts, key, sizes[i]), -EINVAL,
				    "key size %u", sizes[i]);
}

static void xts_names_its_driver(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_NOT_NULL(test, strstr(envelope_xts_driver(f->xts), "xts"));
}

static void xts_passes_its_check(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, envelope_xts_check(f->xts), 0);
}

static struct kunit_case xts_cases[] = {
	KUNIT_CASE_PARAM(xts_p1619, p1619_gen_params),
	KUNIT_CASE(xts_openssl),
	KUNIT_CASE(xts_across_pages),
	KUNIT_CASE(xts_bounds),
	KUNIT_CASE(xts_iv_matters),
	KUNIT_CASE(xts_refuses_key_sizes),
	KUNIT_CASE(xts_names_its_driver),
	KUNIT_CASE(xts_passes_its_check),
	{}
};

static struct kunit_suite xts_suite = {
	.name = "envelope_xts",
	.init = xts_setup,
	.exit = xts_teardown,
	.test_cases = xts_cases,
};

kunit_test_suite(xts_suite);
