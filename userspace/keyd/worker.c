// SPDX-License-Identifier: GPL-2.0-or-later
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cache.h"
#include "log.h"
#include "manager.h"
#include "rights.h"
#include "secret.h"
#include "text.h"
#include "zygote.h"

#define STEADY_S	   10 /* a worker that ran so long did not fail at once */
#define RESTART_DELAY_USEC 100000ULL
#define FAILURES_MAX	   8
#define RESTART_DELAY_MAX  (10 * SECOND)
#define ENDED		   "the provider of KEK %s ended while it was asked"

struct worker {
	LIST_ENTRY(worker) link;
	struct manager *manager;
	struct envelope_kek_config config;
	struct log_fields about;
	bool doubted;	 /* the declarations are read again, and this one was not come upon yet */
	bool undeclared; /* it is to end */
	int fd;		 /* -1: waits to be started again */
	pid_t pid;	 /* 0: it has not begun */
	struct envelope_worker_memory *memory;
	sd_event_source *io, *child, *restart;
	TAILQ_HEAD(, worker_call) waiting;
	/* A cell stays in use until the worker answers, even when nobody waits any more */
	struct {
		uint64_t id; /* 0: free */
		uint32_t op;
		struct worker_call *call; /* NULL: nobody waits, and the worker was told so */
		sd_event_source *end;	  /* until which it must answer all the same */
	} cells[ENVELOPE_WORKER_CELLS];
	uint64_t last_id;
	unsigned int failures;
	uint64_t started; /* µs of boot time */
};

static int spawn(struct worker *w);
static int on_death(sd_event_source *source, const siginfo_t *info, void *data);
static void ended(struct worker *w);

static const char *name_of(const struct worker *w)
{
	return w->config.name;
}

static void finish(struct worker_call *call, const struct envelope_worker_reply *reply)
{
	call->deadline = sd_event_source_disable_unref(call->deadline);
	call->worker = NULL;
	call->done(call, reply);
}

static void refuse(struct worker_call *call, const char *fmt, const char *kek)
{
	struct envelope_worker_reply reply = { .op = call->request.op,
					       .code = ENVELOPE_E_KEK_UNAVAILABLE,
					       .state = ENVELOPE_PROVIDER_UNREACHABLE };

	snprintf(reply.message, sizeof(reply.message), fmt, kek);
	finish(call, &reply);
}

static int free_cell(const struct worker *w)
{
	for (int i = 0; i < ENVELOPE_WORKER_CELLS; i++)
		if (!w->cells[i].id)
			return i;
	return -1;
}

static void release(struct worker *w, int cell)
{
	w->cells[cell].end = sd_event_source_disable_unref(w->cells[cell].end);
	w->cells[cell].id = 0;
	w->cells[cell].call = NULL;
}

