/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a crypto driver calls when it is done: with the caller's data since 6.3, with
 * the request that holds them before.
 */
#ifndef DM_ENVELOPE_COMPAT_CRYPTO_H
#define DM_ENVELOPE_COMPAT_CRYPTO_H

#include <linux/crypto.h>

/**
 * ENVELOPE_COMPLETION() - define a crypto_completion_t
 * @name: the function that it calls: void name(void *data, int error)
 */
#define ENVELOPE_COMPLETION(name)							\
static void __maybe_unused name##_of_request(struct crypto_async_request *request,	\
					     int error)					\
{											\
	name(request->data, error);							\
}

/**
 * envelope_completion() - a crypto_completion_t that ENVELOPE_COMPLETION() defined
 * @name: the same function
 */
#define envelope_completion(name)							\
	__builtin_choose_expr(								\
		__builtin_types_compatible_p(crypto_completion_t, void (*)(void *, int)), \
		name, name##_of_request)

#endif
