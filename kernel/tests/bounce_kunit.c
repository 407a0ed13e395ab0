// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reserve for writes: what a write draws from it comes back to it. And what a write had
 * is cleared where it fails.
 */
#include <linux/bvec.h>
#include <linux/percpu.h>
#include <kunit/test.h>

#include "../dm-envelope.h"

/* Short of memory: nothing but the reserve is to be had */
static void *no_page(gfp_t gfp, void *unused)
{
	return NULL;
}

static void draw_on_reserve(struct kunit *test, struct envelope_bounce *bounce,
			    struct envelope_segments *segments)
{
	mempool_alloc_t *alloc = bounce->pages.alloc;

	segments->vecs = segments->few;
	bounce->pages.alloc = no_page;
	for (segments->count = 0; segments->count < ENVELOPE_BOUNCE_FEW; segments->count++) {
		struct page *page = mempool_alloc(&bounce->pages, GFP_NOWAIT);

		KUNIT_EXPECT_NOT_NULL(test, page);
		if (!page)
			break;
		bvec_set_page(&segments->vecs[segments->count], page, PAGE_SIZE, 0);
	}
	bounce->pages.alloc = alloc;
}

static void reserve_refilled(struct kunit *test)
{
	struct envelope_stats __percpu *stats = alloc_percpu(struct envelope_stats);
	struct envelope_segments segments = {};
	struct envelope_bounce bounce;

	KUNIT_ASSERT_NOT_NULL(test, stats);
	KUNIT_EXPECT_EQ(test, envelope_bounce_init(&bounce, stats), 0);
	draw_on_reserve(test, &bounce, &segments);
	KUNIT_EXPECT_EQ(test, bounce.pages.curr_nr, 0);
	envelope_bounce_free(&bounce, &segments);
	KUNIT_EXPECT_EQ(test, bounce.pages.curr_nr, bounce.pages.min_nr);
	envelope_bounce_exit(&bounce);
	free_percpu(stats);
}

static void expect_cleared(struct kunit *test, const struct envelope_segments *segments)
{
	unsigned int i;

	for (i = 0; i < segments->count; i++) {
		const struct bio_vec *vec = &segments->vecs[i];

		KUNIT_EXPECT_NULL(test, memchr_inv(page_address(vec->bv_page), 0, vec->bv_len));
	}
}

/* Of blocks, which have several pages, as of pages */
static void wiped(struct kunit *test)
{
	struct envelope_stats __percpu *stats = alloc_percpu(struct envelope_stats);
	struct envelope_segments segments = {};
	struct envelope_bounce bounce;
	unsigned int i, size;

	KUNIT_ASSERT_NOT_NULL(test, stats);
	KUNIT_EXPECT_EQ(test, envelope_bounce_init(&bounce, stats), 0);
	for (size = PAGE_SIZE; size <= SZ_256K; size *= 4) {
		KUNIT_EXPECT_EQ(test, envelope_bounce_alloc(&bounce, &segments, size, true), size);
		for (i = 0; i < segments.count; i++)
			memset(page_address(segments.vecs[i].bv_page), 0xff,
			       segments.vecs[i].bv_len);
		envelope_bounce_wipe(&segments);
		expect_cleared(test, &segments);
		envelope_bounce_free(&bounce, &segments);
	}
	envelope_bounce_exit(&bounce);
	free_percpu(stats);
}

/* The suites of a module run before it is initialized */
static int suite_init(struct kunit_suite *suite)
{
	return envelope_bounce_module_init();
}

static void suite_exit(struct kunit_suite *suite)
{
	envelope_bounce_module_exit();
}

static struct kunit_case bounce_kunit_cases[] = {
	KUNIT_CASE(reserve_refilled),
	KUNIT_CASE(wiped),
	{}
};

static struct kunit_suite bounce_suite = {
	.name = "envelope_bounce",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.test_cases = bounce_kunit_cases,
};

kunit_test_suite(bounce_suite);
