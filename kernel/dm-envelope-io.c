// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bios.
 *
 * A read goes down as it is, and is decrypted in place when it comes back. A write is
 * encrypted by its submitter into bounce pages, with which it goes down. Where there is
 * too much of that for one CPU, others are given some: see -spread.c. Work that
 * cannot be done where a bio completes goes elsewhere: short reads from a hard interrupt
 * to a soft one; longer ones, and sectors that need a page to be put together, to the
 * workqueue; and so does what follows an asynchronous cipher.
 */
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/interrupt.h>
#include <linux/percpu.h>
#include <linux/preempt.h>

#include "dm-envelope-trace.h"

/* the longest read that is decrypted in a soft interrupt, in bytes */
#define ENVELOPE_SOFTIRQ_MAX	SZ_64K
/* of those that came back in hard interrupts, bytes in one go */
#define ENVELOPE_SOFTIRQ_MOST	SZ_256K

/**
 * struct envelope_later - reads that came back in a hard interrupt of a CPU
 * @reads:   struct envelope_io
 * @tasklet: takes them on; never freed, so that it may outlive every read
 */
struct envelope_later {
	struct llist_head reads;
	struct tasklet_struct tasklet;
};

static DEFINE_PER_CPU(struct envelope_later, later);

static void ended(struct envelope *env, struct envelope_io *io, struct bio *bio,
		  blk_status_t status)
{
	if (unlikely(status))
		this_cpu_inc(env->stats->errors);
	trace_envelope_request_done(io, env, bio, status);
}

/*
 * Down to the device below. dm_submit_bio_remap() will account the bio to a cgroup there,
 * which bio_set_dev() would do once more.
 */
static void remap(struct envelope *env, struct bio *bio)
{
	bio_clear_flag(bio, BIO_REMAPPED);
	bio_clear_flag(bio, BIO_BPS_THROTTLED);
	bio->bi_bdev = env->dev->bdev;
}

/* The bio goes down with the ciphertext in the place of its own segments. */
static void dress_write(struct envelope_io *io)
{
	struct envelope *env = io->env;
	struct bio *bio = io->bio;

	bio->bi_io_vec = io->dst;
	bio->bi_iter = (struct bvec_iter){
		.bi_sector = env->table.start +
			     dm_target_offset(env->ti, bio->bi_iter.bi_sector),
		.bi_size = bio->bi_iter.bi_size,
	};
	remap(env, bio);
}

static void undress_write(struct envelope_io *io)
{
	io->bio->bi_io_vec = io->src;
	envelope_bounce_free(&io->env->bounce, &io->segments);
}

/* Of a bio that finds no key, and does not wait for one */
static blk_status_t keyless_status(const struct envelope *env, const struct bio *bio)
{
	if (bio->bi_opf & REQ_NOWAIT)
		return BLK_STS_AGAIN;
	/* device-mapper takes it back, for the table that comes */
	return dm_noflush_suspending(env->ti) ? BLK_STS_DM_REQUEUE : BLK_STS_IOERR;
}

static blk_status_t status_of(const struct envelope_io *io, int error)
{
	return error == -ENOKEY ? keyless_status(io->env, io->bio) : errno_to_blk_status(error);
}

/**
 * envelope_io_converted() - a bio was converted, or could not be, elsewhere
 * @io:    the bio
 * @error: 0 or -errno
 *
 * Context: any that is not atomic, for a write; any for a read.
 */
void envelope_io_converted(struct envelope_io *io, int error)
{
	struct bio *bio = io->bio;

	if (unlikely(error == -ENOKEY) && envelope_hold_wants(io->env, bio)) {
		envelope_hold_io(io);
		return;
	}
	if (io->kind == ENVELOPE_IO_READ) {
		io->kind = ENVELOPE_IO_DECRYPTED;
		bio->bi_status = status_of(io, error);
		/* bio_endio() has done its part when the bio came back */
		bio->bi_end_io(bio);
	} else if (error) {
		envelope_bounce_wipe(&io->segments);
		bio->bi_status = status_of(io, error);
		bio_endio(bio);
	} else {
		dress_write(io);
		dm_submit_bio_remap(bio, NULL);
	}
}

static void convert_and_go_on(struct envelope_io *io)
{
	int r = envelope_convert(io, true);

	if (r != -EINPROGRESS)
		envelope_io_converted(io, r);
}

/**
 * envelope_io_proceed() - go on with a bio in the workqueue
 * @work: of a struct envelope_io
 */
void envelope_io_proceed(struct work_struct *work)
{
	convert_and_go_on(container_of(work, struct envelope_io, work));
}

