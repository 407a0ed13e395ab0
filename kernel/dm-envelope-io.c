// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bios.
 *
 * A read goes down as it is, with its completion hooked, and is decrypted in place
 * when it comes back. A write is encrypted by its submitter into a bounce bio, which
 * goes down in its stead. Work that cannot be done where a bio completes (hard
 * interrupts, long bios in soft interrupts, sectors that need a page to be put
 * together) goes to the workqueue, and so does what follows an asynchronous cipher.
 */
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "compat/crypto.h"
#include "dm-envelope.h"

/* the longest read that is decrypted in a soft interrupt, in bytes */
#define ENVELOPE_SOFTIRQ_MAX	SZ_16K
/* bytes converted between two offers to schedule */
#define ENVELOPE_RESCHED	SZ_64K
/* returned instead of an error where the work takes a context that may sleep */
#define ENVELOPE_NEEDS_SLEEP	1

/**
 * struct envelope_io - a bio under way, in device-mapper's per-bio data
 * @env:     the target
 * @bio:     device-mapper's bio
 * @bounce:  the ciphertext of a write, NULL for a read
 * @in:      what of @bio is still to be converted
 * @out:     where in @bounce it goes
 * @sector:  number of the next sector within the target, in units of 512 bytes
 * @scratch: a page with a sector of a read put together, NULL without one
 * @started: a sector is at the cipher, or has come back and is to be finished
 * @result:  of an asynchronous cipher
 * @end_io:  of a read, as device-mapper set it
 * @private: the same
 * @work:    for the workqueue
 * @request: for the cipher, of the driver's size
 */
struct envelope_io {
	struct envelope *env;
	struct bio *bio;
	struct bio *bounce;
	struct bvec_iter in;
	struct bvec_iter out;
	u64 sector;
	struct page *scratch;
	bool started;
	int result;
	bio_end_io_t *end_io;
	void *private;
	struct work_struct work;
	struct envelope_xts_request request;
};

/**
 * envelope_io_size() - bytes of per-bio data
 * @env: its cipher has been found
 */
size_t envelope_io_size(const struct envelope *env)
{
	size_t size = offsetof(struct envelope_io, request) + envelope_xts_request_size(&env->xts);

	/* device-mapper lays it before the bio, ending there */
	return ALIGN(size, ARCH_KMALLOC_MINALIGN);
}

/* From or to a bio, at an iterator that is not moved, across as many segments as it takes */
static void copy_sector(struct bio *bio, struct bvec_iter iter, struct bio_vec *flat,
			unsigned int size, bool to_bio)
{
	char *p = bvec_kmap_local(flat);
	char *at = p;

	while (size) {
		struct bio_vec bv = bio_iter_iovec(bio, iter);

		bv.bv_len = min(bv.bv_len, size);
		if (to_bio)
			memcpy_to_bvec(&bv, at);
		else
			memcpy_from_bvec(at, &bv);
		at += bv.bv_len;
		size -= bv.bv_len;
		bio_advance_iter_single(bio, &iter, bv.bv_len);
	}
	kunmap_local(p);
}

/* The next sector of a write, from wherever it lies to the bounce page */
static int start_write(struct envelope_io *io, struct bio_vec *in)
{
	const struct envelope_table *table = &io->env->table;
	struct bio_vec out = bio_iter_iovec(io->bounce, io->out);
	u64 iv = envelope_iv(table, io->sector);

	if (in->bv_len >= table->sector_size)
		return envelope_xts_crypt(&io->request, true, iv, in, &out, table->sector_size);
	copy_sector(io->bio, io->in, &out, table->sector_size, false);
	return envelope_xts_crypt(&io->request, true, iv, &out, &out, table->sector_size);
}

/* The next sector of a read: in place, or by way of a page where it lies scattered */
static int start_read(struct envelope_io *io, struct bio_vec *in, bool may_sleep)
{
	const struct envelope_table *table = &io->env->table;
	u64 iv = envelope_iv(table, io->sector);
	struct bio_vec flat;

	if (in->bv_len >= table->sector_size)
		return envelope_xts_crypt(&io->request, false, iv, in, in, table->sector_size);
	if (!may_sleep)
		return ENVELOPE_NEEDS_SLEEP;
	io->scratch = mempool_alloc(&io->env->scratch, GFP_NOIO);
	bvec_set_page(&flat, io->scratch, table->sector_size, 0);
	copy_sector(io->bio, io->in, &flat, table->sector_size, false);
	return envelope_xts_crypt(&io->request, false, iv, &flat, &flat, table->sector_size);
}