static bool transmit(struct worker *w, struct worker_call *call, int cell)
{
	struct envelope_worker_request *request = &call->request;

	request->protocol = ENVELOPE_WORKER_PROTOCOL;
	request->id = w->last_id + 1;
	request->cell = cell;
	if (request->op == ENVELOPE_WORKER_WRAP)
		envelope_secret_copy(w->memory->cells[cell], call->share, ENVELOPE_SHARE_BYTES);
	if (send(w->fd, request, sizeof(*request), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		/* Full, or the worker is dead: it is sent when it answers, or to the next one */
		envelope_secret_wipe(w->memory->cells[cell], ENVELOPE_SHARE_BYTES);
		return false;
	}
	w->last_id++;
	w->cells[cell].id = request->id;
	w->cells[cell].op = request->op;
	w->cells[cell].call = call;
	call->cell = cell;
	return true;
}

static void transmit_waiting(struct worker *w)
{
	struct worker_call *call;
	int cell;

	while (w->io && (call = TAILQ_FIRST(&w->waiting)) && (cell = free_cell(w)) >= 0) {
		if (!transmit(w, call, cell))
			return;
		TAILQ_REMOVE(&w->waiting, call, link);
	}
}

/* Whoever reads an error is to see which KEK it is about, whatever the provider says */
static void name_kek(const struct worker *w, struct envelope_worker_reply *reply)
{
	char name[sizeof("KEK ") + ENVELOPE_KEK_NAME_MAX], said[sizeof(reply->message)];

	snprintf(name, sizeof(name), "KEK %s", name_of(w));
	if (reply->code == ENVELOPE_OK || strstr(reply->message, name))
		return;
	memcpy(said, reply->message, sizeof(said));
	snprintf(reply->message, sizeof(reply->message), "%s: %.*s", name,
		 (int)(sizeof(said) - strlen(name) - sizeof(": ")), said);
	envelope_text_clean(reply->message); /* it may be cut off in a character */
}

/* Nothing that it says counts any more; what else there is to do is done when it is dead */
static void put_an_end(struct worker *w)
{
	w->io = sd_event_source_disable_unref(w->io);
	kill(w->pid, SIGKILL);
}

/* Return: does it give up a call that it was not told to? It did nothing yet: the next one may. */
static bool gives_up(struct worker *w, struct worker_call *call,
		     const struct envelope_worker_reply *reply)
{
	if (!call || reply->code != ENVELOPE_E_CANCELED)
		return false;
	log_line(LOG_INFO, &w->about, "%s: the next worker is asked", reply->message);
	put_an_end(w);
	if (call->again) {
		refuse(call, "the provider of KEK %s gives up what it is asked", name_of(w));
	} else {
		w->started = 0; /* long ago: that it ends is no failure */
		call->again = true;
		call->cell = -1;
		TAILQ_INSERT_HEAD(&w->waiting, call, link);
	}
	return true;
}

/* Return: is it an answer? One to what was not asked is none. */
static bool take_reply(struct worker *w, struct envelope_worker_reply *reply)
{
	struct worker_call *call;
	int cell = 0;

	while (cell < ENVELOPE_WORKER_CELLS && w->cells[cell].id != reply->id)
		cell++;
	if (!reply->id || cell == ENVELOPE_WORKER_CELLS || w->cells[cell].op != reply->op)
		return false;
	name_kek(w, reply);
	call = w->cells[cell].call;
	if (call && call->request.op == ENVELOPE_WORKER_UNWRAP && reply->code == ENVELOPE_OK)
		envelope_secret_copy(call->share, w->memory->cells[cell], ENVELOPE_SHARE_BYTES);
	envelope_secret_wipe(w->memory->cells[cell], ENVELOPE_SHARE_BYTES);
	release(w, cell);
	if (!gives_up(w, call, reply) && call)
		finish(call, reply);
	return true;
}

/* Its first message. What it says of itself is not asked: the kernel names the sender. */
static bool take_birth(struct worker *w, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	uint32_t protocol;
	struct iovec iov = { &protocol, sizeof(protocol) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	struct ucred sender;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n != sizeof(protocol) || protocol != ENVELOPE_WORKER_PROTOCOL || !header ||
	    header->cmsg_type != SCM_CREDENTIALS)
		return false;
	memcpy(&sender, CMSG_DATA(header), sizeof(sender));
	w->pid = sender.pid;
	return w->pid > 0 &&
	       sd_event_add_child(w->manager->event, &w->child, w->pid, WEXITED, on_death, w) >= 0;
}

static struct worker_call *first_waiting_again(const struct worker *w)
{
	struct worker_call *call;

	TAILQ_FOREACH(call, &w->waiting, link)
	if (call->again)
		break;
	return call;
}

/* Of one that did not begin: whether calls were sent to it, or found nobody, is a matter of luck */
static void take_back_waiting(struct worker *w)
{
	struct worker_call *call;

	while ((call = first_waiting_again(w))) {
		TAILQ_REMOVE(&w->waiting, call, link);
		refuse(call, ENDED, name_of(w));
	}
	TAILQ_FOREACH(call, &w->waiting, link)
	call->again = true;
}

static int on_reply(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct envelope_worker_reply reply;
	struct worker *w = data;
	ssize_t n;

	if (!w->pid) {
		if (!take_birth(w, fd)) {
			log_line(LOG_WARNING, &w->about, "The worker of KEK %s did not begin",
				 name_of(w));
			take_back_waiting(w);
			ended(w);
		}
		return 0;
	}
	n = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0 && worker_reply_valid(&reply, n) && take_reply(w, &reply)) {
		transmit_waiting(w);
		return 0;
	}
	if (n > 0)
		log_line(LOG_ERR, &w->about, "The worker of KEK %s answers nonsense: ending it",
			 name_of(w));
	put_an_end(w);
	return 0;
}

/* Calls that may be carried out twice are put to the next worker; the others are told. */
static void take_back_calls(struct worker *w)
{
	for (int i = 0; i < ENVELOPE_WORKER_CELLS; i++) {
		struct worker_call *call = w->cells[i].call;

		release(w, i);
		if (!call)
			continue;
		call->cell = -1;
		if (call->again || call->request.op == ENVELOPE_WORKER_CREATE ||
		    call->request.op == ENVELOPE_WORKER_ROTATE) {
			refuse(call, ENDED, name_of(w));
		} else {
			call->again = true;
			TAILQ_INSERT_TAIL(&w->waiting, call, link);
		}
	}
}

