// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * envelope-provider with workers that are slow, lie, crash or say what they should not: as one that
 * was taken over may be, in its sandbox. It is for tests only. What a worker is to do is in
 * KEYSTORE.faults/KEK, which is read anew at each request: lines "REQUEST FAULT [NUMBER]". The
 * requests that it took are lines of KEYSTORE.faults/KEK.calls.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../providers/worker.h"

#define BIRTH	    0
#define ANY_REQUEST "any"
/* Descriptors. Of those that are not received yet, the kernel lets a user have as many as a process
 * may have open: three replies at once, of two test suites, are to stay below that. */
#define MANY	     40
#define MESSAGE_MAX  (100 << 10)
#define OTHER_ID     1000000
#define NO_SUCH_CODE ENVELOPE_CODES

struct hostile {
	int socket;
	struct envelope_worker_memory *memory;
	uint32_t cell; /* of the request that it was asked last */
	struct envelope_worker_reply
		held[ENVELOPE_WORKER_CELLS]; /* that it never sent; id 0: none */
};

/* Return: is the honest reply, as it is by then, sent too? */
typedef bool (*fault)(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number);

int __wrap_zygote_run(int socket, int (*worker)(const struct envelope_kek_config *config));
int __real_zygote_run(int socket, int (*worker)(const struct envelope_kek_config *config));
int __wrap_worker_confine(struct worker_view *view);
int __real_worker_confine(struct worker_view *view);
int __wrap_worker_run(const struct worker *worker);

static const char *const requests[] = {
	[BIRTH] = "birth", /* before any request */
	[ENVELOPE_WORKER_CREATE] = "create",
	[ENVELOPE_WORKER_ROTATE] = "rotate",
	[ENVELOPE_WORKER_ENABLE] = "enable",
	[ENVELOPE_WORKER_DISABLE] = "disable",
	[ENVELOPE_WORKER_ATTRIBUTES] = "attributes",
	[ENVELOPE_WORKER_VERSION] = "version",
	[ENVELOPE_WORKER_WRAP] = "wrap",
	[ENVELOPE_WORKER_UNWRAP] = "unwrap",
	[ENVELOPE_WORKER_CANCEL] = "cancel", /* of what it is silent about */
};

static int (*honest_worker)(const struct envelope_kek_config *config);
static char instructions[PATH_MAX], calls[PATH_MAX];

/* Return: is anybody there to hear it? */
static bool say(int socket, const void *data, size_t size)
{
	return send(socket, data, size, MSG_NOSIGNAL) >= 0;
}

static void note(const char *fmt, const char *what, int number)
{
	char line[80];
	int fd = open(calls, O_WRONLY | O_APPEND | O_CLOEXEC);
	int length = snprintf(line, sizeof(line), fmt, what, number);

	if (fd < 0)
		return;
	if (write(fd, line, (size_t)length) < 0)
		_exit(125);
	close(fd);
}

/* Slow, silent, dead */

static bool slow(struct hostile *h, struct envelope_worker_reply *reply, unsigned int ms)
{
	poll(NULL, 0, (int)ms);
	return true;
}

static bool hang(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	while (poll(NULL, 0, -1) <= 0)
		continue;
	return false;
}

static bool silent(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	return false;
}

/* As if it had been sent before */
static bool crossed(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	reply->code = ENVELOPE_OK;
	return true;
}

static bool crash(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	__builtin_trap();
}

static bool leave(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	_exit(0);
}

/* Lies, each as a well-formed reply */

static bool another_share(struct hostile *h, struct envelope_worker_reply *reply,
			  unsigned int number)
{
	h->memory->cells[h->cell][number % ENVELOPE_SHARE_BYTES] ^= 1;
	return true;
}

static bool no_share(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	memset(h->memory->cells[h->cell], 0, ENVELOPE_SHARE_BYTES);
	reply->code = ENVELOPE_OK;
	return true;
}

static bool scribble(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	memset(h->memory, 0xee, sizeof(*h->memory));
	return true;
}