static void proceed_in_workqueue(struct envelope_io *io)
{
	this_cpu_inc(io->env->stats->deferred);
	INIT_WORK(&io->work, envelope_io_proceed);
	queue_work(io->env->workqueue, &io->work);
}

/* Return: false where somebody calls envelope_io_converted(), or has */
static bool decrypt_here(struct envelope_io *io)
{
	int r = envelope_convert(io, false);

	if (likely(!r))
		return true;
	if (r == ENVELOPE_NEEDS_SLEEP)
		proceed_in_workqueue(io);
	else if (r != -EINPROGRESS)
		envelope_io_converted(io, r);
	return false;
}

/* Reads that came back in hard interrupts; more than a few are too many for a soft one. */
static void decrypt_later(struct tasklet_struct *tasklet)
{
	struct envelope_later *mine = container_of(tasklet, struct envelope_later, tasklet);
	struct llist_node *reads = llist_reverse_order(llist_del_all(&mine->reads));
	struct envelope_io *io, *next;
	unsigned int bytes = 0;

	llist_for_each_entry_safe(io, next, reads, later) {
		bytes += io->part.src.bi_size;
		if (bytes > ENVELOPE_SOFTIRQ_MOST || !envelope_xts_usable(io->env->xts))
			proceed_in_workqueue(io);
		else if (!envelope_spread_bio(io) && decrypt_here(io))
			envelope_io_converted(io, 0);
	}
}

static void proceed_later(struct envelope_io *io)
{
	struct envelope_later *mine = get_cpu_ptr(&later);

	if (llist_add(&io->later, &mine->reads))
		tasklet_schedule(&mine->tasklet);
	put_cpu_ptr(&later);
}

static int end_read(struct envelope_io *io)
{
	bool is_short = io->part.src.bi_size <= ENVELOPE_SOFTIRQ_MAX;

	if (unlikely(in_hardirq() || irqs_disabled())) {
		if (is_short)
			proceed_later(io);
		else
			proceed_in_workqueue(io);
		return DM_ENDIO_INCOMPLETE;
	}
	if ((in_serving_softirq() && !is_short) || !envelope_xts_usable(io->env->xts)) {
		proceed_in_workqueue(io);
		return DM_ENDIO_INCOMPLETE;
	}
	return envelope_spread_bio(io) || !decrypt_here(io) ? DM_ENDIO_INCOMPLETE : DM_ENDIO_DONE;
}

/**
 * envelope_end_io() - device-mapper's end_io
 * @ti:     the target
 * @bio:    was mapped by envelope_map()
 * @status: of the device below
 *
 * Context: any. Return: DM_ENDIO_*.
 */
int envelope_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *status)
{
	struct envelope_io *io = dm_per_bio_data(bio, ti->per_io_data_size);
	int r = DM_ENDIO_DONE;

	if (io->kind == ENVELOPE_IO_READ && likely(!*status))
		r = end_read(io);
	else if (io->kind == ENVELOPE_IO_WRITE)
		undress_write(io);
	if (r == DM_ENDIO_DONE)
		ended(ti->private, io, bio, *status);
	return r;
}

/* The rest comes as another. */
static void cut(struct envelope_io *io, struct bio *bio, unsigned int size)
{
	dm_accept_partial_bio(bio, size >> SECTOR_SHIFT);
	io->size = size;
}

static int map_read(struct envelope *env, struct bio *bio)
{
	struct envelope_io *io = dm_per_bio_data(bio, env->ti->per_io_data_size);

	envelope_convert_init(io, env, bio);
	io->kind = ENVELOPE_IO_READ;
	bio->bi_iter.bi_sector = env->table.start + io->part.sector;
	remap(env, bio);
	this_cpu_inc(env->stats->reads);
	return DM_MAPIO_REMAPPED;
}

static int map_write(struct envelope *env, struct bio *bio)
{
	struct envelope_io *io = dm_per_bio_data(bio, env->ti->per_io_data_size);
	bool may_sleep = !(bio->bi_opf & REQ_NOWAIT);
	unsigned int size;
	int r;

	size = envelope_bounce_alloc(&env->bounce, &io->segments,
				     min(bio->bi_iter.bi_size, ENVELOPE_BOUNCE_MAX), may_sleep);
	if (unlikely(!size)) {
		io->kind = ENVELOPE_IO_PLAIN;
		bio_wouldblock_error(bio);
		return DM_MAPIO_SUBMITTED;
	}
	if (unlikely(size < bio->bi_iter.bi_size))
		cut(io, bio, size);
	envelope_convert_init(io, env, bio);
	io->kind = ENVELOPE_IO_WRITE;
	io->dst = io->segments.vecs;
	io->part.dst = (struct bvec_iter){ .bi_size = size };
	this_cpu_inc(env->stats->writes);

	if (envelope_spread_bio(io))
		return DM_MAPIO_SUBMITTED;
	r = envelope_convert(io, may_sleep);
	if (unlikely(r == -EINPROGRESS))
		return DM_MAPIO_SUBMITTED;
	if (unlikely(r)) {
		envelope_io_converted(io, r);
		return DM_MAPIO_SUBMITTED;
	}
	dress_write(io);
	return DM_MAPIO_REMAPPED;
}

