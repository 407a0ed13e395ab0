// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every allocation is a mapping of its own: a page that holds the size, then the
 * secret's pages, so that nothing else shares a locked or wiped page. Or it is a page of the pool.
 */
#include "secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SECRET_MAX (1 << 20)  /* bytes */
#define POOL_MAX   64	      /* pages */
#define TRACKS	   (64 << 10) /* bytes of stack */

/* What envelope_secret_pool() was given, and which pages of it are taken */
static struct {
	uint8_t *pages;
	unsigned int count;
	uint64_t taken;
} pool;

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

void envelope_secret_pool(void *memory, size_t size)
{
	pool.pages = memory;
	pool.count = size / page_size() < POOL_MAX ? size / page_size() : POOL_MAX;
	pool.taken = 0;
}

/* A page for each, where there is one left */
static void *from_pool(size_t size)
{
	unsigned int i = 0;

	while (i < pool.count && pool.taken & 1ULL << i)
		i++;
	if (i == pool.count || size == 0 || size > page_size())
		return NULL;
	pool.taken |= 1ULL << i;
	return pool.pages + i * page_size();
}

static bool back_to_pool(void *p)
{
	uint8_t *page = p;
	size_t offset;

	if (!pool.count || page < pool.pages || page >= pool.pages + pool.count * page_size())
		return false;
	offset = page - pool.pages;
	OPENSSL_cleanse(page, page_size());
	pool.taken &= ~(1ULL << offset / page_size());
	return true;
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
	void *page = from_pool(size);

	return page ? page : alloc(size, MAP_PRIVATE, MADV_WIPEONFORK);
}

void *envelope_secret_alloc_shared(size_t size)
{
	return alloc(size, MAP_SHARED, MADV_DOFORK);
}

void envelope_secret_free(void *p)
{
	uint8_t *map;
	size_t room;

	if (!p || back_to_pool(p))
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

void envelope_secret_copy(void *to, const void *from, size_t size)
{
	volatile uint8_t *out = to;
	const volatile uint8_t *in = from;

	while (size--)
		*out++ = *in++;
}

/*
 * With ones: registers that are all zero the processor may leave out when the kernel saves
 * them, and what was saved before stays.
 */
static void fill_registers(uint8_t *room)
{
	static const uint8_t ones[4 * 64] = { [0 ... 4 * 64 - 1] = 0xff };
	void *(*volatile copy)(void *, const void *, size_t) = memcpy;

	/* By the code that leaves most there: it knows the widest that there are */
	for (size_t size = 16; size <= sizeof(ones); size *= 2)
		copy(room, ones, size);
#ifdef __x86_64__
	asm volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm1, %%xmm1; pcmpeqd %%xmm2, %%xmm2;"
		     "pcmpeqd %%xmm3, %%xmm3; pcmpeqd %%xmm4, %%xmm4; pcmpeqd %%xmm5, %%xmm5;"
		     "pcmpeqd %%xmm6, %%xmm6; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm8, %%xmm8;"
		     "pcmpeqd %%xmm9, %%xmm9; pcmpeqd %%xmm10, %%xmm10; pcmpeqd %%xmm11, %%xmm11;"
		     "pcmpeqd %%xmm12, %%xmm12; pcmpeqd %%xmm13, %%xmm13; pcmpeqd %%xmm14, %%xmm14;"
		     "pcmpeqd %%xmm15, %%xmm15"
		     :
		     :
		     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
		       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#endif
}

/* As far down the stack as a call may have come */
__attribute__((noinline)) void envelope_secret_clear_tracks(void)
{
	uint8_t stack[TRACKS];

	OPENSSL_cleanse(stack, sizeof(stack));
	fill_registers(stack);
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
