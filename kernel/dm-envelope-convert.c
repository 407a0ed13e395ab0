// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sectors of a bio, one after another.
 *
 * A sector is converted from where it lies to where it goes: a read in place, a write
 * into its bounce pages. One that lies scattered over segments is put together first.
 *
 * A long bio is shared: whoever has it asks others to help, and each takes the next
 * piece of it that nobody has. Helpers that have not begun when there is no piece left
 * are called off, so that no bio waits for a busy CPU.
 */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "dm-envelope.h"

/* bytes converted between two offers to schedule, and of a shared bio by one CPU at a time */
#define ENVELOPE_PIECE		SZ_16K
/* bytes for each, its owner and those who help: worth the time it takes to wake one */
#define ENVELOPE_HELPING	SZ_64K
/* CPUs that help with one bio, at most */
#define ENVELOPE_HELPERS	3U

/**
 * struct envelope_helper - another CPU's share in a bio
 * @work:  for the workqueue
 * @taker: the CPU
 * @part:  the piece it has
 */
struct envelope_helper {
	struct work_struct work;
	int taker;
	struct envelope_part part;
};

/**
 * struct envelope_share - a bio that several CPUs convert
 * @lock:    guards the three below
 * @src:     what nobody has yet
 * @dst:     where it goes
 * @sector:  its number
 * @users:   who may still be at it
 * @error:   of any of them
 * @count:   of helpers
 * @size:    bytes of one of them
 * @helpers: struct envelope_helper, of @size bytes each
 */
struct envelope_share {
	spinlock_t lock;	/* see above */
	struct bvec_iter src;
	struct bvec_iter dst;
	u64 sector;
	atomic_t users;
	int error;
	unsigned int count;
	size_t size;
	u8 helpers[] __aligned(CRYPTO_MINALIGN);
};

static struct envelope_xts_request *request_of(struct envelope_part *part)
{
	return (struct envelope_xts_request *)part->request;
}

/* From or to segments, at an iterator that is not moved, across as many as it takes */
static void copy_sector(struct bio_vec *vecs, struct bvec_iter iter, struct bio_vec *flat,
			unsigned int size, bool to_vecs)
{
	char *p = bvec_kmap_local(flat);
	char *at = p;

	while (size) {
		struct bio_vec bv = bvec_iter_bvec(vecs, iter);

		bv.bv_len = min(bv.bv_len, size);
		if (to_vecs)
			memcpy_to_bvec(&bv, at);
		else
			memcpy_from_bvec(at, &bv);
		at += bv.bv_len;
		size -= bv.bv_len;
		bvec_iter_advance_single(vecs, &iter, bv.bv_len);
	}
	kunmap_local(p);
}

/* The next sector of a write: where it lies scattered, put together where it goes */
static int start_write(struct envelope_part *part, const struct bio_vec *src)
{
	struct envelope_io *io = part->io;
	const struct envelope_table *table = &io->env->table;
	struct bio_vec dst = mp_bvec_iter_bvec(io->dst, part->dst);

	if (unlikely(src->bv_len < table->sector_size)) {
		struct bio_vec flat = bvec_iter_bvec(io->dst, part->dst);

		copy_sector(io->src, part->src, &flat, table->sector_size, false);
		src = &dst;
	}
	return envelope_xts_crypt(io->generation->xts, request_of(part), true,
				  envelope_iv(table, part->sector), src, &dst, table->sector_size);
}

/* The next sector of a read: in place, or by way of a page where it lies scattered */
static int start_read(struct envelope_part *part, const struct bio_vec *src, bool may_sleep)
{
	struct envelope_io *io = part->io;
	const struct envelope_table *table = &io->env->table;
	struct bio_vec flat;

	if (unlikely(src->bv_len < table->sector_size)) {
		if (!may_sleep)
			return ENVELOPE_NEEDS_SLEEP;
		part->scratch = mempool_alloc(&io->env->scratch, GFP_NOIO);
		bvec_set_page(&flat, part->scratch, table->sector_size, 0);
		copy_sector(io->src, part->src, &flat, table->sector_size, false);
		src = &flat;
	}
	return envelope_xts_crypt(io->generation->xts, request_of(part), false,
				  envelope_iv(table, part->sector), src, src, table->sector_size);
}

/* The scratch page back into the bio, and cleared: it held plaintext */
static void finish_scratch(struct envelope_part *part, bool good)
{
	struct envelope_io *io = part->io;
	struct bio_vec flat;

	bvec_set_page(&flat, part->scratch, io->env->table.sector_size, 0);
	if (good)
		copy_sector(io->src, part->src, &flat, flat.bv_len, true);
	clear_highpage(part->scratch);
	mempool_free(part->scratch, &io->env->scratch);
	part->scratch = NULL;
}

static int finish_sector(struct envelope_part *part, int result)
{
	struct envelope_io *io = part->io;
	unsigned int size = io->env->table.sector_size;

	if (unlikely(part->scratch))
		finish_scratch(part, !result);
	if (unlikely(result))
		return result;
	bvec_iter_advance(io->src, &part->src, size);
	if (io->dst != io->src)
		bvec_iter_advance(io->dst, &part->dst, size);
	part->sector += size >> SECTOR_SHIFT;
	return 0;
}