static bool wraps_nothing(struct hostile *h, struct envelope_worker_reply *reply,
			  unsigned int number)
{
	reply->wrapped_size = 0;
	return true;
}

static bool wraps_noise(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	memset(reply->wrapped, 0xee, reply->wrapped_size);
	return true;
}

static bool no_version(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	memset(reply->version, 0, sizeof(reply->version));
	return true;
}

static bool other_version(struct hostile *h, struct envelope_worker_reply *reply,
			  unsigned int number)
{
	strcpy(reply->version, "never-made");
	return true;
}

static bool nameless(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	reply->code = ENVELOPE_E_KEK_REFUSED;
	strcpy(reply->message, "out of luck");
	return true;
}

/* Replies that are none */

static bool sized(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	static uint8_t message[MESSAGE_MAX];

	memcpy(message, reply, sizeof(*reply));
	say(h->socket, message, number < MESSAGE_MAX ? number : MESSAGE_MAX);
	return false;
}

static bool longer(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	return sized(h, reply, (unsigned int)sizeof(*reply) + number);
}

static bool shorter(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	return sized(h, reply, (unsigned int)sizeof(*reply) - number);
}

#define WRONG(name, change)                                                                        \
	static bool name(struct hostile *h, struct envelope_worker_reply *reply,                   \
			 unsigned int number)                                                      \
	{                                                                                          \
		change;                                                                            \
		return true;                                                                       \
	}

WRONG(protocol, reply->protocol = number)
WRONG(request, reply->op = number)
WRONG(code, reply->code = NO_SUCH_CODE + number)
WRONG(state, reply->state = ENVELOPE_PROVIDER_STATES + number)
WRONG(wrapped_size, reply->wrapped_size = ENVELOPE_WRAPPED_MAX + 1 + number)
WRONG(endless_version, memset(reply->version, '1', sizeof(reply->version)))
WRONG(odd_version, strcpy(reply->version, "1 \"2"))
WRONG(odd_algorithm, strcpy(reply->algorithm, "A256KW P"))
WRONG(odd_created, strcpy(reply->created, "\033[2J"))
WRONG(speechless, reply->code = ENVELOPE_E_KEK_REFUSED; *reply->message = '\0')
WRONG(endless_message, memset(reply->message, 'x', sizeof(reply->message)))
WRONG(escape, reply->code = ENVELOPE_E_KEK_REFUSED; strcpy(reply->message, "\033[2J"))
WRONG(no_text, reply->code = ENVELOPE_E_KEK_REFUSED; strcpy(reply->message, "a\303(b\377"))
WRONG(no_cure, reply->code = ENVELOPE_E_KEK_REFUSED; strcpy(reply->message, "no");
      strcpy(reply->cure, "\300\257"))

WRONG(give_up, reply->code = ENVELOPE_E_CANCELED; strcpy(reply->message, "another directory"))

/* Talk that nobody asked for */

static bool say_as(struct hostile *h, const struct envelope_worker_reply *reply, uint64_t id)
{
	struct envelope_worker_reply other = *reply;

	other.id = id;
	return say(h->socket, &other, sizeof(other));
}

static bool early(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	say_as(h, reply, reply->id + 1);
	return true;
}

static bool unasked(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	say_as(h, reply, reply->id + OTHER_ID);
	return true;
}

static bool nobody(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	say_as(h, reply, 0);
	return true;
}

static bool twice(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	say_as(h, reply, reply->id);
	return true;
}

/* Once more, when nobody waits for anything */
static bool later(struct hostile *h, struct envelope_worker_reply *reply, unsigned int ms)
{
	say_as(h, reply, reply->id);
	return slow(h, reply, ms);
}

static bool flood(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	while (say_as(h, reply, reply->id + OTHER_ID))
		continue;
	return false;
}

