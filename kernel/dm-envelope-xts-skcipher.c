// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cipher back end that has a driver of the crypto API do it, one sector a request.
 *
 * Drivers may be asynchronous. An accelerator is in truth. Those with vector registers
 * are in name: a wrapper passes a second request on to the driver that does the work,
 * or to a daemon where vector registers may not be used. That driver is taken as it is,
 * without the wrapper: the caller knows where it may be used, and where not.
 */
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <crypto/skcipher.h>

#include "compat/crypto.h"
#include "dm-envelope-xts.h"

/**
 * struct envelope_xts_request - one sector under way; the driver's part follows
 * @done:     called when it is done, if not at once
 * @data:     for @done
 * @src:      where it comes from
 * @dst:      where it goes
 * @iv:       as the cipher wants it
 * @skcipher: the kernel's request
 */
struct envelope_xts_request {
	envelope_xts_done_t done;
	void *data;
	struct scatterlist src;
	struct scatterlist dst;
	__le64 iv[2];
	struct skcipher_request skcipher;
};

/**
 * struct skcipher_xts - a cipher instance
 * @xts:      what every back end has
 * @tfm:      the kernel's
 * @requests: of a synchronous driver, two for each CPU: for its tasks, for its interrupts
 * @stride:   bytes of one
 */
struct skcipher_xts {
	struct envelope_xts xts;
	struct crypto_skcipher *tfm;
	void __percpu *requests;
	size_t stride;
};

static struct crypto_skcipher *tfm_of(const struct envelope_xts *xts)
{
	return container_of(xts, const struct skcipher_xts, xts)->tfm;
}

static void skcipher_free(struct envelope_xts *xts)
{
	struct skcipher_xts *skcipher = container_of(xts, struct skcipher_xts, xts);

	free_percpu(skcipher->requests);
	crypto_free_skcipher(skcipher->tfm);
	kfree(skcipher);
}

static int skcipher_set_key(struct envelope_xts *xts, const u8 *key, unsigned int size)
{
	return crypto_skcipher_setkey(tfm_of(xts), key, size);
}

static const char *skcipher_driver(const struct envelope_xts *xts)
{
	return crypto_skcipher_driver_name(tfm_of(xts));
}

static void crypt_done(void *data, int error)
{
	struct envelope_xts_request *request = data;

	/* A request that left the driver's backlog is not done yet. */
	if (error != -EINPROGRESS)
		request->done(request->data, error);
}

ENVELOPE_COMPLETION(crypt_done)

static void skcipher_prepare(struct envelope_xts *xts, struct envelope_xts_request *request,
			     envelope_xts_done_t done, void *data)
{
	request->done = done;
	request->data = data;
	sg_init_table(&request->src, 1);
	sg_init_table(&request->dst, 1);
	skcipher_request_set_tfm(&request->skcipher, tfm_of(xts));
	skcipher_request_set_callback(&request->skcipher, CRYPTO_TFM_REQ_MAY_BACKLOG,
				      envelope_completion(crypt_done), request);
}

static int crypt(struct envelope_xts_request *request, bool encrypt, u64 iv,
		 const struct bio_vec *src, const struct bio_vec *dst, unsigned int size)
{
	sg_set_page(&request->src, src->bv_page, size, src->bv_offset);
	sg_set_page(&request->dst, dst->bv_page, size, dst->bv_offset);
	request->iv[0] = cpu_to_le64(iv);
	request->iv[1] = 0;
	skcipher_request_set_crypt(&request->skcipher, &request->src, &request->dst, size,
				   request->iv);
	return encrypt ? crypto_skcipher_encrypt(&request->skcipher) :
			 crypto_skcipher_decrypt(&request->skcipher);
}

static int asynchronous_crypt(struct envelope_xts *xts, struct envelope_xts_request *request,
			      bool encrypt, u64 iv, const struct bio_vec *src,
			      const struct bio_vec *dst, unsigned int size)
{
	int r = crypt(request, encrypt, iv, src, dst, size);

	/* A request put on the driver's backlog is called back as any other. */
	return r == -EBUSY ? -EINPROGRESS : r;
}

