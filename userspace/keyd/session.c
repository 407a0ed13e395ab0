// SPDX-License-Identifier: GPL-2.0-or-later
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker-client.h"
#include "device.h"
#include "follow.h"
#include "health.h"
#include "lease.h"
#include "log.h"
#include "manager.h"
#include "op.h"
#include "reload.h"
#include "secret.h"
#include "server.h"
#include "takeover.h"
#include "unwraps.h"
#include "varlink.h"

#define TAKEOVERS_MAX 16  /* at once, of a thousand perhaps */
#define SESSIONS_MAX  256 /* with those that were given up, and die when their disk answers */

/* How a session ends; anything else means that the client has had no answer */
enum {
	SESSION_DONE = 0,
	SESSION_REFUSED = 1,
};

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes every descriptor above standard error but these */
static void keep_descriptors(int *fds, size_t n)
{
	int next = STDERR_FILENO + 1;

	qsort(fds, n, sizeof(*fds), by_number);
	for (size_t i = 0; i < n; i++) {
		if (fds[i] < next)
			continue;
		if (fds[i] > next)
			close_range(next, fds[i] - 1, 0);
		next = fds[i] + 1;
	}
	close_range(next, ~0U, 0);
}

static void become_session(const struct method *method, const struct op *op)
{
	int fds[] = { op->client, op->passed, op->broker, log_fd() };
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN); /* the main process says when to stop */
	sigprocmask(SIG_SETMASK, &none, NULL);
	keep_descriptors(fds, sizeof(fds) / sizeof(*fds));
	device_session();
	prctl(PR_SET_NAME, method->name);
	/* Page by page: what the main process has is locked there, all else is on no disk */
	mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static void answer(struct op *op, int r, struct json_object *result, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *message = NULL;

	if (op->client < 0) {
		json_object_put(result);
		if (r)
			broker_problem(op, e);
		return;
	}
	if (r) {
		json_object_put(result);
		message = varlink_error(e);
	} else {
		message = varlink_reply(result, false);
	}
	if (message)
		varlink_send(op->client, message, CLIENT_PATIENCE_MS);
}

static void log_refusal(const struct method *method, const struct envelope_error *e)
{
	log_line(LOG_NOTICE, &(struct log_fields) { .id = LOG_ID_REFUSED }, "%s: %s: %s",
		 method->name, envelope_error_name(e->code), e->message);
}

static void run_session(struct op *op, const struct method *method)
{
	struct envelope_error e = {};
	struct json_object *result = NULL;
	int r;

	become_session(method, op);
	envelope_secret_pool(op->secrets->pool, sizeof(op->secrets->pool));
	r = method->run(op, &result, &e);
	envelope_secret_wipe(op->secrets, sizeof(*op->secrets));
	if (r && e.code == ENVELOPE_OK)
		envelope_fail(&e, ENVELOPE_E_FAILED, "%s failed without saying why", method->name);
	if (r)
		log_refusal(method, &e);
	broker_done(op);
	answer(op, r, result, &e);
	_exit(r ? SESSION_REFUSED : SESSION_DONE);
}

/* What it asked providers for, and would be written into its secrets */
static void drop_calls(struct session *s)
{
	worker_cancel(&s->call);
	if (s->secrets)
		unwraps_forget(s);
}

static void session_free(struct session *s)
{
	drop_calls(s);
	sd_event_source_disable_unref(s->io);
	sd_event_source_disable_unref(s->child);
	sd_event_source_disable_unref(s->deadline);
	if (s->fd >= 0)
		close(s->fd);
	envelope_secret_free(s->secrets);
	LIST_REMOVE(s, link);
	s->manager->n_sessions--;
	free(s);
}

static void release_client(struct session *s, bool answered)
{
	struct client *client = s->client;
	struct envelope_error e = {};

	s->client = NULL;
	if (!client)
		return;
	if (!answered) {
		envelope_fail(&e, ENVELOPE_E_FAILED, "%s ended without a result", s->method->name);
		server_send_error(client, &e);
	}
	server_session_done(client);
}

/* An open that failed may have come as far as a mapping at work, whose key must stay */
static void forget_unless_mapped(struct session *s)
{
	struct device *device = device_find(s->manager, s->table.name);
	struct device_info info;

	if (device && (device_info(s->table.name, &info, NULL) || !info.live))
		device_forget(device);
}

/* Also where the session died: its table may be at work */
static void restarted(struct manager *m, const char *name)
{
	struct device *device = device_find(m, name);

	if (device)
		lease_restarted(device);
}

static int on_end(sd_event_source *source, const siginfo_t *info, void *data)
{
	struct session *s = data;
	struct manager *m = s->manager;
	bool answered = info->si_code == CLD_EXITED &&
			(info->si_status == SESSION_DONE || info->si_status == SESSION_REFUSED);
	bool done = answered && info->si_status == SESSION_DONE;

	if (!answered)
		log_line(LOG_ERR, NULL, "%s: session %d died (%s %d)", s->method->name, (int)s->pid,
			 info->si_code == CLD_EXITED ? "status" : "signal", info->si_status);
	if (s->activated && !done)
		forget_unless_mapped(s);
	if (s->reloaded)
		restarted(m, s->table.name);
	if (s->method == &method_takeover)
		takeover_ended(m, s->device, done);
	if (s->method == &method_follow)
		follow_ended(m, s->device, done);
	if (s->method == &method_reload)
		reload_ended(m, done);
	release_client(s, answered);
	session_free(s);
	health_tell(m); /* what it proved on the way, whatever came of it */
	takeover_go_on(m);
	follow_go_on(m);
	manager_quit_if_idle(m);
	return 0;
}

