// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every allocation is a mapping of its own: a page that holds the size, then the
 * secret's pages, so that nothing else shares a locked or wiped page.
 */
#include "secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SECRET_MAX (1 << 20) /* bytes */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void *alloc(size_t size, int flags, int fork_advice)
{
	size_t page = page_size();
	size_t room = page + (size + page - 1) / page * page;
	uint8_t *map;

	if (size == 0 || size > SECRET_MAX) {
		errno = EINVAL;
		return NULL;
	}
	map = mmap(NULL, room, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (madvise(map, room, MADV_DONTDUMP) < 0 || madvise(map, room, fork_advice) < 0 ||
	    mlock(map + page, room - page) < 0) {
		int saved = errno;

		munmap(map, room);
		errno = saved;
		return NULL;
	}
	*(size_t *)map = room;
	return map + page;
}

void *envelope_secret_alloc(size_t size)
{
	return alloc(size, MAP_PRIVATE, MADV_WIPEONFORK);
}

void *envelope_secret_alloc_shared(size_t size)
{
	return alloc(size, MAP_SHARED, MADV_DOFORK);
}

void envelope_secret_free(void *p)
{
	uint8_t *map;
	size_t room;

	if (!p)
		return;
	map = (uint8_t *)p - page_size();
	room = *(size_t *)map;
	if (room == 0) /* a forked child sees zeros: nothing is locked or held here */
		return;
	OPENSSL_cleanse(p, room - page_size());
	munmap(map, room);
}

void envelope_secret_wipe(void *p, size_t size)
{
	OPENSSL_cleanse(p, size);
}

int envelope_secret_equal(const void *a, const void *b, size_t size)
{
	return CRYPTO_memcmp(a, b, size) == 0;
}

int envelope_secret_harden_process(void)
{
	struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return 0;
}
