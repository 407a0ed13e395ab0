// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The calls that are under way: each is answered once, when its provider is done with it, at its
 * deadline, or when envelope-keyd needs it no more, whichever is first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "worker.h"

#define SECOND	      1000000ULL
#define LATE_MAX_USEC 1000 /* that the answer to a call begins after its deadline */

struct under_way {
	struct calls *calls;
	bool busy;
	struct envelope_worker_request request;
	struct envelope_provider_call call;
	uint64_t begun; /* µs of boot time */
	sd_event_source *deadline;
};

struct calls {
	const struct worker *worker;
	uint8_t (*shares)[ENVELOPE_SHARE_BYTES]; /* locked; one for each cell */
	struct under_way cells[ENVELOPE_WORKER_CELLS];
};

/* What to end with: that envelope-keyd goes away, with answers to it under way, is no error */
static int socket_error(void)
{
	return errno == EPIPE || errno == ECONNRESET ? 0 : -errno;
}

static void answer(struct under_way *u, int r)
{
	const struct worker *w = u->calls->worker;
	struct envelope_worker_reply reply;

	u->deadline = sd_event_source_disable_unref(u->deadline);
	worker_end(&u->request, w->memory->cells[u->request.cell], &u->call, r, &reply);
	u->busy = false;
	if (send(w->socket, &reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply))
		sd_event_exit(w->event, socket_error());
}

static void on_done(struct envelope_provider_call *call, int r)
{
	answer((void *)((char *)call - offsetof(struct under_way, call)), r);
}

/* Return: what envelope_fail() returns */
static int say_late(const struct under_way *u, struct envelope_error *e)
{
	const char *kek = u->calls->worker->kek;
	unsigned int seconds =
		(unsigned int)((u->request.deadline - u->begun + SECOND / 2) / SECOND);
	int r;

	if (u->call.state == ENVELOPE_PROVIDER_THROTTLED)
		r = envelope_fail(e, ENVELOPE_E_KEK_UNAVAILABLE,
				  "KEK %s: its provider asks for patience, for longer than %u s",
				  kek, seconds);
	else
		r = envelope_fail(e, ENVELOPE_E_KEK_UNAVAILABLE,
				  "KEK %s: its provider did not answer within %u s", kek, seconds);
	if (u->request.op <= ENVELOPE_WORKER_ROTATE)
		return envelope_cure(e, "it may have done it: see envelopectl kek show %s", kek);
	return r;
}

static void cancel(struct under_way *u)
{
	const struct worker *w = u->calls->worker;

	w->provider->cancel(w->key, &u->call);
	if (u->call.state != ENVELOPE_PROVIDER_THROTTLED)
		u->call.state = ENVELOPE_PROVIDER_UNREACHABLE;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct under_way *u = data;

	cancel(u);
	answer(u, say_late(u, &u->call.error));
	return 0;
}

/* Nobody waits for this one any more; where it was answered already, there is nothing to do */
static void take_cancel(struct calls *calls, uint64_t id)
{
	for (unsigned int i = 0; i < ENVELOPE_WORKER_CELLS; i++) {
		struct under_way *u = &calls->cells[i];

		if (!u->busy || u->request.id != id)
			continue;
		cancel(u);
		answer(u, envelope_fail(&u->call.error, ENVELOPE_E_CANCELED,
					"KEK %s: what it was asked is not needed any more",
					calls->worker->kek));
		return;
	}
}

static int begin(struct calls *calls, const struct envelope_worker_request *request)
{
	const struct worker *w = calls->worker;
	struct under_way *u = &calls->cells[request->cell];
	int r;

	if (u->busy)
		return -EPROTO;
	u->request = *request;
	u->begun = worker_now();
	u->call.share = calls->shares[request->cell];
	u->call.done = on_done;
	u->call.state = ENVELOPE_PROVIDER_UNREACHABLE;
	if (worker_view_stale(&w->view)) {
		answer(u, envelope_fail(&u->call.error, ENVELOPE_E_CANCELED,
					"KEK %s: another directory has come in the place of %s",
					w->kek, w->view.directory));
		return sd_event_exit(w->event, 0);
	}
	if (request->deadline <= u->begun) {
		answer(u, envelope_fail(&u->call.error, ENVELOPE_E_KEK_UNAVAILABLE,
					"KEK %s: its provider was busy with other calls too long",
					w->kek));
		return 0;
	}
	r = sd_event_add_time(w->event, &u->deadline, CLOCK_BOOTTIME, request->deadline,
			      LATE_MAX_USEC, on_deadline, u);
	if (r < 0)
		return r;
	u->busy = true;
	worker_begin(w->provider, w->key, request, w->memory->cells[request->cell], &u->call);
	return 0;
}

/* Return: 1, 0 when the other side hung up, or -errno */
static int take_request(struct calls *calls)
{
	struct envelope_worker_request request;
	ssize_t n =
		recv(calls->worker->socket, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : socket_error();
	if (n == 0)
		return 0;
	if (n != sizeof(request) || !worker_request_valid(&request, worker_now()))
		return -EPROTO;
	if (request.op == ENVELOPE_WORKER_CANCEL)
		take_cancel(calls, request.id);
	else
		return begin(calls, &request) ?: 1;
	return 1;
}

static int on_request(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct calls *calls = data;
	int r = take_request(calls);

	return r > 0 ? 0 : sd_event_exit(calls->worker->event, r);
}

static void forget_all(struct calls *calls)
{
	for (unsigned int i = 0; i < ENVELOPE_WORKER_CELLS; i++) {
		struct under_way *u = &calls->cells[i];

		u->deadline = sd_event_source_disable_unref(u->deadline);
		if (u->busy)
			cancel(u);
	}
	envelope_secret_free(calls->shares);
	free(calls);
}

int worker_run(const struct worker *worker)
{
	struct calls *calls = calloc(1, sizeof(*calls));
	sd_event_source *io = NULL;
	int r;

	if (!calls)
		return -ENOMEM;
	calls->worker = worker;
	for (unsigned int i = 0; i < ENVELOPE_WORKER_CELLS; i++)
		calls->cells[i].calls = calls;
	calls->shares = envelope_secret_alloc(ENVELOPE_WORKER_CELLS * sizeof(*calls->shares));
	r = calls->shares ? 0 : -errno;
	if (r == 0)
		r = sd_event_add_io(worker->event, &io, worker->socket, EPOLLIN, on_request, calls);
	if (r >= 0)
		r = sd_event_loop(worker->event);
	sd_event_source_disable_unref(io);
	forget_all(calls);
	return r;
}
