// SPDX-License-Identifier: GPL-2.0-or-later
#include "../keyd/worker.h"
#include "fuzz.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct envelope_worker_reply reply;

	memset(&reply, 0, sizeof(reply));
	memcpy(&reply, data, size < sizeof(reply) ? size : sizeof(reply));
	if (worker_reply_valid(&reply, sizeof(reply)))
		require(reply.wrapped_size <= ENVELOPE_WRAPPED_MAX && reply.code < ENVELOPE_CODES &&
			strlen(reply.message) < sizeof(reply.message) &&
			strlen(reply.cure) < sizeof(reply.cure) &&
			envelope_text_valid(reply.message) && envelope_text_valid(reply.cure) &&
			(!*reply.version || envelope_word_valid(reply.version)) &&
			(!*reply.algorithm || envelope_word_valid(reply.algorithm)) &&
			reply.recoverability < ENVELOPE_RECOVERABILITIES &&
			(!*reply.expires || strlen(reply.expires) == ENVELOPE_TIME_TEXT) &&
			(!*reply.date || strlen(reply.date) == ENVELOPE_TIME_TEXT));
	return 0;
}