/* A task has its CPU for one sector; a soft interrupt that comes meanwhile has the other. */
static int synchronous_crypt(struct envelope_xts *xts, struct envelope_xts_request *unused,
			     bool encrypt, u64 iv, const struct bio_vec *src,
			     const struct bio_vec *dst, unsigned int size)
{
	struct skcipher_xts *skcipher = container_of(xts, struct skcipher_xts, xts);
	void *requests = get_cpu_ptr(skcipher->requests);
	int r;

	r = crypt(requests + (in_serving_softirq() ? skcipher->stride : 0), encrypt, iv, src, dst,
		  size);
	put_cpu_ptr(skcipher->requests);
	return r;
}

static const struct envelope_xts_ops asynchronous_ops = {
	.free = skcipher_free,
	.set_key = skcipher_set_key,
	.driver = skcipher_driver,
	.prepare = skcipher_prepare,
	.crypt = asynchronous_crypt,
};

static const struct envelope_xts_ops synchronous_ops = {
	.free = skcipher_free,
	.set_key = skcipher_set_key,
	.driver = skcipher_driver,
	.crypt = synchronous_crypt,
};

static bool is_asynchronous(struct crypto_skcipher *tfm)
{
	return crypto_skcipher_tfm(tfm)->__crt_alg->cra_flags & CRYPTO_ALG_ASYNC;
}

/* What a wrapper wraps is named as it is, after two underscores. */
static struct crypto_skcipher *alloc_wrapped(struct crypto_skcipher *wrapper)
{
	char name[CRYPTO_MAX_ALG_NAME];

	if (snprintf(name, sizeof(name), "__%s", crypto_skcipher_driver_name(wrapper)) >=
	    sizeof(name))
		return ERR_PTR(-ENAMETOOLONG);
	return crypto_alloc_skcipher(name, CRYPTO_ALG_INTERNAL,
				     CRYPTO_ALG_INTERNAL | CRYPTO_ALG_ASYNC |
				     CRYPTO_ALG_ALLOCATES_MEMORY);
}

static struct crypto_skcipher *alloc_tfm(bool *vector)
{
	struct crypto_skcipher *tfm, *wrapped;

	tfm = crypto_alloc_skcipher("xts(aes)", 0, CRYPTO_ALG_ALLOCATES_MEMORY);
	if (IS_ERR(tfm) || !is_asynchronous(tfm))
		return tfm;
	wrapped = alloc_wrapped(tfm);
	if (IS_ERR(wrapped))
		return tfm;
	crypto_free_skcipher(tfm);
	*vector = true;
	return wrapped;
}

static int alloc_requests(struct skcipher_xts *skcipher, size_t size)
{
	int cpu;

	skcipher->stride = ALIGN(size, CRYPTO_MINALIGN);
	skcipher->requests = __alloc_percpu(2 * skcipher->stride, CRYPTO_MINALIGN);
	if (!skcipher->requests)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		void *requests = per_cpu_ptr(skcipher->requests, cpu);

		skcipher_prepare(&skcipher->xts, requests, NULL, NULL);
		skcipher_prepare(&skcipher->xts, requests + skcipher->stride, NULL, NULL);
	}
	return 0;
}

/**
 * envelope_xts_skcipher_alloc() - the driver that the kernel prefers
 *
 * Context: may sleep and load modules. Return: a cipher without a key, or ERR_PTR().
 */
struct envelope_xts *envelope_xts_skcipher_alloc(void)
{
	struct skcipher_xts *skcipher = kzalloc(sizeof(*skcipher), GFP_KERNEL);
	size_t size;
	int r = 0;

	if (!skcipher)
		return ERR_PTR(-ENOMEM);
	skcipher->tfm = alloc_tfm(&skcipher->xts.vector);
	if (IS_ERR(skcipher->tfm)) {
		r = PTR_ERR(skcipher->tfm);
		kfree(skcipher);
		return ERR_PTR(r);
	}
	size = sizeof(struct envelope_xts_request) + crypto_skcipher_reqsize(skcipher->tfm);
	if (is_asynchronous(skcipher->tfm)) {
		skcipher->xts.ops = &asynchronous_ops;
		skcipher->xts.request_size = size;
	} else {
		skcipher->xts.ops = &synchronous_ops;
		r = alloc_requests(skcipher, size);
	}
	if (r) {
		skcipher_free(&skcipher->xts);
		return ERR_PTR(r);
	}
	return &skcipher->xts;
}