static int start_sector(struct envelope_part *part, bool may_sleep)
{
	struct envelope_io *io = part->io;
	struct bio_vec src = mp_bvec_iter_bvec(io->src, part->src);

	return io->dst != io->src ? start_write(part, &src) : start_read(part, &src, may_sleep);
}

/*
 * Convert what is left of a part. Return: 0 at the end, -EINPROGRESS when the cipher
 * will call back (@part may be gone by then), ENVELOPE_NEEDS_SLEEP, or -errno.
 */
static int convert_part(struct envelope_part *part, bool may_sleep)
{
	int r = part->result;

	while (likely(!r) && part->src.bi_size) {
		r = start_sector(part, may_sleep);
		if (unlikely(r == -EINPROGRESS || r == ENVELOPE_NEEDS_SLEEP))
			return r;
		r = finish_sector(part, r);
		if (may_sleep && !(part->src.bi_size & (ENVELOPE_PIECE - 1)))
			cond_resched();
	}
	return r;
}

/* The next piece of a shared bio, for whoever asks first */
static bool claim(struct envelope_share *share, struct envelope_part *part)
{
	struct envelope_io *io = part->io;
	unsigned int size;

	spin_lock(&share->lock);
	size = min_t(unsigned int, share->src.bi_size, ENVELOPE_PIECE);
	part->src = share->src;
	part->src.bi_size = size;
	part->dst = share->dst;
	part->sector = share->sector;
	bvec_iter_advance(io->src, &share->src, size);
	if (io->dst != io->src)
		bvec_iter_advance(io->dst, &share->dst, size);
	share->sector += size >> SECTOR_SHIFT;
	spin_unlock(&share->lock);
	if (size && part != &io->part)
		this_cpu_inc(io->env->stats->helped);
	return size;
}

/*
 * Go on with a piece of a shared bio, and take others until there are none.
 * Return: ENVELOPE_NEEDS_SLEEP, or 0 at the end, also at that of a bio that failed.
 */
static int convert_pieces(struct envelope_share *share, struct envelope_part *part,
			  bool may_sleep)
{
	int r;

	do {
		r = convert_part(part, may_sleep);
		if (unlikely(r == ENVELOPE_NEEDS_SLEEP))
			return r;
		if (unlikely(r))
			WRITE_ONCE(share->error, r);
	} while (!READ_ONCE(share->error) && claim(share, part));
	return 0;
}

static struct envelope_helper *helper_of(struct envelope_share *share, unsigned int i)
{
	return (struct envelope_helper *)(share->helpers + i * share->size);
}

/* Whoever is the last at a shared bio, @count others gone with it, ends the sharing. */
static bool is_last(struct envelope_io *io, unsigned int count, int *error)
{
	struct envelope_share *share = io->share;

	if (!atomic_sub_and_test(count, &share->users))
		return false;
	*error = share->error;
	kfree(share);
	return true;
}

static void put_key(struct envelope_io *io)
{
	envelope_generation_put(io->generation);
	io->generation = NULL;
}

static void help(struct work_struct *work)
{
	struct envelope_helper *helper = container_of(work, struct envelope_helper, work);
	struct envelope_io *io = helper->part.io;
	int error;

	convert_pieces(io->share, &helper->part, true);
	/* before who waits for the bio has the next */
	envelope_spread_done(io->env, helper->taker);
	if (is_last(io, 1, &error)) {
		put_key(io);
		envelope_io_converted(io, error);
	}
}

/*
 * The sector is finished here, and not in the workqueue: there another read may wait for the page
 * in which this one was put together. Nor does the bio keep its key until its turn comes there,
 * behind others that may wait for the disk.
 */
static void cipher_done(void *data, int error)
{
	struct envelope_part *part = data;
	struct envelope_io *io = part->io;

	part->result = finish_sector(part, error);
	put_key(io);
	INIT_WORK(&io->work, envelope_io_proceed);
	queue_work(io->env->workqueue, &io->work);
}

static void init_part(struct envelope_part *part, struct envelope_io *io)
{
	part->io = io;
	part->scratch = NULL;
	part->result = 0;
}

/* Return: how many others help: none, where the bio is short or the cipher works elsewhere. */
static unsigned int find_helpers(const struct envelope_io *io, int *cpus)
{
	unsigned int worth = io->part.src.bi_size / ENVELOPE_HELPING;

	if (likely(worth < 2) || in_interrupt() || !envelope_xts_is_synchronous(io->env->xts))
		return 0;
	return envelope_spread_ask(io->env, cpus, min(worth - 1, ENVELOPE_HELPERS));
}

static void init_helper(struct envelope_helper *helper, struct envelope_io *io, int cpu)
{
	INIT_WORK(&helper->work, help);
	helper->taker = cpu;
	init_part(&helper->part, io);
	helper->part.src.bi_size = 0;
}

