// SPDX-License-Identifier: GPL-2.0-or-later
/* From a request of envelope-keyd to the call of a provider, and from there to the reply. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "text.h"
#include "worker.h"

static bool terminated(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

bool worker_request_valid(const struct envelope_worker_request *request, uint64_t now)
{
	if (request->protocol != ENVELOPE_WORKER_PROTOCOL || request->op == 0 ||
	    request->op > ENVELOPE_WORKER_CANCEL || request->cell >= ENVELOPE_WORKER_CELLS)
		return false;
	if (request->deadline > now && request->deadline - now > ENVELOPE_WORKER_TIME_MAX)
		return false;
	if (!terminated(request->version, sizeof(request->version)) ||
	    !terminated(request->algorithm, sizeof(request->algorithm)))
		return false;
	return request->op == ENVELOPE_WORKER_UNWRAP
		       ? request->wrapped_size > 0 && request->wrapped_size <= ENVELOPE_WRAPPED_MAX
		       : request->wrapped_size == 0;
}

uint64_t worker_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static envelope_provider_begin *function_of(const struct envelope_provider *provider, uint32_t op)
{
	switch ((enum envelope_worker_op)op) {
	case ENVELOPE_WORKER_CREATE:
		return provider->create;
	case ENVELOPE_WORKER_ROTATE:
		return provider->rotate;
	case ENVELOPE_WORKER_ENABLE:
	case ENVELOPE_WORKER_DISABLE:
		return provider->set_enabled;
	case ENVELOPE_WORKER_ATTRIBUTES:
		return provider->attributes;
	case ENVELOPE_WORKER_VERSION:
		return provider->version;
	case ENVELOPE_WORKER_WRAP:
		return provider->wrap;
	case ENVELOPE_WORKER_UNWRAP:
		return provider->unwrap;
	case ENVELOPE_WORKER_CANCEL:
		break;
	}
	return NULL;
}

void worker_begin(const struct envelope_provider *provider, struct envelope_provider_key *key,
		  const struct envelope_worker_request *request, uint8_t *cell,
		  struct envelope_provider_call *call)
{
	call->deadline = request->deadline;
	memcpy(call->version, request->version, sizeof(call->version));
	call->enabled = request->op == ENVELOPE_WORKER_ENABLE;
	call->index = request->index;
	call->state = ENVELOPE_PROVIDER_UNREACHABLE;
	if (request->op == ENVELOPE_WORKER_WRAP) {
		envelope_secret_copy(call->share, cell, ENVELOPE_SHARE_BYTES);
		envelope_secret_wipe(cell, ENVELOPE_SHARE_BYTES);
	}
	if (request->op == ENVELOPE_WORKER_UNWRAP) {
		memcpy(call->wrapped.version, request->version, sizeof(call->wrapped.version));
		memcpy(call->wrapped.algorithm, request->algorithm,
		       sizeof(call->wrapped.algorithm));
		memcpy(call->wrapped.data, request->wrapped, request->wrapped_size);
		call->wrapped.size = request->wrapped_size;
	}
	function_of(provider, request->op)(key, call);
}

static void tell_version(const struct envelope_kek_version *version,
			 struct envelope_worker_reply *reply)
{
	memcpy(reply->version, version->version, sizeof(reply->version));
	memcpy(reply->created, version->created, sizeof(reply->created));
	memcpy(reply->not_before, version->not_before, sizeof(reply->not_before));
	memcpy(reply->expires, version->expires, sizeof(reply->expires));
	reply->state = version->state;
}

static void tell_attributes(const struct envelope_kek_attributes *told,
			    struct envelope_worker_reply *reply)
{
	tell_version(&told->current, reply);
	reply->state = told->state;
	reply->versions = told->versions;
	reply->recoverability = told->recoverability;
	memcpy(reply->date, told->date, sizeof(reply->date));
	reply->unbacked = told->unbacked != 0;
}

static void tell_wrapped(const struct envelope_wrapped *wrapped,
			 struct envelope_worker_reply *reply)
{
	memcpy(reply->version, wrapped->version, sizeof(reply->version));
	memcpy(reply->algorithm, wrapped->algorithm, sizeof(reply->algorithm));
	memcpy(reply->wrapped, wrapped->data, wrapped->size);
	reply->wrapped_size = (uint32_t)wrapped->size;
}

static void tell_result(uint32_t op, uint8_t *cell, const struct envelope_provider_call *call,
			struct envelope_worker_reply *reply)
{
	switch (op) {
	case ENVELOPE_WORKER_ENABLE:
	case ENVELOPE_WORKER_DISABLE:
		reply->changed = call->changed;
		break;
	case ENVELOPE_WORKER_ATTRIBUTES:
		tell_attributes(&call->attributes, reply);
		break;
	case ENVELOPE_WORKER_WRAP:
		tell_wrapped(&call->wrapped, reply);
		break;
	case ENVELOPE_WORKER_UNWRAP:
		envelope_secret_copy(cell, call->share, ENVELOPE_SHARE_BYTES);
		break;
	default:
		tell_version(&call->found, reply);
	}
}

static void tell_error(const struct envelope_error *e, struct envelope_worker_reply *reply)
{
	reply->code = e->code;
	snprintf(reply->message, sizeof(reply->message), "%.*s", (int)sizeof(reply->message) - 1,
		 e->message);
	snprintf(reply->cure, sizeof(reply->cure), "%.*s", (int)sizeof(reply->cure) - 1,
		 envelope_error_cure(e));
	/* They may be cut off in a character, or hold the name of a file as it is */
	envelope_text_clean(reply->message);
	envelope_text_clean(reply->cure);
}

void worker_end(const struct envelope_worker_request *request, uint8_t *cell,
		struct envelope_provider_call *call, int r, struct envelope_worker_reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->protocol = ENVELOPE_WORKER_PROTOCOL;
	reply->op = request->op;
	reply->id = request->id;
	if (r < 0 && call->error.code == ENVELOPE_OK)
		envelope_fail(&call->error, ENVELOPE_E_FAILED, "its provider does not say why");
	if (r == 0) {
		tell_result(request->op, cell, call, reply);
	} else {
		envelope_secret_wipe(cell, ENVELOPE_SHARE_BYTES);
		tell_error(&call->error, reply);
	}
	if (request->op == ENVELOPE_WORKER_UNWRAP)
		reply->state = call->state;
	envelope_secret_wipe(call->share, ENVELOPE_SHARE_BYTES);
	memset(call, 0, sizeof(*call)); /* who calls done once more comes no further */
}
