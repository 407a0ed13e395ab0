// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cipher: which back end, proof that it is AES-XTS, a way to wait for it.
 */
#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "dm-envelope-xts.h"

/* how the crypto API names its own wrapper of the library */
#define LIBRARY_DRIVER	"xts-aes-lib"

#define SECTOR	512
#define IV	0x123456789abcULL
#define TRIES	4

/**
 * struct known_answer - the end of a sector, encrypted
 * @key_size: bytes; the key is 0, 1, 2, …
 * @last:     the last 16 of SECTOR bytes of 0xa5, with the IV of above
 */
struct known_answer {
	unsigned int key_size;
	u8 last[16];
};

/* Computed with OpenSSL 3: EVP_aes_128_xts() and EVP_aes_256_xts() */
static const struct known_answer known_answers[] = {
	{ 32, { 0xf3, 0xa9, 0xdc, 0x16, 0x46, 0x40, 0xc7, 0x65,
		0xae, 0x48, 0x15, 0x89, 0x18, 0x3c, 0x51, 0x2e } },
	{ 64, { 0x90, 0xd8, 0x02, 0x0a, 0x0b, 0xef, 0x37, 0x5f,
		0x51, 0x9b, 0xf5, 0x22, 0x50, 0x6b, 0x7a, 0x4a } },
};

struct wait {
	struct completion done;
	int error;
};

static void wake(void *data, int error)
{
	struct wait *wait = data;

	wait->error = error;
	complete(&wait->done);
}

/**
 * envelope_xts_alloc() - the best that this kernel has
 *
 * The kernel's drivers have priorities; where the first of them is made of the functions
 * of the library, those serve without a request around them.
 *
 * Context: may sleep and load modules. Return: a cipher without a key, or ERR_PTR().
 */
struct envelope_xts *envelope_xts_alloc(void)
{
	struct envelope_xts *xts = envelope_xts_skcipher_alloc();

	if (!IS_ENABLED(CONFIG_CRYPTO_LIB_AES_XTS) || IS_ENABLED(CONFIG_HIGHMEM) || IS_ERR(xts) ||
	    strcmp(envelope_xts_driver(xts), LIBRARY_DRIVER))
		return xts;
	envelope_xts_free(xts);
	return envelope_xts_library_alloc();
}

/**
 * envelope_xts_free() - free the cipher; its key schedules are wiped
 * @xts: may be NULL
 */
void envelope_xts_free(struct envelope_xts *xts)
{
	if (xts)
		xts->ops->free(xts);
}

/**
 * envelope_xts_set_key() - key the cipher
 * @xts:  no request may be under way
 * @key:  both halves
 * @size: bytes
 *
 * Return: 0 or -errno.
 */
int envelope_xts_set_key(struct envelope_xts *xts, const u8 *key, unsigned int size)
{
	return xts->ops->set_key(xts, key, size);
}

/**
 * envelope_xts_driver() - the name of the driver at work
 * @xts: the cipher
 */
const char *envelope_xts_driver(const struct envelope_xts *xts)
{
	return xts->ops->driver(xts);
}

/**
 * envelope_xts_prepare() - make a request ready for any number of sectors, one by one
 * @xts:     the cipher, not synchronous
 * @request: of @xts->request_size bytes
 * @done:    called when envelope_xts_crypt() returned -EINPROGRESS
 * @data:    for @done
 */
void envelope_xts_prepare(struct envelope_xts *xts, struct envelope_xts_request *request,
			  envelope_xts_done_t done, void *data)
{
	xts->ops->prepare(xts, request, done, data);
}

/**
 * envelope_xts_crypt() - convert one sector
 * @xts:     keyed
 * @request: prepared; not used where the cipher is synchronous
 * @encrypt: or decrypt
 * @iv:      the sector's
 * @src:     where it is; its length does not matter
 * @dst:     where it goes; may be the same
 * @size:    bytes
 *
 * Context: where envelope_xts_usable() says so. Does not sleep.
 * Return: 0, -EINPROGRESS when @done will be called, or -errno.
 */