/* With descriptors, which are the receiver's once it takes them */
static bool descriptors(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	static _Alignas(struct cmsghdr) char control[CMSG_SPACE(MANY * sizeof(int))];
	struct iovec iov = { reply, sizeof(*reply) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	*header = (struct cmsghdr) { .cmsg_level = SOL_SOCKET,
				     .cmsg_type = SCM_RIGHTS,
				     .cmsg_len = CMSG_LEN(MANY * sizeof(int)) };
	for (int i = 0; i < MANY; i++)
		memcpy(CMSG_DATA(header) + i * (int)sizeof(int), &h->socket, sizeof(int));
	sendmsg(h->socket, &message, MSG_NOSIGNAL);
	return false;
}

/* Burglary */

static bool opens(const char *process, const char *file)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%.16s/%s", process, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* One of the project's? Those of others may be whatever they are. */
static bool interesting(const char *process)
{
	char path[64], name[16] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, name, sizeof(name) - 1) < 0)
		*name = '\0';
	close(fd);
	return !strncmp(name, "kek:", 4) || !strncmp(name, "envelope-", 9);
}

static void break_into(const char *process)
{
	pid_t pid = atoi(process);
	char byte;
	struct iovec ours = { &byte, 1 }, theirs = { &byte, 1 };

	note("looked at %s %d\n", "process", pid);
	if (opens(process, "mem"))
		note("reached %s of %d\n", "mem", pid);
	if (opens(process, "fd"))
		note("reached %s of %d\n", "fd", pid);
	if (opens(process, "map_files"))
		note("reached %s of %d\n", "map_files", pid);
	if (process_vm_readv(pid, &ours, 1, &theirs, 1, 0) >= 0 || errno == EFAULT)
		note("reached %s of %d\n", "memory", pid);
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0)
		note("reached %s of %d\n", "registers", pid);
	if (syscall(SYS_pidfd_open, pid, 0) >= 0)
		note("reached %s of %d\n", "pidfd", pid);
	if (kill(pid, 0) == 0)
		note("reached %s of %d\n", "signals", pid);
}

static void count_memories(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int n = 0;

	while (maps && fgets(line, sizeof(line), maps))
		n += strstr(line, "memfd:envelope-worker") != NULL;
	if (maps)
		fclose(maps);
	note("%s: %d\n", "memories", n);
}

static void count_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	note("%s: %d\n", "descriptors", n);
}

static bool burgle(struct hostile *h, struct envelope_worker_reply *reply, unsigned int number)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;

	if (!processes)
		return false;
	while ((entry = readdir(processes)))
		if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid() &&
		    interesting(entry->d_name))
			break_into(entry->d_name);
	closedir(processes);
	count_memories();
	count_descriptors();
	note("%s %d\n", "done", 0);
	return true;
}

static const struct {
	const char *name;
	fault act;
} faults[] = {
	{ "slow", slow },
	{ "hang", hang },
	{ "silent", silent },
	{ "crossed", crossed },
	{ "crash", crash },
	{ "leave", leave },
	{ "another-share", another_share },
	{ "no-share", no_share },
	{ "scribble", scribble },
	{ "wraps-nothing", wraps_nothing },
	{ "wraps-noise", wraps_noise },
	{ "no-version", no_version },
	{ "other-version", other_version },
	{ "nameless", nameless },
	{ "sized", sized },
	{ "longer", longer },
	{ "shorter", shorter },
	{ "protocol", protocol },
	{ "request", request },
	{ "code", code },
	{ "state", state },
	{ "wrapped-size", wrapped_size },
	{ "endless-version", endless_version },
	{ "odd-version", odd_version },
	{ "odd-algorithm", odd_algorithm },
	{ "odd-created", odd_created },
	{ "speechless", speechless },
	{ "endless-message", endless_message },
	{ "escape", escape },
	{ "no-text", no_text },
	{ "no-cure", no_cure },
	{ "give-up", give_up },
	{ "early", early },
	{ "unasked", unasked },
	{ "nobody", nobody },
	{ "twice", twice },
	{ "later", later },
	{ "flood", flood },
	{ "descriptors", descriptors },
	{ "burgle", burgle },
};

static fault fault_named(const char *name)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		if (!strcmp(faults[i].name, name))
			return faults[i].act;
	_exit(125); /* a mistake in the test */
}

