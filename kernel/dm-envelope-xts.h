/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a cipher back end is; its struct envelope_xts is the first member of one of its
 * own. The rest of the module knows dm-envelope.h only.
 */
#ifndef DM_ENVELOPE_XTS_H
#define DM_ENVELOPE_XTS_H

#include "dm-envelope.h"

/**
 * struct envelope_xts_ops - a back end
 * @free: see envelope_xts_free()
 * @set_key: see envelope_xts_set_key()
 * @driver: see envelope_xts_driver()
 * @prepare: see envelope_xts_prepare(); only of asynchronous ones
 * @crypt: see envelope_xts_crypt()
 */
struct envelope_xts_ops {
	void (*free)(struct envelope_xts *xts);
	int (*set_key)(struct envelope_xts *xts, const u8 *key, unsigned int size);
	const char *(*driver)(const struct envelope_xts *xts);
	void (*prepare)(struct envelope_xts *xts, struct envelope_xts_request *request,
			envelope_xts_done_t done, void *data);
	int (*crypt)(struct envelope_xts *xts, struct envelope_xts_request *request, bool encrypt,
		     u64 iv, const struct bio_vec *src, const struct bio_vec *dst,
		     unsigned int size);
};

struct envelope_xts *envelope_xts_skcipher_alloc(void);
struct envelope_xts *envelope_xts_library_alloc(void);

#endif
