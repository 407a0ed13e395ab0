// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for the ciphertext of writes.
 *
 * Forward progress: a writer first tries to get all its pages from the page
 * allocator without waiting. Where that fails it gives them back, takes the lock
 * and draws on the device's reserve, which holds enough for one bio of the largest
 * size. Pages in use belong to bios that were submitted and will come back, so that
 * the one holder of the lock always gets the rest; nobody waits while holding some.
 *
 * All devices together use at most ENVELOPE_BOUNCE_PERCENT of memory, reserves
 * included, unless the reserves alone are more.
 */
#include <linux/blk-cgroup.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/percpu_counter.h>

#include "dm-envelope.h"

#define ENVELOPE_BOUNCE_PERCENT	2
#define ENVELOPE_BOUNCE_BIOS	64	/* reserved for each device */

static struct percpu_counter pages_in_use;
static s64 pages_allowed;

/*
 * mempool_alloc() adds __GFP_NORETRY to what it asks for, and falls back on the
 * reserve; mempool_init(), which fills the reserve, does not.
 */
static void *alloc_one_page(gfp_t gfp, void *unused)
{
	struct page *page;

	if ((gfp & __GFP_NORETRY) && percpu_counter_compare(&pages_in_use, pages_allowed) >= 0)
		return NULL;
	page = alloc_page(gfp);
	if (page)
		percpu_counter_inc(&pages_in_use);
	return page;
}

static void free_one_page(void *page, void *unused)
{
	__free_page(page);
	percpu_counter_dec(&pages_in_use);
}

/**
 * envelope_bounce_init() - set a device's reserve aside
 * @bounce: to be freed with envelope_bounce_exit(), also after an error
 *
 * Return: 0 or -errno.
 */
int envelope_bounce_init(struct envelope_bounce *bounce)
{
	int r;

	mutex_init(&bounce->lock);
	r = bioset_init(&bounce->bios, ENVELOPE_BOUNCE_BIOS, 0, BIOSET_NEED_BVECS);
	if (r)
		return r;
	return mempool_init(&bounce->pages, BIO_MAX_VECS, alloc_one_page, free_one_page, NULL);
}

/**
 * envelope_bounce_exit() - free the reserve
 * @bounce: may be all zeros
 */
void envelope_bounce_exit(struct envelope_bounce *bounce)
{
	mempool_exit(&bounce->pages);
	bioset_exit(&bounce->bios);
	mutex_destroy(&bounce->lock);
}

static void free_pages_of(struct envelope_bounce *bounce, struct bio *bio)
{
	struct bvec_iter_all iter;
	struct bio_vec *bv;

	bio_for_each_segment_all(bv, bio, iter)
		mempool_free(bv->bv_page, &bounce->pages);
	bio->bi_vcnt = 0;
	bio->bi_iter.bi_size = 0;
}

/* All of @size bytes or nothing, without waiting */
static bool fill_at_once(struct bio *bio, unsigned int size)
{
	gfp_t gfp = GFP_NOWAIT | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN | __GFP_HIGHMEM;

	while (size) {
		unsigned int length = min_t(unsigned int, size, PAGE_SIZE);
		struct page *page = alloc_one_page(gfp, NULL);

		if (!page)
			return false;
		__bio_add_page(bio, page, length, 0);
		size -= length;
	}
	return true;
}

static void fill_from_reserve(struct envelope_bounce *bounce, struct bio *bio, unsigned int size)
{
	mutex_lock(&bounce->lock);
	while (size) {
		unsigned int length = min_t(unsigned int, size, PAGE_SIZE);

		__bio_add_page(bio, mempool_alloc(&bounce->pages, GFP_NOIO | __GFP_HIGHMEM),
			       length, 0);
		size -= length;
	}
	mutex_unlock(&bounce->lock);
}

/**
 * envelope_bounce_alloc() - a bio like another one, with pages of its own
 * @bounce: where the memory comes from
 * @bio:    the original, at most ENVELOPE_BOUNCE_SECTORS long
 * @bdev:   where the new one goes
 *
 * The new bio is never polled for: nobody knows of it who could poll.
 *
 * Context: may sleep, without starting I/O; cannot fail.
 * Return: the bio, to be freed with envelope_bounce_free().
 */
struct bio *envelope_bounce_alloc(struct envelope_bounce *bounce, struct bio *bio,
				  struct block_device *bdev)
{
	unsigned int size = bio->bi_iter.bi_size;
	struct bio *copy = bio_alloc_bioset(bdev, DIV_ROUND_UP(size, PAGE_SIZE),
					    bio->bi_opf & ~REQ_POLLED, GFP_NOIO, &bounce->bios);

	bio_clone_blkg_association(copy, bio);
	copy->bi_ioprio = bio->bi_ioprio;
	if (!fill_at_once(copy, size)) {
		free_pages_of(bounce, copy);
		fill_from_reserve(bounce, copy, size);
	}
	return copy;
}

/**
 * envelope_bounce_free() - free a bio and its pages
 * @bounce: where they came from
 * @bio:    holds ciphertext only, or was wiped
 */
void envelope_bounce_free(struct envelope_bounce *bounce, struct bio *bio)
{
	free_pages_of(bounce, bio);
	bio_put(bio);
}

/**
 * envelope_bounce_wipe() - clear the pages of a bio that may hold plaintext
 * @bio: not submitted
 */
void envelope_bounce_wipe(struct bio *bio)
{
	struct bvec_iter_all iter;
	struct bio_vec *bv;

	bio_for_each_segment_all(bv, bio, iter)
		clear_highpage(bv->bv_page);
}

/**
 * envelope_bounce_module_init() - set the bound on all devices' pages
 *
 * Return: 0 or -errno.
 */
int envelope_bounce_module_init(void)
{
	pages_allowed = totalram_pages() * ENVELOPE_BOUNCE_PERCENT / 100;
	return percpu_counter_init(&pages_in_use, 0, GFP_KERNEL);
}

/** envelope_bounce_module_exit() - undo envelope_bounce_module_init() */
void envelope_bounce_module_exit(void)
{
	WARN_ON(percpu_counter_sum(&pages_in_use));
	percpu_counter_destroy(&pages_in_use);
}
