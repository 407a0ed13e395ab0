// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver of the crypto API that is preferred to all others and is no good: it cannot be
 * allocated, or does not do what its name says. With it a test sees what is said of a kernel
 * that lacks an algorithm, or has a broken one.
 *
 *	insmod badcrypto.ko name="xts(aes)"|"hmac(sha256)" [init_error=ERRNO] [works=1]
 *
 * With works=1, xts(aes) is what another driver makes of it, until something is written to
 * /sys/module/badcrypto/parameters/error: that is what each request ends with then.
 *
 * The kernel's own tests of drivers would find it out: switch them off first, by
 * /sys/module/cryptomgr/parameters/notests.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/string.h>
#include <crypto/aes.h>
#include <crypto/internal/hash.h>
#include <crypto/internal/skcipher.h>
#include <crypto/sha2.h>

#define PREFERRED	1000000

static char *name = "xts(aes)";
module_param(name, charp, 0);
MODULE_PARM_DESC(name, "xts(aes) or hmac(sha256)");
static int init_error;
module_param(init_error, int, 0);
MODULE_PARM_DESC(init_error, "what each allocation fails with; 0: it does not fail");
static bool works;
module_param(works, bool, 0);
MODULE_PARM_DESC(works, "xts(aes) is right, as long as there is no error");
static int error;
module_param(error, int, 0600);
MODULE_PARM_DESC(error, "what each request of xts(aes) fails with; 0: it does not fail");

static char other[CRYPTO_MAX_ALG_NAME];	/* the driver that works */

static int xts_init(struct crypto_skcipher *tfm)
{
	struct crypto_skcipher **child = crypto_skcipher_ctx(tfm);

	if (!works)
		return -init_error;
	*child = crypto_alloc_skcipher(other, 0, CRYPTO_ALG_ASYNC);
	if (IS_ERR(*child))
		return PTR_ERR(*child);
	crypto_skcipher_set_reqsize(tfm, sizeof(struct skcipher_request) +
					 crypto_skcipher_reqsize(*child));
	return 0;
}

static void xts_exit(struct crypto_skcipher *tfm)
{
	struct crypto_skcipher **child = crypto_skcipher_ctx(tfm);

	crypto_free_skcipher(*child);
}

static int xts_setkey(struct crypto_skcipher *tfm, const u8 *key, unsigned int size)
{
	struct crypto_skcipher **child = crypto_skcipher_ctx(tfm);

	return *child ? crypto_skcipher_setkey(*child, key, size) : 0;
}

static struct skcipher_request *childs_request(struct skcipher_request *request)
{
	struct crypto_skcipher **child = crypto_skcipher_ctx(crypto_skcipher_reqtfm(request));
	struct skcipher_request *its = skcipher_request_ctx(request);

	skcipher_request_set_tfm(its, *child);
	skcipher_request_set_callback(its, request->base.flags, NULL, NULL);
	skcipher_request_set_crypt(its, request->src, request->dst, request->cryptlen,
				   request->iv);
	return its;
}

/* Where it does not work at all, the data stays as it is */
static int xts_encrypt(struct skcipher_request *request)
{
	if (!works || error)
		return -error;
	return crypto_skcipher_encrypt(childs_request(request));
}

static int xts_decrypt(struct skcipher_request *request)
{
	if (!works || error)
		return -error;
	return crypto_skcipher_decrypt(childs_request(request));
}

static struct skcipher_alg xts = {
	.base = {
		.cra_name = "xts(aes)",
		.cra_driver_name = "xts-aes-badcrypto",
		.cra_priority = PREFERRED,
		.cra_blocksize = AES_BLOCK_SIZE,
		.cra_ctxsize = sizeof(struct crypto_skcipher *),
		.cra_module = THIS_MODULE,
	},
	.min_keysize = 2 * AES_MIN_KEY_SIZE,
	.max_keysize = 2 * AES_MAX_KEY_SIZE,
	.ivsize = AES_BLOCK_SIZE,
	.init = xts_init,
	.exit = xts_exit,
	.setkey = xts_setkey,
	.encrypt = xts_encrypt,
	.decrypt = xts_decrypt,
};

static int hmac_init_tfm(struct crypto_shash *tfm)
{
	return -init_error;
}

static int hmac_setkey(struct crypto_shash *tfm, const u8 *key, unsigned int size)
{
	return 0;
}

static int hmac_init(struct shash_desc *desc)
{
	return -EIO;
}

static int hmac_update(struct shash_desc *desc, const u8 *data, unsigned int size)
{
	return -EIO;
}

static int hmac_final(struct shash_desc *desc, u8 *digest)
{
	return -EIO;
}

static struct shash_alg hmac = {
	.base = {
		.cra_name = "hmac(sha256)",
		.cra_driver_name = "hmac-sha256-badcrypto",
		.cra_priority = PREFERRED,
		.cra_blocksize = SHA256_BLOCK_SIZE,
		.cra_module = THIS_MODULE,
	},
	.digestsize = SHA256_DIGEST_SIZE,
	.descsize = sizeof(u64),
	.init_tfm = hmac_init_tfm,
	.setkey = hmac_setkey,
	.init = hmac_init,
	.update = hmac_update,
	.final = hmac_final,
};

/* Before there is a better one */
static int find_other(void)
{
	struct crypto_skcipher *tfm = crypto_alloc_skcipher(name, 0, CRYPTO_ALG_ASYNC);

	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	strscpy(other, crypto_tfm_alg_driver_name(crypto_skcipher_tfm(tfm)), sizeof(other));
	crypto_free_skcipher(tfm);
	return 0;
}

static int __init badcrypto_init(void)
{
	int r = 0;

	if (works)
		r = find_other();
	if (r)
		return r;
	if (!strcmp(name, xts.base.cra_name))
		return crypto_register_skcipher(&xts);
	if (!strcmp(name, hmac.base.cra_name))
		return crypto_register_shash(&hmac);
	return -EINVAL;
}

static void __exit badcrypto_exit(void)
{
	if (!strcmp(name, xts.base.cra_name))
		crypto_unregister_skcipher(&xts);
	else
		crypto_unregister_shash(&hmac);
}

module_init(badcrypto_init);
module_exit(badcrypto_exit);
MODULE_DESCRIPTION("Crypto drivers that are no good");
MODULE_LICENSE("GPL");
