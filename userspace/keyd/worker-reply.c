// SPDX-License-Identifier: GPL-2.0-or-later
/* A worker parses what strangers send: what it says is not believed before it is checked. */
#include <string.h>

#include "text.h"
#include "worker.h"

static bool sentence(const char *text, size_t room)
{
	return memchr(text, '\0', room) && envelope_text_valid(text);
}

/* What a slot can hold; or nothing, where there is nothing to name */
static bool word(const char *text, size_t room)
{
	return memchr(text, '\0', room) && (!*text || envelope_word_valid(text));
}

static bool time_or_none(const char text[static ENVELOPE_TIME_TEXT + 1])
{
	return !*text || envelope_time_valid(text);
}

bool worker_reply_valid(const struct envelope_worker_reply *reply, size_t size)
{
	return size == sizeof(*reply) && reply->protocol == ENVELOPE_WORKER_PROTOCOL &&
	       reply->op > 0 && reply->op < ENVELOPE_WORKER_OPS && reply->code < ENVELOPE_CODES &&
	       reply->state < ENVELOPE_PROVIDER_STATES &&
	       reply->recoverability < ENVELOPE_RECOVERABILITIES &&
	       reply->wrapped_size <= sizeof(reply->wrapped) &&
	       word(reply->version, sizeof(reply->version)) &&
	       word(reply->algorithm, sizeof(reply->algorithm)) && time_or_none(reply->created) &&
	       time_or_none(reply->not_before) && time_or_none(reply->expires) &&
	       time_or_none(reply->date) && sentence(reply->message, sizeof(reply->message)) &&
	       sentence(reply->cure, sizeof(reply->cure)) &&
	       (reply->code == ENVELOPE_OK || *reply->message);
}
