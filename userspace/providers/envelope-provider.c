// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The worker of one KEK: envelope-keyd starts it, unprivileged, with a socket as
 * descriptor 3 and a shared memory for shares as descriptor 4. It is no program for
 * people.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int harden(void)
{
	int r = envelope_secret_harden_process();

	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0)
		r = worker_sandbox();
	return r;
}

static int serve(const char *name, const char *directory)
{
	const struct envelope_provider *provider;
	struct envelope_worker_memory *memory = map_memory();
	struct envelope_kek_config config;
	struct envelope_provider_key *key;
	struct envelope_error e = { 0 };
	int r;

	if (!memory)
		return complain("descriptors 3 and 4 are for envelope-keyd to set", -EBADF);
	r = envelope_kek_config_load(directory, name, &config, &e);
	if (r == 0) {
		provider = find_provider(config.provider);
		r = provider->open(&config, &key, &e);
	}
	if (r < 0) {
		fprintf(stderr, "envelope-provider: %s\n", e.message);
		return envelope_error_exit_status(e.code);
	}
	r = harden();
	if (r < 0)
		return complain("giving up privileges", r);
	r = worker_run(ENVELOPE_WORKER_SOCKET_FD, memory, provider, key);
	provider->close(key);
	envelope_secret_wipe(memory, sizeof(*memory));
	return r < 0 ? complain("serving envelope-keyd", r) : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "keks-dir", required_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 },
	};
	const char *directory = ENVELOPE_KEKS_DIRECTORY;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option != 'k')
			return 2;
		directory = optarg;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: envelope-provider [--keks-dir DIR] KEK\n");
		return 2;
	}
	return serve(argv[optind], directory);
}
