// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker-client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int exchange(struct op *op, const struct broker_request *request, struct broker_reply *reply,
		    struct envelope_error *e)
{
	ssize_t n;

	if (send(op->broker, request, sizeof(*request), MSG_NOSIGNAL) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "envelope-keyd's main process is gone");
	do {
		n = recv(op->broker, reply, sizeof(*reply), 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(*reply))
		return envelope_fail(e, ENVELOPE_E_FAILED, "envelope-keyd's main process is gone");
	if (reply->error.code == ENVELOPE_OK)
		return 0;
	if (e)
		*e = reply->error;
	return -(int)reply->error.code;
}

static int ask(struct op *op, const struct broker_request *request, struct envelope_error *e)
{
	struct broker_reply reply;

	return exchange(op, request, &reply, e);
}

void broker_alive(struct op *op)
{
	struct broker_request request = { .op = BROKER_ALIVE };

	ask(op, &request, NULL);
}

int broker_lock_disk(struct op *op, const uint64_t disk[2], struct envelope_error *e)
{
	struct broker_request request = { .op = BROKER_LOCK_DISK, .disk = { disk[0], disk[1] } };

	return ask(op, &request, e);
}

int broker_lock_name(struct op *op, const char *name, struct envelope_error *e)
{
	struct broker_request request = { .op = BROKER_LOCK_NAME };

	snprintf(request.name, sizeof(request.name), "%s", name);
	return ask(op, &request, e);
}

int broker_kek_declared(struct op *op, const struct envelope_kek_config *config,
			struct envelope_error *e)
{
	struct broker_request request = { .op = BROKER_KEK_DECLARED, .declared = *config };

	return ask(op, &request, e);
}

/* What a worker says, in the words of our errors */
static int worker_error(const struct envelope_worker_reply *reply, struct envelope_error *e)
{
	if (reply->code == ENVELOPE_OK)
		return 0;
	envelope_fail(e, reply->code, "%s", reply->message);
	if (*reply->cure)
		envelope_cure(e, "%s", reply->cure);
	return -(int)reply->code;
}

int broker_kek(struct op *op, enum broker_op kind, const char *kek,
	       const struct envelope_worker_request *worker, struct envelope_worker_reply *reply,
	       struct envelope_error *e)
{
	struct broker_request request = { .op = kind, .worker = *worker };
	struct broker_reply answer;
	int r;

	snprintf(request.kek, sizeof(request.kek), "%s", kek);
	r = exchange(op, &request, &answer, e);
	if (r)
		return r;
	*reply = answer.worker;
	return worker_error(reply, e);
}

static void unwrap_request(const struct envelope_share *share,
			   struct envelope_worker_request *request)
{
	request->op = ENVELOPE_WORKER_UNWRAP;
	memcpy(request->version, share->version, sizeof(request->version));
	memcpy(request->algorithm, share->algorithm, sizeof(request->algorithm));
	memcpy(request->wrapped, share->wrapped, share->wrapped_size);
	request->wrapped_size = share->wrapped_size;
}

static int unwrap(struct op *op, const struct envelope_share *share, uint8_t *secret,
		  struct envelope_error *e)
{
	struct envelope_worker_request request = {};
	struct envelope_worker_reply reply;
	int r;

	unwrap_request(share, &request);
	r = broker_kek(op, BROKER_KEK_USE, share->kek, &request, &reply, e);
	if (!r)
		envelope_secret_copy(secret, op->secrets->share, ENVELOPE_SHARE_BYTES);
	envelope_secret_wipe(op->secrets->share, ENVELOPE_SHARE_BYTES);
	return r;
}

int broker_unwrap_begin(struct op *op, const struct envelope_share *share, unsigned int cell,
			struct envelope_error *e)
{
	struct broker_request request = { .op = BROKER_UNWRAP, .cell = cell };

	unwrap_request(share, &request.worker);
	memcpy(request.kek, share->kek, sizeof(request.kek));
	return ask(op, &request, e);
}

int broker_unwrapped(struct op *op, unsigned int patience, unsigned int *cell,
		     struct envelope_error *e)
{
	struct broker_request request = { .op = BROKER_UNWRAPPED, .patience = patience };
	struct broker_reply reply;
	int r = exchange(op, &request, &reply, e);

