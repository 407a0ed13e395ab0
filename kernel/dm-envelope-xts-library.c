// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cipher back end that calls the kernel's AES-XTS as functions on plain pointers
 * (CONFIG_CRYPTO_LIB_AES_XTS): no scatterlist, no request, never asynchronous.
 */
#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <crypto/aes-xts.h>

#include "dm-envelope-xts.h"

/**
 * struct library_xts - a cipher instance
 * @xts: what every back end has
 * @key: the key schedules
 */
struct library_xts {
	struct envelope_xts xts;
	struct aes_xts_key key;
};

static void library_free(struct envelope_xts *xts)
{
	kfree_sensitive(container_of(xts, struct library_xts, xts));
}

static int library_set_key(struct envelope_xts *xts, const u8 *key, unsigned int size)
{
	/* The library takes a third size. */
	if (size != ENVELOPE_KEY_MAX && size != ENVELOPE_KEY_MAX / 2)
		return -EINVAL;
	return aes_xts_preparekey(&container_of(xts, struct library_xts, xts)->key, key, size, 0);
}

static const char *library_driver(const struct envelope_xts *xts)
{
	return "xts-aes-library";
}

static void *address_of(const struct bio_vec *place)
{
	return page_address(place->bv_page) + place->bv_offset;
}

static int library_crypt(struct envelope_xts *xts, struct envelope_xts_request *request,
			 bool encrypt, u64 iv, const struct bio_vec *src,
			 const struct bio_vec *dst, unsigned int size)
{
	const struct aes_xts_key *key = &container_of(xts, struct library_xts, xts)->key;
	__le64 tweak[2] = { cpu_to_le64(iv) };

	if (encrypt)
		aes_xts_encrypt(address_of(dst), address_of(src), size, (u8 *)tweak, key, false);
	else
		aes_xts_decrypt(address_of(dst), address_of(src), size, (u8 *)tweak, key, false);
	return 0;
}

static const struct envelope_xts_ops library_ops = {
	.free = library_free,
	.set_key = library_set_key,
	.driver = library_driver,
	.crypt = library_crypt,
};

/**
 * envelope_xts_library_alloc() - a cipher of the library's
 *
 * Return: the cipher, or ERR_PTR().
 */
struct envelope_xts *envelope_xts_library_alloc(void)
{
	struct library_xts *library = kzalloc(sizeof(*library), GFP_KERNEL);

	if (!library)
		return ERR_PTR(-ENOMEM);
	library->xts.ops = &library_ops;
	library->xts.vector = true;	/* it can do without, but many times slower */
	return &library->xts;
}