/* The scratch page back into the bio, and cleared: it held plaintext */
static void finish_scratch(struct envelope_io *io, bool good)
{
	struct bio_vec flat;

	bvec_set_page(&flat, io->scratch, io->env->table.sector_size, 0);
	if (good)
		copy_sector(io->bio, io->in, &flat, flat.bv_len, true);
	clear_highpage(io->scratch);
	mempool_free(io->scratch, &io->env->scratch);
	io->scratch = NULL;
}

static int finish_sector(struct envelope_io *io, int result)
{
	const struct envelope_table *table = &io->env->table;

	io->started = false;
	if (io->scratch)
		finish_scratch(io, !result);
	if (result)
		return result;
	bio_advance_iter(io->bio, &io->in, table->sector_size);
	if (io->bounce)
		bio_advance_iter(io->bounce, &io->out, table->sector_size);
	io->sector += table->sector_size >> SECTOR_SHIFT;
	return 0;
}

/*
 * Convert what is left of a bio. Return: 0 at the end, -EINPROGRESS when the cipher
 * will call back (@io may be gone by then), ENVELOPE_NEEDS_SLEEP, or -errno.
 */
static int convert(struct envelope_io *io, bool may_sleep)
{
	int r = 0;

	if (io->started)
		r = finish_sector(io, io->result);
	while (!r && io->in.bi_size) {
		struct bio_vec in = mp_bvec_iter_bvec(io->bio->bi_io_vec, io->in);

		io->started = true;
		r = io->bounce ? start_write(io, &in) : start_read(io, &in, may_sleep);
		if (r == -EINPROGRESS)
			return r;
		if (r == ENVELOPE_NEEDS_SLEEP) {
			io->started = false;
			return r;
		}
		r = finish_sector(io, r);
		if (may_sleep && !(io->in.bi_size & (ENVELOPE_RESCHED - 1)))
			cond_resched();
	}
	return r;
}

static void count_error(struct envelope *env, blk_status_t status)
{
	if (unlikely(status))
		this_cpu_inc(env->stats->errors);
}

static void finish_read(struct envelope_io *io, blk_status_t status)
{
	count_error(io->env, status);
	io->bio->bi_status = status;
	bio_endio(io->bio);
}

static void write_end_io(struct bio *bounce)
{
	struct envelope_io *io = bounce->bi_private;
	blk_status_t status = bounce->bi_status;

	envelope_bounce_free(&io->env->bounce, bounce);
	count_error(io->env, status);
	io->bio->bi_status = status;
	bio_endio(io->bio);
}

static void finish_write(struct envelope_io *io, int error)
{
	if (error) {
		envelope_bounce_wipe(io->bounce);
		io->bounce->bi_status = BLK_STS_IOERR;
		bio_endio(io->bounce);
		return;
	}
	dm_submit_bio_remap(io->bio, io->bounce);
}

static void proceed(struct envelope_io *io, bool may_sleep)
{
	int r = convert(io, may_sleep);

	if (r == -EINPROGRESS)
		return;
	if (r == ENVELOPE_NEEDS_SLEEP)
		queue_work(io->env->workqueue, &io->work);
	else if (io->bounce)
		finish_write(io, r);
	else
		finish_read(io, errno_to_blk_status(r));
}

static void work(struct work_struct *work)
{
	proceed(container_of(work, struct envelope_io, work), true);
}

/* An asynchronous cipher is done with a sector */
static void cipher_done(void *data, int error)
{
	struct envelope_io *io = data;

	if (error == -EINPROGRESS)
		return;		/* it left the driver's backlog */
	io->result = error;
	queue_work(io->env->workqueue, &io->work);
}

ENVELOPE_COMPLETION(cipher_done)

