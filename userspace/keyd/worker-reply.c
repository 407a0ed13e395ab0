// SPDX-License-Identifier: GPL-2.0-or-later
/* A worker parses what strangers send: what it says is not believed before it is checked. */
#include <string.h>

#include "worker.h"

static bool printable(const char *text, size_t room)
{
	size_t length = strnlen(text, room);

	if (length == room)
		return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

/* UTF-8 is fine in a sentence, control characters are not */
static bool sentence(const char *text, size_t room)
{
	size_t length = strnlen(text, room);

	if (length == room)
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == '\177')
			return false;
	return true;
}

bool worker_reply_valid(const struct envelope_worker_reply *reply, size_t size)
{
	return size == sizeof(*reply) && reply->protocol == ENVELOPE_WORKER_PROTOCOL &&
	       reply->op > 0 && reply->op < ENVELOPE_WORKER_OPS && reply->code < ENVELOPE_CODES &&
	       reply->state < ENVELOPE_PROVIDER_STATES &&
	       reply->wrapped_size <= sizeof(reply->wrapped) &&
	       printable(reply->version, sizeof(reply->version)) &&
	       printable(reply->algorithm, sizeof(reply->algorithm)) &&
	       printable(reply->created, sizeof(reply->created)) &&
	       sentence(reply->message, sizeof(reply->message)) &&
	       sentence(reply->cure, sizeof(reply->cure));
}
