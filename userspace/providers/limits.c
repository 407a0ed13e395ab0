// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a worker may have of the machine: whoever can make a provider leak, or takes it over, takes
 * no more than this. All that it maps is locked in memory.
 */
#include <errno.h>
#include <sys/resource.h>

#include "worker.h"

static const struct {
	int resource;
	rlim_t most;
} limits[] = {
#ifndef __SANITIZE_ADDRESS__	  /* which maps terabytes, and uses few of them */
	{ RLIMIT_AS, 256 << 20 }, /* bytes, with its libraries: a PKCS#11 module brings its own */
#endif
	{ RLIMIT_NOFILE, 256 }, /* several connections for each call, and some for files */
	{ RLIMIT_NPROC, 0 },	/* nor threads: these are system calls that it does not have */
};

int worker_limit(void)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		const struct rlimit limit = { limits[i].most, limits[i].most };

		if (setrlimit(limits[i].resource, &limit) < 0)
			return -errno;
	}
	return 0;
}