static void start_io(struct envelope_io *io, struct envelope *env, struct bio *bio)
{
	io->env = env;
	io->bio = bio;
	io->bounce = NULL;
	io->in = bio->bi_iter;
	io->sector = dm_target_offset(env->ti, bio->bi_iter.bi_sector);
	io->scratch = NULL;
	io->started = false;
	INIT_WORK(&io->work, work);
	envelope_xts_prepare(&env->xts, &io->request, envelope_completion(cipher_done), io);
}

static bool may_decrypt_here(const struct envelope_io *io)
{
	if (in_hardirq() || irqs_disabled())
		return false;
	return !in_serving_softirq() || io->in.bi_size <= ENVELOPE_SOFTIRQ_MAX;
}

static void read_end_io(struct bio *bio)
{
	struct envelope_io *io = bio->bi_private;

	bio->bi_end_io = io->end_io;
	bio->bi_private = io->private;
	if (bio->bi_status)
		finish_read(io, bio->bi_status);
	else if (may_decrypt_here(io))
		proceed(io, false);
	else
		queue_work(io->env->workqueue, &io->work);
}

static int map_read(struct envelope *env, struct bio *bio)
{
	struct envelope_io *io = dm_per_bio_data(bio, env->ti->per_io_data_size);

	start_io(io, env, bio);
	io->end_io = bio->bi_end_io;
	io->private = bio->bi_private;
	bio->bi_end_io = read_end_io;
	bio->bi_private = io;
	bio->bi_iter.bi_sector = env->table.start + io->sector;
	bio_set_dev(bio, env->dev->bdev);
	this_cpu_inc(env->stats->reads);
	return DM_MAPIO_REMAPPED;
}

static int map_write(struct envelope *env, struct bio *bio)
{
	struct envelope_io *io = dm_per_bio_data(bio, env->ti->per_io_data_size);

	if (bio_sectors(bio) > ENVELOPE_BOUNCE_SECTORS)
		dm_accept_partial_bio(bio, ENVELOPE_BOUNCE_SECTORS);
	start_io(io, env, bio);
	io->bounce = envelope_bounce_alloc(&env->bounce, bio, env->dev->bdev);
	io->bounce->bi_iter.bi_sector = env->table.start + io->sector;
	io->bounce->bi_private = io;
	io->bounce->bi_end_io = write_end_io;
	io->out = io->bounce->bi_iter;
	this_cpu_inc(env->stats->writes);
	proceed(io, true);
	return DM_MAPIO_SUBMITTED;
}

/* Flushes and discards carry no data */
static int map_plain(struct envelope *env, struct bio *bio)
{
	if (bio_op(bio) == REQ_OP_DISCARD)
		this_cpu_inc(env->stats->discards);
	bio_set_dev(bio, env->dev->bdev);
	if (bio_sectors(bio))
		bio->bi_iter.bi_sector =
			env->table.start + dm_target_offset(env->ti, bio->bi_iter.bi_sector);
	return DM_MAPIO_REMAPPED;
}

static bool is_aligned(const struct envelope *env, const struct bio *bio)
{
	unsigned int sectors = env->table.sector_size >> SECTOR_SHIFT;

	return IS_ALIGNED(dm_target_offset(env->ti, bio->bi_iter.bi_sector), sectors) &&
	       IS_ALIGNED(bio_sectors(bio), sectors);
}

/**
 * envelope_map() - device-mapper's map
 * @ti:  the target
 * @bio: a clone of device-mapper's
 *
 * Context: the submitter's; may sleep.
 * Return: DM_MAPIO_*.
 */
int envelope_map(struct dm_target *ti, struct bio *bio)
{
	struct envelope *env = ti->private;

	if (bio_op(bio) == REQ_OP_DISCARD || !bio_sectors(bio))
		return map_plain(env, bio);
	if (unlikely(env->state != ENVELOPE_ACTIVE || !is_aligned(env, bio))) {
		count_error(env, BLK_STS_IOERR);
		return DM_MAPIO_KILL;
	}
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return map_read(env, bio);
	case REQ_OP_WRITE:
		return map_write(env, bio);
	default:
		count_error(env, BLK_STS_IOERR);
		return DM_MAPIO_KILL;
	}
}