/* What it is told to do at a request of this kind; NULL: to be honest */
static fault fault_of(uint32_t op, unsigned int *number)
{
	bool by_name = op == BIRTH || op == ENVELOPE_WORKER_CANCEL;
	char text[160] = "", kind[16], name[32], *line, *rest = text;
	int fd = open(instructions, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (read(fd, text, sizeof(text) - 1) < 0)
		_exit(125);
	close(fd);
	while ((line = strsep(&rest, "\n"))) {
		*number = 0;
		if (sscanf(line, "%15s %31s %u", kind, name, number) >= 2 &&
		    (!strcmp(kind, requests[op]) || (!by_name && !strcmp(kind, ANY_REQUEST))))
			return fault_named(name);
	}
	return NULL;
}

static int result;

static void on_done(struct envelope_provider_call *call, int r)
{
	result = r;
}

/* What an honest worker says, whose provider has done the call when it returns */
static struct envelope_worker_reply answer(const struct worker *w,
					   const struct envelope_worker_request *request)
{
	uint8_t share[ENVELOPE_SHARE_BYTES] = {};
	struct envelope_provider_call call = { .share = share, .done = on_done };
	uint8_t *cell = w->memory->cells[request->cell];
	struct envelope_worker_reply reply;

	worker_begin(w->provider, w->key, request, cell, &call);
	worker_end(request, cell, &call, result, &reply);
	return reply;
}

static void take_request(struct hostile *h, const struct worker *w,
			 const struct envelope_worker_request *request)
{
	struct envelope_worker_reply reply = answer(w, request);
	unsigned int number;
	fault act = fault_of(request->op, &number);

	h->cell = request->cell;
	if (!act || act(h, &reply, number))
		say(h->socket, &reply, sizeof(reply));
	else
		h->held[request->cell] = reply;
}

static void take_cancel(struct hostile *h, uint64_t id)
{
	struct envelope_worker_reply *reply = h->held;
	unsigned int number;
	fault act = fault_of(ENVELOPE_WORKER_CANCEL, &number);

	while (reply < h->held + ENVELOPE_WORKER_CELLS && reply->id != id)
		reply++;
	if (reply == h->held + ENVELOPE_WORKER_CELLS)
		return;
	h->cell = (uint32_t)(reply - h->held);
	if (!act)
		reply->code = ENVELOPE_E_CANCELED;
	strcpy(reply->message, "cancelled");
	if (!act || act(h, reply, number))
		say(h->socket, reply, sizeof(*reply));
	reply->id = 0;
}

/* It sees all that its user may, as where there is no Landlock: it must do no harm there either */
int __wrap_worker_confine(struct worker_view *view)
{
	view->directory = "/";
	return __real_worker_confine(view);
}

int __wrap_worker_run(const struct worker *w)
{
	struct hostile h = { .socket = w->socket, .memory = w->memory };
	struct envelope_worker_reply reply = { .protocol = ENVELOPE_WORKER_PROTOCOL,
					       .op = ENVELOPE_WORKER_ATTRIBUTES };
	struct envelope_worker_request request;
	unsigned int number;
	fault act = fault_of(BIRTH, &number);

	if (act && act(&h, &reply, number))
		say(w->socket, &reply, sizeof(reply));
	while (recv(w->socket, &request, sizeof(request), 0) == sizeof(request)) {
		if (!worker_request_valid(&request, worker_now()))
			return -EPROTO;
		note("%s %d\n", requests[request.op], (int)request.cell);
		if (request.op == ENVELOPE_WORKER_CANCEL)
			take_cancel(&h, request.id);
		else
			take_request(&h, w, &request);
	}
	return 0;
}

static int faulty_worker(const struct envelope_kek_config *config)
{
	snprintf(instructions, sizeof(instructions), "%s.faults/%s", config->keystore,
		 config->name);
	snprintf(calls, sizeof(calls), "%s.faults/%s.calls", config->keystore, config->name);
	return honest_worker(config);
}

int __wrap_zygote_run(int socket, int (*worker)(const struct envelope_kek_config *config))
{
	honest_worker = worker;
	return __real_zygote_run(socket, faulty_worker);
}
