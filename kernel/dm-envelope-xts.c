// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cipher back end: AES-XTS of the kernel's crypto API, one sector a request.
 *
 * Drivers may be asynchronous: x86's xts-aes-aesni is in name, and then works
 * synchronously wherever vector registers may be used; an accelerator is in truth.
 */
#include <linux/scatterlist.h>

#include "dm-envelope.h"

/**
 * envelope_xts_init() - find a driver
 * @xts: to be freed with envelope_xts_exit()
 *
 * Context: may sleep and load modules. Return: 0 or -errno.
 */
int envelope_xts_init(struct envelope_xts *xts)
{
	xts->tfm = crypto_alloc_skcipher("xts(aes)", 0, CRYPTO_ALG_ALLOCATES_MEMORY);
	if (IS_ERR(xts->tfm)) {
		int r = PTR_ERR(xts->tfm);

		xts->tfm = NULL;
		return r;
	}
	return 0;
}

/**
 * envelope_xts_exit() - free the cipher; its key schedules are wiped
 * @xts: may be all zeros
 */
void envelope_xts_exit(struct envelope_xts *xts)
{
	crypto_free_skcipher(xts->tfm);
	xts->tfm = NULL;
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
	return crypto_skcipher_setkey(xts->tfm, key, size);
}

/**
 * envelope_xts_driver() - the name of the driver at work
 * @xts: the cipher
 */
const char *envelope_xts_driver(const struct envelope_xts *xts)
{
	return crypto_skcipher_driver_name(xts->tfm);
}

/**
 * envelope_xts_request_size() - bytes of a struct envelope_xts_request for this driver
 * @xts: the cipher
 */
size_t envelope_xts_request_size(const struct envelope_xts *xts)
{
	return sizeof(struct envelope_xts_request) + crypto_skcipher_reqsize(xts->tfm);
}

/**
 * envelope_xts_prepare() - make a request ready for any number of sectors, one by one
 * @xts:     the cipher
 * @request: of envelope_xts_request_size() bytes
 * @done:    called when envelope_xts_crypt() returned -EINPROGRESS
 * @data:    for @done
 */
void envelope_xts_prepare(struct envelope_xts *xts, struct envelope_xts_request *request,
			  crypto_completion_t done, void *data)
{
	sg_init_table(&request->src, 1);
	sg_init_table(&request->dst, 1);
	skcipher_request_set_tfm(&request->skcipher, xts->tfm);
	skcipher_request_set_callback(&request->skcipher, CRYPTO_TFM_REQ_MAY_BACKLOG, done, data);
}

/**
 * envelope_xts_crypt() - convert one sector
 * @request: prepared
 * @encrypt: or decrypt
 * @iv:      the sector's
 * @src:     where it is; its length does not matter
 * @dst:     where it goes; may be the same
 * @size:    bytes
 *
 * Context: any but hard interrupts and sections with interrupts off. Does not sleep.
 * Return: 0, -EINPROGRESS when @done will be called, or -errno.
 */
int envelope_xts_crypt(struct envelope_xts_request *request, bool encrypt, u64 iv,
		       const struct bio_vec *src, const struct bio_vec *dst, unsigned int size)
{
	int r;

	sg_set_page(&request->src, src->bv_page, size, src->bv_offset);
	sg_set_page(&request->dst, dst->bv_page, size, dst->bv_offset);
	request->iv[0] = cpu_to_le64(iv);
	request->iv[1] = 0;
	skcipher_request_set_crypt(&request->skcipher, &request->src, &request->dst, size,
				   request->iv);
	r = encrypt ? crypto_skcipher_encrypt(&request->skcipher) :
		      crypto_skcipher_decrypt(&request->skcipher);

	/* A request put on the driver's backlog is called back as any other. */
	return r == -EBUSY ? -EINPROGRESS : r;
}
