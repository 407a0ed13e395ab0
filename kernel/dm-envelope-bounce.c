// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for the ciphertext of writes.
 *
 * Small writes take pages, larger ones blocks of ENVELOPE_BLOCK bytes, or pages where
 * there is no block to be had. What a write gives back is kept for the next one on the
 * same CPU, a few of each: they hold ciphertext, and need not be cleared, as every page
 * is that the allocator gives where the kernel is told so (init_on_alloc). The kernel
 * asks for them when memory is short.
 *
 * Forward progress: a writer first tries to get all it needs without waiting. Where that
 * fails it gives it back, takes the lock and draws on the device's reserve, as much as
 * is in it, and goes on with that part of the bio alone. Pages in use belong to bios
 * that were submitted and will come back, so that the one holder of the lock always gets
 * the rest; nobody waits while holding some.
 *
 * All devices together use at most bounce_max_kib, ENVELOPE_BOUNCE_PERCENT of memory where
 * nobody sets it, reserves and what is kept included, unless the reserves alone are more.
 * One device is given no more than it leaves: one alone half, two a third each, so that
 * there always is some for the next (dynamic thresholds: Choudhury and Hahne, IEEE/ACM
 * Transactions on Networking 6(2), 1998).
 */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>

#include "compat/shrinker.h"
#include "dm-envelope.h"

#define ENVELOPE_BOUNCE_PERCENT	2
#define ENVELOPE_BLOCK_ORDER	(16 - PAGE_SHIFT)
#define ENVELOPE_BLOCK		(PAGE_SIZE << ENVELOPE_BLOCK_ORDER)
/* kept for each CPU, at most: 256 KiB in pages, 1 MiB in blocks */
#define ENVELOPE_KEPT		64
#define ENVELOPE_KEPT_BLOCKS	16
/* of a device's pages in use, so many are counted by a CPU alone, at most */
#define ENVELOPE_BOUNCE_BATCH	32

/**
 * struct stack - pages of one order, the last one given back on top
 * @count: how many
 * @max:   how many at most
 * @order: of each
 * @pages: of these, @max
 */
struct stack {
	unsigned int count;
	unsigned int max;
	unsigned int order;
	struct page *pages[ENVELOPE_KEPT];
};

/**
 * struct kept - what a CPU keeps; changed by that CPU with interrupts off
 * @pages:  single ones
 * @blocks: larger ones
 */
struct kept {
	struct stack pages;
	struct stack blocks;
};

static DEFINE_PER_CPU(struct kept, kept) = {
	.pages = { .max = ENVELOPE_KEPT, .order = 0 },
	.blocks = { .max = ENVELOPE_KEPT_BLOCKS, .order = ENVELOPE_BLOCK_ORDER },
};

static unsigned long bounce_max_kib = ULONG_MAX;
module_param(bounce_max_kib, ulong, 0644);
MODULE_PARM_DESC(bounce_max_kib, "KiB for the ciphertext of writes, of all devices, beyond a reserve for each");

static struct percpu_counter pages_had;	/* by writes, reserves, and what is kept */
static atomic_long_t pages_used;	/* by writes, but for what their CPUs still count */
static struct shrinker *shrinker;

static int bounce_kib_get(char *buffer, const struct kernel_param *param)
{
	s64 pages = 0;

	/* the module may not be initialized yet, or not any more */
	if (percpu_counter_initialized(&pages_had))
		pages = percpu_counter_sum_positive(&pages_had);
	return sysfs_emit(buffer, "%llu\n", (u64)pages << (PAGE_SHIFT - 10));
}

static const struct kernel_param_ops bounce_kib_ops = { .get = bounce_kib_get };
module_param_cb(bounce_kib, &bounce_kib_ops, NULL, 0444);
MODULE_PARM_DESC(bounce_kib, "KiB that they have now, with what is kept for the next writes");

static struct stack *stack_of(struct kept *mine, unsigned int order)
{
	return order ? &mine->blocks : &mine->pages;
}

