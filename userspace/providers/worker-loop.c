// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests of envelope-keyd, one by one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "text.h"
#include "worker.h"

static bool terminated(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

bool worker_request_valid(const struct envelope_worker_request *request)
{
	if (request->protocol != ENVELOPE_WORKER_PROTOCOL || request->op == 0 ||
	    request->op >= ENVELOPE_WORKER_OPS || request->cell >= ENVELOPE_WORKER_CELLS)
		return false;
	if (!terminated(request->version, sizeof(request->version)) ||
	    !terminated(request->algorithm, sizeof(request->algorithm)))
		return false;
	return request->op == ENVELOPE_WORKER_UNWRAP
		       ? request->wrapped_size > 0 && request->wrapped_size <= ENVELOPE_WRAPPED_MAX
		       : request->wrapped_size == 0;
}

static void name_version(struct envelope_worker_reply *reply,
			 const struct envelope_kek_version *version)
{
	memcpy(reply->version, version->version, sizeof(reply->version));
	memcpy(reply->created, version->created, sizeof(reply->created));
	memcpy(reply->not_before, version->not_before, sizeof(reply->not_before));
	memcpy(reply->expires, version->expires, sizeof(reply->expires));
	reply->state = version->state;
}

static int attributes(const struct envelope_provider *provider, struct envelope_provider_key *key,
		      struct envelope_worker_reply *reply, struct envelope_error *e)
{
	struct envelope_kek_attributes found = { 0 };
	int r = provider->attributes(key, &found, e);

	if (r < 0)
		return r;
	name_version(reply, &found.current);
	reply->state = found.state;
	reply->versions = found.versions;
	reply->recoverability = found.recoverability;
	memcpy(reply->date, found.date, sizeof(reply->date));
	reply->unbacked = found.unbacked != 0;
	return 0;
}

static int set_enabled(const struct envelope_provider *provider, struct envelope_provider_key *key,
		       const struct envelope_worker_request *request,
		       struct envelope_worker_reply *reply, struct envelope_error *e)
{
	bool changed = false;
	int r = provider->set_enabled(key, request->version, request->op == ENVELOPE_WORKER_ENABLE,
				      &changed, e);

	reply->changed = changed;
	return r;
}

static int wrap(const struct envelope_provider *provider, struct envelope_provider_key *key,
		uint8_t *cell, struct envelope_worker_reply *reply, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *share = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	struct envelope_wrapped wrapped = { 0 };
	int r;

	if (!share)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "no locked memory in the worker");
	envelope_secret_copy(share, cell, ENVELOPE_SHARE_BYTES);
	envelope_secret_wipe(cell, ENVELOPE_SHARE_BYTES);
	r = provider->wrap(key, share, &wrapped, e);
	if (r < 0)
		return r;
	memcpy(reply->version, wrapped.version, sizeof(reply->version));
	memcpy(reply->algorithm, wrapped.algorithm, sizeof(reply->algorithm));
	memcpy(reply->wrapped, wrapped.data, wrapped.size);
	reply->wrapped_size = (uint32_t)wrapped.size;
	return 0;
}

static int unwrap(const struct envelope_provider *provider, struct envelope_provider_key *key,
		  const struct envelope_worker_request *request, uint8_t *cell,
		  struct envelope_worker_reply *reply, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *share = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	struct envelope_wrapped wrapped = { .size = request->wrapped_size };
	enum envelope_provider_state state = ENVELOPE_PROVIDER_UNREACHABLE;
	int r;

	if (!share)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "no locked memory in the worker");
	memcpy(wrapped.version, request->version, sizeof(wrapped.version));
	memcpy(wrapped.algorithm, request->algorithm, sizeof(wrapped.algorithm));
	memcpy(wrapped.data, request->wrapped, request->wrapped_size);
	r = provider->unwrap(key, &wrapped, share, &state, e);
	reply->state = state;
	if (r == 0)
		envelope_secret_copy(cell, share, ENVELOPE_SHARE_BYTES);
	return r;
}

static int carry_out(const struct envelope_provider *provider, struct envelope_provider_key *key,
		     const struct envelope_worker_request *request, uint8_t *cell,
		     struct envelope_worker_reply *reply, struct envelope_error *e)
{
	struct envelope_kek_version version = { 0 };
	int r;

	switch (request->op) {
	case ENVELOPE_WORKER_CREATE:
		r = provider->create(key, &version, e);
		break;
	case ENVELOPE_WORKER_ROTATE:
		r = provider->rotate(key, &version, e);
		break;
	case ENVELOPE_WORKER_VERSION:
		r = provider->version(key, request->index, &version, e);
		break;
	case ENVELOPE_WORKER_ENABLE:
	case ENVELOPE_WORKER_DISABLE:
		return set_enabled(provider, key, request, reply, e);
	case ENVELOPE_WORKER_ATTRIBUTES:
		return attributes(provider, key, reply, e);
	case ENVELOPE_WORKER_WRAP:
		return wrap(provider, key, cell, reply, e);
	case ENVELOPE_WORKER_UNWRAP:
		return unwrap(provider, key, request, cell, reply, e);
	default:
		return envelope_fail(e, ENVELOPE_E_PROTOCOL, "an unknown request to the worker");
	}
	if (r == 0)
		name_version(reply, &version);
	return r;
}

void worker_answer(const struct envelope_provider *provider, struct envelope_provider_key *key,
		   const struct envelope_worker_request *request, uint8_t *cell,
		   struct envelope_worker_reply *reply)
{
	struct envelope_error e = { 0 };
	int r;

	memset(reply, 0, sizeof(*reply));
	reply->protocol = ENVELOPE_WORKER_PROTOCOL;
	reply->op = request->op;
	reply->id = request->id;
	r = carry_out(provider, key, request, cell, reply, &e);
	if (r == 0)
		return;
	envelope_secret_wipe(cell, ENVELOPE_SHARE_BYTES);
	reply->code = e.code;
	snprintf(reply->message, sizeof(reply->message), "%.*s", (int)sizeof(reply->message) - 1,
		 e.message);
	snprintf(reply->cure, sizeof(reply->cure), "%.*s", (int)sizeof(reply->cure) - 1,
		 envelope_error_cure(&e));
	/* They may be cut off in a character, or hold the name of a file as it is */
	envelope_text_clean(reply->message);
	envelope_text_clean(reply->cure);
}

int worker_run(int socket, struct envelope_worker_memory *memory,
	       const struct envelope_provider *provider, struct envelope_provider_key *key)
{
	struct envelope_worker_request request;
	struct envelope_worker_reply reply;

	for (;;) {
		ssize_t n = recv(socket, &request, sizeof(request), MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (n != sizeof(request) || !worker_request_valid(&request))
			return -EPROTO;
		worker_answer(provider, key, &request, memory->cells[request.cell], &reply);
		if (send(socket, &reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply))
			return -errno;
	}
}