/* Flushes and discards carry no data */
static int map_plain(struct envelope *env, struct bio *bio)
{
	struct envelope_io *io = dm_per_bio_data(bio, env->ti->per_io_data_size);

	io->kind = ENVELOPE_IO_PLAIN;
	if (bio_op(bio) == REQ_OP_DISCARD)
		this_cpu_inc(env->stats->discards);
	remap(env, bio);
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

/*
 * A bio that comes while there is no key waits as it is. A write is cut to what the reserve
 * takes: later there is no way to cut it.
 */
static int map_keyless(struct envelope *env, struct bio *bio)
{
	struct envelope_io *io = dm_per_bio_data(bio, env->ti->per_io_data_size);
	unsigned int most = ENVELOPE_BOUNCE_FEW * PAGE_SIZE;

	envelope_convert_init(io, env, bio);
	io->kind = ENVELOPE_IO_PLAIN;
	if (!envelope_hold_wants(env, bio)) {
		bio->bi_status = keyless_status(env, bio);
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	if (bio_op(bio) == REQ_OP_WRITE && bio->bi_iter.bi_size > most)
		cut(io, bio, most);
	envelope_hold_io(io);
	return DM_MAPIO_SUBMITTED;
}

static bool is_keyless(const struct envelope *env)
{
	return !rcu_access_pointer(env->life.current_generation);
}

static int map(struct envelope *env, struct bio *bio)
{
	if (!bio_sectors(bio))
		return map_plain(env, bio);
	if (unlikely(is_keyless(env)))
		return map_keyless(env, bio);
	if (bio_op(bio) == REQ_OP_DISCARD)
		return map_plain(env, bio);
	if (unlikely(!is_aligned(env, bio)))
		return DM_MAPIO_KILL;
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return map_read(env, bio);
	case REQ_OP_WRITE:
		return map_write(env, bio);
	default:
		return DM_MAPIO_KILL;
	}
}

/**
 * envelope_map() - device-mapper's map
 * @ti:  the target
 * @bio: a clone of device-mapper's
 *
 * Context: the submitter's; may sleep, but for REQ_NOWAIT.
 * Return: DM_MAPIO_*.
 */
int envelope_map(struct dm_target *ti, struct bio *bio)
{
	struct envelope_io *io = dm_per_bio_data(bio, ti->per_io_data_size);
	struct envelope *env = ti->private;
	int r;

	io->size = bio->bi_iter.bi_size;
	io->sector = bio->bi_iter.bi_sector;
	trace_envelope_request(io, env, bio);
	r = map(env, bio);
	/* for which device-mapper calls no end_io */
	if (unlikely(r == DM_MAPIO_KILL))
		ended(env, io, bio, BLK_STS_IOERR);
	return r;
}

static void map_again(struct envelope_io *io)
{
	struct bio *bio = io->bio;

	switch (map(io->env, bio)) {
	case DM_MAPIO_REMAPPED:
		dm_submit_bio_remap(bio, NULL);
		break;
	case DM_MAPIO_KILL:
		bio_io_error(bio);
		break;
	}
}

/**
 * envelope_io_retry() - go on with a bio that was held
 * @io: the bio
 *
 * Context: a process.
 */
void envelope_io_retry(struct envelope_io *io)
{
	if (envelope_io_has_begun(io))
		convert_and_go_on(io);
	else
		map_again(io);
}

/** envelope_io_module_init() - make ready for reads that come back in hard interrupts */
void envelope_io_module_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct envelope_later *its = per_cpu_ptr(&later, cpu);

		init_llist_head(&its->reads);
		tasklet_setup(&its->tasklet, decrypt_later);
	}
}

/** envelope_io_module_exit() - undo envelope_io_module_init() */
void envelope_io_module_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		tasklet_kill(&per_cpu_ptr(&later, cpu)->tasklet);
}