/* The count is read also by who sums up, on another CPU */
static void push(struct stack *stack, struct page *page)
{
	stack->pages[stack->count] = page;
	WRITE_ONCE(stack->count, stack->count + 1);
}

static struct page *pop(struct stack *stack)
{
	WRITE_ONCE(stack->count, stack->count - 1);
	return stack->pages[stack->count];
}

static struct page *take_kept(unsigned int order)
{
	struct page *page = NULL;
	struct stack *stack;
	unsigned long flags;

	local_irq_save(flags);
	stack = stack_of(this_cpu_ptr(&kept), order);
	if (stack->count)
		page = pop(stack);
	local_irq_restore(flags);
	return page;
}

static bool keep(struct page *page, unsigned int order)
{
	struct stack *stack;
	unsigned long flags;
	bool room;

	local_irq_save(flags);
	stack = stack_of(this_cpu_ptr(&kept), order);
	room = stack->count < stack->max;
	if (room)
		push(stack, page);
	local_irq_restore(flags);
	return room;
}

static void give_back(struct page *page, unsigned int order)
{
	__free_pages(page, order);
	percpu_counter_sub(&pages_had, 1 << order);
}

static s64 most_pages(void)
{
	return READ_ONCE(bounce_max_kib) >> (PAGE_SHIFT - 10);
}

/* But for ENVELOPE_BOUNCE_BATCH pages of each device and CPU */
static bool has_share(const struct envelope_bounce *bounce)
{
	return atomic_long_read(&bounce->used) + atomic_long_read(&pages_used) < most_pages();
}

/* As a percpu_counter does it, but both at once */
static void count_used(struct envelope_bounce *bounce, int pages)
{
	int mine = this_cpu_add_return(bounce->stats->bounce, pages);

	if (likely(abs(mine) < ENVELOPE_BOUNCE_BATCH))
		return;
	this_cpu_sub(bounce->stats->bounce, mine);
	atomic_long_add(mine, &bounce->used);
	atomic_long_add(mine, &pages_used);
}

static struct page *get_pages(gfp_t gfp, unsigned int order)
{
	struct page *page = take_kept(order);

	if (likely(page))
		return page;
	if ((gfp & __GFP_NORETRY) && percpu_counter_compare(&pages_had, most_pages()) >= 0)
		return NULL;
	page = alloc_pages(gfp | (order ? __GFP_COMP : 0), order);
	if (page)
		percpu_counter_add(&pages_had, 1 << order);
	return page;
}

/*
 * For the reserve: mempool_alloc() adds __GFP_NORETRY to what it asks for, and falls back
 * on what is in it; mempool_init(), which fills it, does not.
 */
static void *get_one_page(gfp_t gfp, void *bounce)
{
	return (gfp & __GFP_NORETRY) && !has_share(bounce) ? NULL : get_pages(gfp, 0);
}

static void put_one_page(void *page, void *unused)
{
	if (!keep(page, 0))
		give_back(page, 0);
}

/**
 * envelope_bounce_init() - set a device's reserve aside
 * @bounce: to be freed with envelope_bounce_exit(), also after an error
 * @stats:  where it counts
 *
 * Return: 0 or -errno.
 */
int envelope_bounce_init(struct envelope_bounce *bounce, struct envelope_stats __percpu *stats)
{
	bounce->stats = stats;
	atomic_long_set(&bounce->used, 0);
	mutex_init(&bounce->lock);
	return mempool_init(&bounce->pages, ENVELOPE_BOUNCE_FEW, get_one_page, put_one_page,
			    bounce);
}

/**
 * envelope_bounce_exit() - free the reserve
 * @bounce: may be all zeros
 */
void envelope_bounce_exit(struct envelope_bounce *bounce)
{
	mempool_exit(&bounce->pages);
	/* the rest of what was counted of it */
	atomic_long_sub(atomic_long_read(&bounce->used), &pages_used);
	mutex_destroy(&bounce->lock);
}

/**
 * envelope_bounce_used() - what writes under way have
 * @bounce: the device's
 *
 * Return: bytes.
 */
