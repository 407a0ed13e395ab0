/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for secrets: locked, left out of core dumps, zero in a forked child,
 * wiped when freed.
 */
#ifndef ENVELOPE_SECRET_H
#define ENVELOPE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_DEK_MAX     64 /* bytes */
#define ENVELOPE_SHARE_BYTES 32 /* bytes; also a slot secret and a KEK */

/**
 * envelope_secret_alloc() - locked, zeroed memory of its own pages
 * @size: bytes, at most 1 MiB
 *
 * Return: the memory, to be given to envelope_secret_free(); NULL with errno set
 * (ENOMEM or EPERM when RLIMIT_MEMLOCK is too low): callers refuse to go on.
 */
void *envelope_secret_alloc(size_t size);

/**
 * envelope_secret_alloc_shared() - the same, shared with children forked later
 *
 * Not zeroed in a child: that is its purpose. Either side wipes what it has read.
 */
void *envelope_secret_alloc_shared(size_t size);

/**
 * envelope_secret_pool() - from now on, take what envelope_secret_alloc() gives from here
 * @memory: zeroed pages of envelope_secret_alloc_shared(), at most 64; others follow when all are
 * taken
 *
 * For a process that may be killed, or hang, with secrets in its hands: who shares the memory
 * with it can wipe them.
 */
void envelope_secret_pool(void *memory, size_t size);

/** envelope_secret_free() - wipe, unlock and unmap; NULL is fine */
void envelope_secret_free(void *p);

/**
 * envelope_secret_copy() - as memcpy(), but by no register that a secret would stay in
 *
 * The kernel saves the registers of a process that waits, and does not wipe where it saved them.
 */
void envelope_secret_copy(void *to, const void *from, size_t size);

/** envelope_secret_wipe() - zero memory, never optimised away */
void envelope_secret_wipe(void *p, size_t size);

/**
 * envelope_secret_clear_tracks() - overwrite what a call left on the stack below, and in registers
 *
 * OpenSSL leaves there part of what it worked on. To be called right after it.
 */
void envelope_secret_clear_tracks(void);

/* for `_cleanup_tracks_ char tracks;` first of all: on every path out, last of all */
static inline void envelope_secret_tracksp(char *unused)
{
	envelope_secret_clear_tracks();
}
#define _cleanup_tracks_ __attribute__((unused, cleanup(envelope_secret_tracksp)))

/** envelope_secret_equal() - compare in constant time */
int envelope_secret_equal(const void *a, const void *b, size_t size);

/**
 * envelope_secret_harden_process() - no core dumps, not traceable
 *
 * Return: 0 or -errno.
 */
int envelope_secret_harden_process(void);

/* for `_cleanup_secret_ uint8_t *dek = …`: wiped on every path out */
static inline void envelope_secret_freep(void *p)
{
	envelope_secret_free(*(void **)p);
}
#define _cleanup_secret_ __attribute__((cleanup(envelope_secret_freep)))

#endif