static struct envelope_share *alloc_share(struct envelope_io *io, const int *cpus,
					  unsigned int count)
{
	size_t size = ALIGN(offsetof(struct envelope_helper, part) +
			    envelope_convert_size(io->env) - offsetof(struct envelope_io, part),
			    CRYPTO_MINALIGN);
	struct envelope_share *share = kmalloc(sizeof(*share) + count * size,
					       GFP_NOWAIT | __GFP_NORETRY | __GFP_NOWARN);
	unsigned int i;

	if (!share)
		return NULL;
	spin_lock_init(&share->lock);
	share->src = io->part.src;
	share->dst = io->part.dst;
	share->sector = io->part.sector;
	atomic_set(&share->users, count + 1);
	share->error = 0;
	share->count = count;
	share->size = size;
	for (i = 0; i < count; i++)
		init_helper(helper_of(share, i), io, cpus[i]);
	io->part.src.bi_size = 0;	/* its owner claims pieces as others do */
	return share;
}

static void start_sharing(struct envelope_io *io, const int *cpus, unsigned int count)
{
	struct envelope_share *share = alloc_share(io, cpus, count);
	unsigned int i;

	io->share = share;
	for (i = 0; i < count; i++) {
		if (share)
			queue_work_on(cpus[i], io->env->workqueue, &helper_of(share, i)->work);
		else
			envelope_spread_done(io->env, cpus[i]);
	}
}

static int convert_shared(struct envelope_io *io, bool may_sleep)
{
	struct envelope_share *share = io->share;
	unsigned int i, called_off = 0;
	int r, error;

	r = convert_pieces(share, &io->part, may_sleep);
	if (unlikely(r))
		return r;
	for (i = 0; i < share->count; i++) {
		struct envelope_helper *helper = helper_of(share, i);

		if (cancel_work(&helper->work)) {
			called_off++;
			envelope_spread_done(io->env, helper->taker);
		}
	}
	return is_last(io, called_off + 1, &error) ? error : -EINPROGRESS;
}

/**
 * envelope_convert_size() - bytes of a struct envelope_io
 * @env: its cipher has been found
 */
size_t envelope_convert_size(const struct envelope *env)
{
	size_t size = offsetof(struct envelope_io, part.request) + env->xts->request_size;

	/* device-mapper lays it before the bio, ending there */
	return ALIGN(size, CRYPTO_MINALIGN);
}

/**
 * envelope_convert_init() - lay out what is to be done with a bio
 * @io:  for envelope_convert(); @io->src and @io->dst are its own until changed
 * @env: the target
 * @bio: at its place within the target
 */
void envelope_convert_init(struct envelope_io *io, struct envelope *env, struct bio *bio)
{
	io->env = env;
	io->bio = bio;
	io->generation = NULL;
	io->share = NULL;
	io->src = bio->bi_io_vec;
	io->dst = bio->bi_io_vec;
	init_part(&io->part, io);
	io->part.src = bio->bi_iter;
	io->part.sector = dm_target_offset(env->ti, bio->bi_iter.bi_sector);
}

/* Another key than that of the part before is the same one, or it would not be the volume's. */
static bool get_key(struct envelope_io *io)
{
	io->generation = envelope_generation_get(io->env);
	if (unlikely(!io->generation))
		return false;
	if (!envelope_xts_is_synchronous(io->generation->xts))
		envelope_xts_prepare(io->generation->xts, request_of(&io->part), cipher_done,
				     &io->part);
	return true;
}

static bool is_converted(const struct envelope_io *io)
{
	return !io->generation && (io->part.result || !io->part.src.bi_size);
}

static int convert(struct envelope_io *io, bool may_sleep)
{
	int cpus[ENVELOPE_HELPERS];
	unsigned int helpers = find_helpers(io, cpus);

	if (unlikely(helpers))
		start_sharing(io, cpus, helpers);
	return unlikely(io->share) ? convert_shared(io, may_sleep) :
				     convert_part(&io->part, may_sleep);
}

/**
 * envelope_convert() - convert what is left of a bio
 * @io:        laid out
 * @may_sleep: the context does
 *
 * Context: where envelope_xts_usable() says so.
 * Return: 0 at the end; ENVELOPE_NEEDS_SLEEP; -ENOKEY without a key; another -errno; or
 * -EINPROGRESS, when @io may be gone already: then envelope_io_proceed() is queued, or
 * envelope_io_converted() called.
 */
int envelope_convert(struct envelope_io *io, bool may_sleep)
{
	int r;

	/* after the last sector that an asynchronous cipher converted, it needs none */
	if (unlikely(is_converted(io)))
		return io->part.result;
	/* where it is shared, it has its key */
	if (!io->generation && unlikely(!get_key(io)))
		return -ENOKEY;
	r = convert(io, may_sleep);
	if (likely(r != -EINPROGRESS && !(r == ENVELOPE_NEEDS_SLEEP && io->share)))
		put_key(io);
	return r;
}