u64 envelope_bounce_used(const struct envelope_bounce *bounce)
{
	long pages = atomic_long_read(&bounce->used);
	int cpu;

	for_each_possible_cpu(cpu)
		pages += READ_ONCE(per_cpu_ptr(bounce->stats, cpu)->bounce);
	return (u64)max(pages, 0L) << PAGE_SHIFT;
}

static bool has_few(const struct envelope_segments *segments)
{
	return segments->vecs == segments->few;
}

static void add_segment(struct envelope_segments *segments, struct page *page, unsigned int size)
{
	segments->pages += 1 << compound_order(page);
	bvec_set_page(&segments->vecs[segments->count++], page, size, 0);
}

#define GFP_AT_ONCE (GFP_NOWAIT | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN)

static void init_segments(struct envelope_segments *segments)
{
	segments->vecs = segments->few;
	segments->count = 0;
	segments->pages = 0;
}

/* More segments than a few take a page of their own. */
static bool make_room(struct envelope_segments *segments, unsigned int count)
{
	struct page *page;

	init_segments(segments);
	if (likely(count <= ENVELOPE_BOUNCE_FEW))
		return true;
	page = get_pages(GFP_AT_ONCE, 0);
	if (!page)
		return false;
	segments->vecs = page_address(page);
	segments->pages = 1;
	return true;
}

/* The reserve is filled first. */
static void put_segments(struct envelope_bounce *bounce, struct envelope_segments *segments)
{
	unsigned int i;

	for (i = 0; i < segments->count; i++) {
		struct page *page = segments->vecs[i].bv_page;
		unsigned int order = compound_order(page);

		if (!order)
			mempool_free(page, &bounce->pages);
		else if (!keep(page, order))
			give_back(page, order);
	}
	if (!has_few(segments))
		mempool_free(virt_to_page(segments->vecs), &bounce->pages);
}

/* All of @size bytes or nothing, without waiting */
static bool fill_at_once(struct envelope_bounce *bounce, struct envelope_segments *segments,
			 unsigned int size, unsigned int order)
{
	bool good = make_room(segments, DIV_ROUND_UP(size, PAGE_SIZE << order));

	while (good && size) {
		unsigned int length = min_t(unsigned int, size, PAGE_SIZE << order);
		struct page *page = get_pages(GFP_AT_ONCE, order);

		good = page;
		if (page)
			add_segment(segments, page, length);
		size -= length;
	}
	if (unlikely(!good))
		put_segments(bounce, segments);
	return good;
}

/* As much of @size bytes as the reserve has */
static unsigned int fill_from_reserve(struct envelope_bounce *bounce,
				      struct envelope_segments *segments, unsigned int size)
{
	unsigned int left;

	size = min_t(unsigned int, size, ENVELOPE_BOUNCE_FEW * PAGE_SIZE);
	init_segments(segments);
	mutex_lock(&bounce->lock);
	for (left = size; left; left -= min_t(unsigned int, left, PAGE_SIZE))
		add_segment(segments, mempool_alloc(&bounce->pages, GFP_NOIO),
			    min_t(unsigned int, left, PAGE_SIZE));
	mutex_unlock(&bounce->lock);
	return size;
}

static unsigned int fill(struct envelope_bounce *bounce, struct envelope_segments *segments,
			 unsigned int size, bool may_wait)
{
	bool is_small = size <= ENVELOPE_BOUNCE_FEW * PAGE_SIZE;
	bool at_once = has_share(bounce);

	if (at_once && !is_small && fill_at_once(bounce, segments, size, ENVELOPE_BLOCK_ORDER))
		return size;
	if (likely(at_once && fill_at_once(bounce, segments, size, 0))) {
		if (!is_small)
			this_cpu_inc(bounce->stats->scattered);
		return size;
	}
	if (!may_wait)
		return 0;
	this_cpu_inc(bounce->stats->reserved);
	return fill_from_reserve(bounce, segments, size);
}