static void close_worker(struct worker *w)
{
	w->io = sd_event_source_disable_unref(w->io);
	w->child = sd_event_source_disable_unref(w->child);
	w->restart = sd_event_source_disable_unref(w->restart);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->pid = 0;
	for (int i = 0; i < ENVELOPE_WORKER_CELLS; i++)
		w->cells[i].end = sd_event_source_disable_unref(w->cells[i].end);
	if (w->memory) {
		envelope_secret_wipe(w->memory, sizeof(*w->memory));
		munmap(w->memory, sizeof(*w->memory));
	}
	w->memory = NULL;
}

static int on_restart(sd_event_source *source, uint64_t usec, void *data)
{
	struct worker *w = data;

	w->restart = sd_event_source_disable_unref(w->restart);
	spawn(w);
	return 0;
}

static void restart_later(struct worker *w)
{
	uint64_t delay = 0;

	if (manager_now() - w->started >= STEADY_S * SECOND)
		w->failures = 0;
	else if (w->failures <= FAILURES_MAX)
		w->failures++;
	/* One that cannot stay, and that nobody waits for, is given up until the next call */
	if (w->failures > FAILURES_MAX && TAILQ_EMPTY(&w->waiting))
		return;
	if (w->failures > 1)
		delay = RESTART_DELAY_USEC << w->failures;
	manager_timer(w->manager, &w->restart,
		      delay < RESTART_DELAY_MAX ? delay : RESTART_DELAY_MAX, on_restart, w);
}

static void forget(struct worker *w)
{
	struct worker_call *call;

	LIST_REMOVE(w, link);
	close_worker(w);
	while ((call = TAILQ_FIRST(&w->waiting))) {
		TAILQ_REMOVE(&w->waiting, call, link);
		refuse(call, ENDED, name_of(w));
	}
	free(w);
}

static void ended(struct worker *w)
{
	close_worker(w);
	take_back_calls(w);
	/* Whoever was told so may have asked again, and so started the next one */
	if (w->undeclared)
		forget(w);
	else if (w->fd < 0 && !w->restart && !w->manager->stopping)
		restart_later(w);
}

static int on_death(sd_event_source *source, const siginfo_t *info, void *data)
{
	struct worker *w = data;

	log_line(LOG_WARNING, &w->about, "The worker of KEK %s ended (%s %d)", name_of(w),
		 info->si_code == CLD_EXITED ? "status" : "signal", info->si_status);
	ended(w);
	return 0;
}

static struct envelope_worker_memory *make_memory(int *fd)
{
	struct envelope_worker_memory *memory;