void session_abort(struct session *s, const char *why)
{
	struct client *client = s->client;
	struct envelope_error e = {};

	log_line(LOG_ERR, NULL, "%s: session %d is ended: %s", s->method->name, (int)s->pid, why);
	s->io = sd_event_source_disable_unref(s->io);
	s->deadline = sd_event_source_disable_unref(s->deadline);
	close(s->fd);
	s->fd = -1;
	kill(s->pid, SIGKILL);
	drop_calls(s);
	/* It may wait for a disk, and die no sooner than that answers */
	envelope_secret_wipe(s->secrets, sizeof(*s->secrets));
	s->client = NULL;
	if (!client)
		return;
	envelope_fail(&e, ENVELOPE_E_IO, "%s was given up: %s", s->method->name, why);
	server_send_error(client, &e);
	server_session_done(client);
}

static int on_silence(sd_event_source *source, uint64_t usec, void *data)
{
	struct session *s = data;

	session_abort(s, "no sign of life for two minutes, so the disk may hang");
	takeover_go_on(s->manager);
	return 0;
}

static void set_deadline(struct session *s)
{
	manager_timer(s->manager, &s->deadline, SESSION_SILENCE_S * SECOND, on_silence, s);
}

void session_reply(struct session *s, const struct broker_reply *reply)
{
	if (!s->io)
		return; /* being aborted */
	set_deadline(s);
	if (s->waiting)
		s->waited += manager_now() - s->waiting;
	s->waiting = 0;
	if (send(s->fd, reply, sizeof(*reply), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		session_abort(s, "it does not read its answers");
}

static int on_request(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct broker_request request;
	struct session *s = data;
	ssize_t n = recv(fd, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) /* it ends: the rest follows when it is dead */
		s->io = sd_event_source_disable_unref(s->io);
	else if (n != sizeof(request) || s->calling)
		session_abort(s, "it breaks the protocol");
	else
		broker_handle(s, &request);
	return 0;
}

static int start_process(struct session *s, struct json_object *parameters, bool more)
{
	struct op op = { .manager = s->manager,
			 .parameters = parameters,
			 .client = s->client ? server_fd(s->client) : -1,
			 .passed = s->client ? server_passed(s->client) : -1,
			 .more = more };
	int pair[2];

	s->secrets = envelope_secret_alloc_shared(sizeof(*s->secrets));
	if (!s->secrets || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	op.secrets = s->secrets;
	op.broker = pair[1];
	s->fd = pair[0];
	s->pid = fork();
	if (s->pid == 0)
		run_session(&op, s->method);
	close(pair[1]);
	if (s->pid < 0)
		return -errno;
	/* These secrets are for one child, not for those that follow */
	madvise(s->secrets, sizeof(*s->secrets), MADV_DONTFORK);
	return 0;
}

bool session_has_room(const struct manager *m, const struct method *method)
{
	const struct session *s;
	unsigned int taking = 0;

	LIST_FOREACH(s, &m->sessions, link)
	taking += s->io && s->method == &method_takeover;
	if (method == &method_takeover && taking >= TAKEOVERS_MAX)
		return false;
	/* A key can be taken away whatever else hangs */
	return m->n_sessions < SESSIONS_MAX || method->allowed & BROKER_BIT(BROKER_LOCK);
}

int session_start(struct manager *m, struct client *client, const struct method *method,
		  struct json_object *parameters, bool more, struct envelope_error *e)
{
	struct session *s;
	int r;

	if (!session_has_room(m, method))
		return envelope_fail(e, ENVELOPE_E_LIMIT, "%u requests are under way already",
				     m->n_sessions);
	s = calloc(1, sizeof(*s));
	if (!s)
		return envelope_fail(e, ENVELOPE_E_FAILED, "out of memory");
	s->manager = m;
	s->client = client;
	s->method = method;
	s->own = !client;
	if (client)
		s->who = *server_identity(client);
	s->fd = -1;
	TAILQ_INIT(&s->unwraps);
	LIST_INSERT_HEAD(&m->sessions, s, link);
	m->n_sessions++;
	r = start_process(s, parameters, more);
	if (r >= 0)
		r = sd_event_add_io(m->event, &s->io, s->fd, EPOLLIN, on_request, s);
	if (r >= 0)
		r = sd_event_add_child(m->event, &s->child, s->pid, WEXITED, on_end, s);
	if (r < 0) {
		if (s->pid > 0)
			kill(s->pid, SIGKILL);
		session_free(s);
		return envelope_fail(e, ENVELOPE_E_FAILED, "no process for %s: %s", method->name,
				     strerror(-r));
	}
	if (parameters && !client)
		snprintf(s->device, sizeof(s->device), "%s", takeover_name(parameters));
	set_deadline(s);
	return 0;
}
