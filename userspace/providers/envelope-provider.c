// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The workers of KEKs: envelope-keyd starts this program once, unprivileged, with a socket as
 * descriptor 3, and orders a worker for each KEK. It is no program for people.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto.h"
#include "worker.h"

static const struct envelope_provider *const providers[] = {
	&envelope_provider_service,
};

static int complain(const char *what, int r)
{
	fprintf(stderr, "envelope-provider: %s: %s\n", what, strerror(-r));
	return 1;
}

static const struct envelope_provider *find_provider(const char *name)
{
	for (size_t i = 0; i < sizeof(providers) / sizeof(*providers); i++)
		if (!strcmp(providers[i]->name, name))
			return providers[i];
	return NULL;
}

static struct envelope_worker_memory *map_memory(void)
{
	struct envelope_worker_memory *memory;
	struct stat st;

	if (fstat(ENVELOPE_WORKER_MEMORY_FD, &st) < 0 || st.st_size < (off_t)sizeof(*memory))
		return NULL;
	memory = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE, MAP_SHARED,
		      ENVELOPE_WORKER_MEMORY_FD, 0);
	if (memory == MAP_FAILED)
		return NULL;
	if (madvise(memory, sizeof(*memory), MADV_DONTDUMP) < 0 ||
	    mlock(memory, sizeof(*memory)) < 0) {
		munmap(memory, sizeof(*memory));
		return NULL;
	}
	close(ENVELOPE_WORKER_MEMORY_FD);
	return memory;
}

/*
 * Where the limit allows it, as envelope-keyd.service does, all of the program stays in
 * memory: it may serve the disk that it was loaded from. Secrets are locked anyway.
 */
static int stay_in_memory(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return -errno;
	if (limit.rlim_cur == RLIM_INFINITY && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		return -errno;
	return 0;
}

/* For the zygote, and again for each worker: a forked process inherits neither */
static int stay(void)
{
	int r = stay_in_memory();

	/* Other children of envelope-keyd may hold its end of the socket open */
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	return r;
}

/* What was loaded and opened stays: the files and system calls of a call are all that it needs
 * still */
static int give_up_rights(struct worker *w)
{
	int r = worker_confine(&w->view);

	if (r == -EOPNOTSUPP) {
		fprintf(stderr,
			"envelope-provider: KEK %s: this kernel has no Landlock: its worker can "
			"read all files that its user may\n",
			w->kek);
		r = 0;
	}
	return r < 0 ? r : worker_sandbox();
}

static int worker(const struct envelope_kek_config *config)
{
	struct envelope_worker_memory *memory = map_memory();
	const struct envelope_provider *provider = find_provider(config->provider);
	struct worker w = { .socket = ENVELOPE_WORKER_SOCKET_FD,
			    .memory = memory,
			    .kek = config->name,
			    .provider = provider };
	struct envelope_error e = { 0 };
	int r;

	if (!memory)
		return complain("no shared memory", -EBADF);
	if (!provider)
		return complain(config->provider, -ENOSYS);
	r = worker_limit();
	if (r == 0)
		r = sd_event_new(&w.event);
	if (r < 0)
		return complain("getting ready", r);
	if (provider->open(config, w.event, &w.key, &e) < 0) {
		fprintf(stderr, "envelope-provider: %s\n", e.message);
		return envelope_error_exit_status(e.code);
	}
	if (provider->directory)
		w.view.directory = provider->directory(config);
	r = stay();
	if (r == 0)
		r = give_up_rights(&w);
	if (r < 0)
		return complain("giving up privileges", r);
	r = worker_run(&w);
	provider->close(w.key);
	sd_event_unref(w.event);
	envelope_secret_wipe(memory, sizeof(*memory));
	return r < 0 ? complain("serving envelope-keyd", r) : 0;
}

static int harden(void)
{
	int r = envelope_secret_harden_process();

	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	return r;
}

int main(int argc, char **argv)
{
	int r;

	if (argc != 1) {
		fprintf(stderr, "usage: envelope-provider\n");
		return 2;
	}
	if (geteuid() == 0) {
		fprintf(stderr, "envelope-provider: not as root: envelope-keyd starts it as its "
				"--user\n");
		return 2;
	}
	close_range(ENVELOPE_ZYGOTE_SOCKET_FD + 1, ~0U, 0);
	r = envelope_crypto_set_up();
	if (r == 0)
		r = harden();
	if (r == 0)
		r = stay();
	if (r < 0)
		return complain("getting ready", r);
	r = zygote_run(ENVELOPE_ZYGOTE_SOCKET_FD, worker);
	return r < 0 ? complain("descriptor 3 is for envelope-keyd to set", r) : 0;
}