/**
 * envelope_bounce_alloc() - memory for a write, or for its beginning
 * @bounce:   the device's reserve
 * @segments: filled
 * @size:     bytes, at most ENVELOPE_BOUNCE_MAX
 * @may_wait: for the reserve, without starting I/O; then it cannot fail
 *
 * Return: bytes, a multiple of a page where they are less than @size; 0 for none.
 */
unsigned int envelope_bounce_alloc(struct envelope_bounce *bounce,
				   struct envelope_segments *segments, unsigned int size,
				   bool may_wait)
{
	size = fill(bounce, segments, size, may_wait);
	if (likely(size))
		count_used(bounce, segments->pages);
	return size;
}

/**
 * envelope_bounce_free() - give the memory of a write back
 * @bounce:   the device's reserve, which is filled first
 * @segments: hold ciphertext only, or were wiped
 */
void envelope_bounce_free(struct envelope_bounce *bounce, struct envelope_segments *segments)
{
	count_used(bounce, -segments->pages);
	put_segments(bounce, segments);
}

/**
 * envelope_bounce_wipe() - clear memory that may hold plaintext
 * @segments: of a write that was not submitted
 */
void envelope_bounce_wipe(struct envelope_segments *segments)
{
	unsigned int i, offset;

	for (i = 0; i < segments->count; i++) {
		const struct bio_vec *vec = &segments->vecs[i];

		/* a block is mapped page by page, where it has to be */
		for (offset = 0; offset < vec->bv_len; offset += PAGE_SIZE)
			clear_highpage(vec->bv_page + (offset >> PAGE_SHIFT));
	}
}

static void empty_stack(struct stack *stack)
{
	while (stack->count)
		give_back(pop(stack), stack->order);
}

/* On the CPU itself, with interrupts off */
static void empty_mine(void *unused)
{
	struct kept *mine = this_cpu_ptr(&kept);

	empty_stack(&mine->pages);
	empty_stack(&mine->blocks);
}

static unsigned long count_kept(struct shrinker *self, struct shrink_control *sc)
{
	unsigned long sum = 0;
	int cpu;

	for_each_online_cpu(cpu) {
		const struct kept *its = per_cpu_ptr(&kept, cpu);

		sum += READ_ONCE(its->pages.count) +
		       (READ_ONCE(its->blocks.count) << ENVELOPE_BLOCK_ORDER);
	}
	return sum ?: SHRINK_EMPTY;
}

static unsigned long scan_kept(struct shrinker *self, struct shrink_control *sc)
{
	unsigned long before = count_kept(self, sc);

	on_each_cpu(empty_mine, NULL, 1);
	return before == SHRINK_EMPTY ? SHRINK_STOP : before;
}

/* While nobody reads it */
static void destroy_counter(void)
{
	kernel_param_lock(THIS_MODULE);
	percpu_counter_destroy(&pages_had);
	kernel_param_unlock(THIS_MODULE);
}

/**
 * envelope_bounce_module_init() - set the bound on all devices' memory
 *
 * Return: 0 or -errno.
 */
int envelope_bounce_module_init(void)
{
	unsigned long pages = totalram_pages() * ENVELOPE_BOUNCE_PERCENT / 100;
	int r;

	if (bounce_max_kib == ULONG_MAX)
		bounce_max_kib = pages << (PAGE_SHIFT - 10);
	r = percpu_counter_init(&pages_had, 0, GFP_KERNEL);
	if (r)
		return r;
	shrinker = envelope_shrinker_register("dm-envelope-bounce", count_kept, scan_kept);
	if (shrinker)
		return 0;
	destroy_counter();
	return -ENOMEM;
}

/** envelope_bounce_module_exit() - undo envelope_bounce_module_init() */
void envelope_bounce_module_exit(void)
{
	int cpu;

	envelope_shrinker_unregister(shrinker);
	for_each_possible_cpu(cpu) {
		struct kept *its = per_cpu_ptr(&kept, cpu);

		empty_stack(&its->pages);
		empty_stack(&its->blocks);
	}
	WARN_ON(percpu_counter_sum(&pages_had));
	destroy_counter();
}