	*fd = memfd_create("envelope-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return NULL;
	if (ftruncate(*fd, sizeof(*memory)) ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto fail;
	memory = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (memory == MAP_FAILED)
		goto fail;
	if (!mlock(memory, sizeof(*memory)) && !madvise(memory, sizeof(*memory), MADV_DONTDUMP) &&
	    !madvise(memory, sizeof(*memory), MADV_DONTFORK))
		return memory;
	munmap(memory, sizeof(*memory));
fail:
	close(*fd);
	*fd = -1;
	return NULL;
}

static int order(struct worker *w, int memory_fd)
{
	const int yes = 1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	w->fd = pair[0];
	r = setsockopt(w->fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) ? -errno : 0;
	if (!r)
		r = zygote_order(w->manager, &w->config, pair[1], memory_fd);
	close(pair[1]);
	if (!r)
		r = sd_event_add_io(w->manager->event, &w->io, w->fd, EPOLLIN, on_reply, w);
	return r;
}

static int spawn(struct worker *w)
{
	int memory_fd, r;

	w->started = manager_now();
	w->memory = make_memory(&memory_fd);
	if (!w->memory)
		return -errno;
	r = order(w, memory_fd);
	close(memory_fd);
	if (r < 0) {
		log_line(LOG_ERR, &w->about, "The worker of KEK %s cannot be started: %s",
			 name_of(w), strerror(-r));
		close_worker(w);
		restart_later(w);
		return r;
	}
	transmit_waiting(w);
	return 0;
}

static struct worker *find(const struct manager *m, const char *kek)
{
	struct worker *w;

	LIST_FOREACH(w, &m->workers, link)
	if (!strcmp(name_of(w), kek))
		return w;
	return NULL;
}

const struct envelope_kek_config *worker_config(const struct manager *m, const char *kek)
{
	const struct worker *w = find(m, kek);

	return w && !w->undeclared ? &w->config : NULL;
}

static struct worker *add(struct manager *m, struct envelope_error *e)
{
	unsigned int n = 0;
	struct worker *w;

	LIST_FOREACH(w, &m->workers, link)
	n++;
	w = n < WORKERS_MAX ? calloc(1, sizeof(*w)) : NULL;
	if (!w) {
		envelope_fail(e, ENVELOPE_E_LIMIT, "more than %d KEKs are in use", WORKERS_MAX);
		return NULL;
	}
	w->manager = m;
	w->about = (struct log_fields) { .id = LOG_ID_WORKER, .kek = name_of(w) };
	w->fd = -1;
	TAILQ_INIT(&w->waiting);
	LIST_INSERT_HEAD(&m->workers, w, link);
	return w;
}

/* It comes back at once, unless it is not to */
static void end(struct worker *w)
{
	w->started = 0; /* long ago: this is no failure */
	if (w->pid)
		kill(w->pid, SIGKILL);
	else if (w->fd >= 0)
		ended(w);
}

int worker_declare(struct manager *m, const struct envelope_kek_config *config,
		   struct envelope_error *e)
{
	struct worker *w = find(m, config->name);
	bool renew = !w || w->doubted || w->undeclared;
	int r;

	if (!w)
		w = add(m, e);
	if (!w || !renew)
		return w ? 0 : -(int)ENVELOPE_E_LIMIT;
	w->config = *config;
	rights_declared(&w->config);
	w->doubted = w->undeclared = false;
	cache_purge(m, name_of(w), NULL); /* it may be kept no longer, or not at all */
	if (w->fd >= 0 || w->restart) {
		end(w);
		return 0;
	}
	r = spawn(w);
	if (r < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no process for KEK %s: %s", name_of(w),
				     strerror(-r));
	return 0;
}

/* A worker that hangs: the next one may do better */
static void put_down(struct worker *w)
{
	if (w->pid)
		kill(w->pid, SIGKILL);
}

static int on_end(sd_event_source *source, uint64_t usec, void *data)
{
	put_down(data);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct worker_call *call = data;
	struct worker *w = call->worker;

	if (call->cell >= 0) {
		w->cells[call->cell].call = NULL;
		put_down(w);
	} else {
		TAILQ_REMOVE(&w->waiting, call, link);
	}
	refuse(call, "the provider of KEK %s does not answer", name_of(w));
	return 0;
}

int worker_call(struct manager *m, const char *kek, struct worker_call *call,
		struct envelope_error *e)
{
	uint64_t patience = WORKER_CALL_DEADLINE_S * SECOND;
	struct worker *w = find(m, kek);

	if (!w || w->undeclared)
		return envelope_fail(e, ENVELOPE_E_KEK_UNDECLARED,
				     "KEK %s: this host does not declare it", kek);
	if (call->patience && call->patience < patience)
		patience = call->patience;
	if (manager_timer(m, &call->deadline, patience + WORKER_GRACE_S * SECOND, on_deadline,
			  call) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "out of memory");
	call->request.deadline = manager_now() + patience;
	call->worker = w;
	call->cell = -1;
	call->again = false;
	TAILQ_INSERT_TAIL(&w->waiting, call, link);
	if (w->fd < 0 && !w->restart)
		spawn(w); /* it had been given up */
	transmit_waiting(w);
	return 0;
}

/* The worker is to stop, and the cell is free when it says so */
static void abandon(struct worker *w, const struct worker_call *call)
{
	const struct envelope_worker_request request = { .protocol = ENVELOPE_WORKER_PROTOCOL,
							 .op = ENVELOPE_WORKER_CANCEL,
							 .id = call->request.id };
	uint64_t now = manager_now(), end = call->request.deadline + WORKER_GRACE_S * SECOND;

	w->cells[call->cell].call = NULL;
	manager_timer(w->manager, &w->cells[call->cell].end, end > now ? end - now : 0, on_end, w);
	/* Where there is no room, it reads nothing: it has no more time than before to answer */
	send(w->fd, &request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void worker_cancel(struct worker_call *call)
{
	struct worker *w = call->worker;

	if (!w)
		return;
	call->deadline = sd_event_source_disable_unref(call->deadline);
	if (call->cell >= 0)
		abandon(w, call);
	else
		TAILQ_REMOVE(&w->waiting, call, link);
	call->worker = NULL;
}

void worker_doubt_all(struct manager *m)
{
	struct worker *w;

	LIST_FOREACH(w, &m->workers, link)
	w->doubted = true;
}

void worker_end_doubted(struct manager *m)
{
	struct worker *next;

	for (struct worker *w = LIST_FIRST(&m->workers); w; w = next) {
		next = LIST_NEXT(w, link);
		w->undeclared |= w->doubted;
		if (w->undeclared)
			cache_purge(m, name_of(w), NULL);
		if (w->undeclared && w->fd < 0)
			forget(w);
		else if (w->undeclared)
			end(w);
	}
}

void worker_stop_all(struct manager *m)
{
	struct worker *w;

	while ((w = LIST_FIRST(&m->workers))) {
		LIST_REMOVE(w, link);
		close_worker(w); /* at the end of its socket the worker ends */
		free(w);
	}
	zygote_stop(m);
}