int envelope_xts_crypt(struct envelope_xts *xts, struct envelope_xts_request *request,
		       bool encrypt, u64 iv, const struct bio_vec *src, const struct bio_vec *dst,
		       unsigned int size)
{
	return xts->ops->crypt(xts, request, encrypt, iv, src, dst, size);
}

/**
 * envelope_xts_crypt_wait() - convert one sector, however long it takes
 * @xts:     keyed
 * @encrypt: or decrypt
 * @iv:      the sector's
 * @src:     from kmalloc() or the page allocator
 * @dst:     the same; may be @src
 * @size:    bytes
 *
 * Context: may sleep. Return: 0 or -errno.
 */
int envelope_xts_crypt_wait(struct envelope_xts *xts, bool encrypt, u64 iv, const void *src,
			    void *dst, unsigned int size)
{
	struct envelope_xts_request *request = NULL;
	struct bio_vec from, to;
	struct wait wait;
	int r;

	init_completion(&wait.done);
	if (!envelope_xts_is_synchronous(xts)) {
		request = kzalloc(xts->request_size, GFP_NOIO); /* a fence may wait for it */
		if (!request)
			return -ENOMEM;
		envelope_xts_prepare(xts, request, wake, &wait);
	}
	bvec_set_page(&from, virt_to_page((void *)src), size, offset_in_page(src));
	bvec_set_page(&to, virt_to_page(dst), size, offset_in_page(dst));
	r = envelope_xts_crypt(xts, request, encrypt, iv, &from, &to, size);
	if (r == -EINPROGRESS) {
		wait_for_completion(&wait.done);
		r = wait.error;
	}
	kfree(request);
	return r;
}

static int check_answer(struct envelope_xts *xts, const struct known_answer *answer, u8 *data)
{
	u8 key[ENVELOPE_KEY_MAX];
	unsigned int i;
	int r;

	for (i = 0; i < sizeof(key); i++)
		key[i] = i;
	r = envelope_xts_set_key(xts, key, answer->key_size);
	if (r)
		return r;
	memset(data, 0xa5, SECTOR);
	r = envelope_xts_crypt_wait(xts, true, IV, data, data, SECTOR);
	if (r)
		return r;
	if (memcmp(data + SECTOR - sizeof(answer->last), answer->last, sizeof(answer->last)))
		return -EBADMSG;
	r = envelope_xts_crypt_wait(xts, false, IV, data, data, SECTOR);
	if (r)
		return r;
	return memchr_inv(data, 0xa5, SECTOR) ? -EBADMSG : 0;
}

/**
 * envelope_xts_check() - does it encrypt and decrypt as AES-XTS does?
 * @xts: gets keys that are no secret
 *
 * Context: may sleep. Return: 0, -EBADMSG where it does not, or -errno.
 */
int envelope_xts_check(struct envelope_xts *xts)
{
	u8 *data = kmalloc(SECTOR, GFP_KERNEL);
	unsigned int i;
	int r = data ? 0 : -ENOMEM;

	for (i = 0; !r && i < ARRAY_SIZE(known_answers); i++)
		r = check_answer(xts, &known_answers[i], data);
	kfree(data);
	return r;
}

/**
 * envelope_xts_time() - how fast is it?
 * @xts: has had a key, whichever
 *
 * Context: may sleep.
 * Return: nanoseconds for 4096 bytes, the least of some tries; 0 where that cannot be told.
 */
u64 envelope_xts_time(struct envelope_xts *xts)
{
	u8 *data = kzalloc(SZ_4K, GFP_KERNEL);
	u64 least = U64_MAX;
	unsigned int i;
	int r = data ? 0 : -ENOMEM;

	for (i = 0; !r && i < TRIES; i++) {
		u64 begin = ktime_get_ns();

		r = envelope_xts_crypt_wait(xts, true, IV, data, data, SZ_4K);
		least = min(least, ktime_get_ns() - begin);
	}
	kfree(data);
	return r ? 0 : least;
}