	if (r)
		return r;
	memset(e, 0, sizeof(*e));
	*cell = reply.cell;
	if (reply.cell < BROKER_CELLS)
		worker_error(&reply.worker, e);
	return 0;
}

void broker_unwrap_end(struct op *op)
{
	struct broker_request request = { .op = BROKER_UNWRAP_END };

	ask(op, &request, NULL);
}

void broker_doubt(struct op *op, const char *kek)
{
	struct broker_request request = { .op = BROKER_DOUBT };

	snprintf(request.kek, sizeof(request.kek), "%s", kek);
	ask(op, &request, NULL);
}

int broker_set(struct op *op, const struct envelope_token *set, struct envelope_error *e)
{
	struct broker_request request = { .op = BROKER_SET, .opened.token = *set };

	return ask(op, &request, e);
}

static int take_wrapped(const struct envelope_worker_reply *reply, struct envelope_share *share,
			struct envelope_error *e)
{
	if (!reply->wrapped_size || !*reply->version || !*reply->algorithm)
		return envelope_fail(e, ENVELOPE_E_KEK_UNAVAILABLE,
				     "the provider of KEK %s wrapped nothing", share->kek);
	memcpy(share->version, reply->version, sizeof(share->version));
	memcpy(share->algorithm, reply->algorithm, sizeof(share->algorithm));
	memcpy(share->wrapped, reply->wrapped, reply->wrapped_size);
	share->wrapped_size = reply->wrapped_size;
	return 0;
}

int broker_wrap(struct op *op, const uint8_t *secret, struct envelope_share *share,
		struct envelope_error *e)
{
	struct envelope_worker_request request = { .op = ENVELOPE_WORKER_WRAP };
	_cleanup_secret_ uint8_t *back = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	struct envelope_worker_reply reply;
	int r;

	if (!back)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	envelope_secret_copy(op->secrets->share, secret, ENVELOPE_SHARE_BYTES);
	r = broker_kek(op, BROKER_KEK_USE, share->kek, &request, &reply, e);
	envelope_secret_wipe(op->secrets->share, ENVELOPE_SHARE_BYTES);
	if (!r)
		r = take_wrapped(&reply, share, e);
	if (!r)
		r = unwrap(op, share, back, e);
	if (!r && !envelope_secret_equal(back, secret, ENVELOPE_SHARE_BYTES))
		r = envelope_fail(e, ENVELOPE_E_KEK_UNAVAILABLE,
				  "the provider of KEK %s does not unwrap what it wrapped",
				  share->kek);
	return r;
}

int broker_table(struct op *op, enum broker_op kind, const struct table *table,
		 const struct broker_opened *opened, const uint8_t *dek, struct envelope_error *e)
{
	struct broker_request request = { .op = kind, .table = *table };
	int r;

	if (opened)
		request.opened = *opened;
	if (dek)
		envelope_secret_copy(op->secrets->dek, dek, table->key_size);
	r = ask(op, &request, e);
	envelope_secret_wipe(op->secrets->dek, sizeof(op->secrets->dek));
	return r;
}

void broker_opened(struct op *op, const char *name, const struct broker_opened *opened)
{
	struct broker_request request = { .op = BROKER_OPENED, .opened = *opened };

	snprintf(request.name, sizeof(request.name), "%s", name);
	ask(op, &request, NULL);
}

int broker_lock(struct op *op, const char *name, bool asleep, struct envelope_error *e)
{
	struct broker_request request = { .op = BROKER_LOCK, .asleep = asleep };

	snprintf(request.name, sizeof(request.name), "%s", name);
	return ask(op, &request, e);
}

void broker_woken(struct op *op, const char *name)
{
	struct broker_request request = { .op = BROKER_WOKEN };

	snprintf(request.name, sizeof(request.name), "%s", name);
	ask(op, &request, NULL);
}

void broker_forget(struct op *op, const char *name)
{
	struct broker_request request = { .op = BROKER_FORGET };

	snprintf(request.name, sizeof(request.name), "%s", name);
	ask(op, &request, NULL);
}

void broker_done(struct op *op)
{
	struct broker_request request = { .op = BROKER_DONE };

	ask(op, &request, NULL);
}

void broker_problem(struct op *op, const struct envelope_error *e)
{
	struct broker_request request = { .op = BROKER_PROBLEM, .error = *e };

	ask(op, &request, NULL);
}
