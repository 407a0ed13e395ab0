// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which CPU is given work.
 *
 * Nothing is faster for a bio that somebody waits for than to be converted where it is.
 * But of a thread that keeps many under way one CPU would do all the work while others
 * idle. Which it is shows when a bio is given away: if the next comes before that is
 * converted, there is more to do. If not, ever more go by until the next try, so that
 * few bios that somebody waits for are given away.
 *
 * A CPU that converts bios of its own is given none: the kernel does not tell a module
 * whether it idles.
 */
#include <linux/blkdev.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/llist.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "dm-envelope.h"

/* how long a bio takes to convert before it is worth to give it away, in nanoseconds */
#define ENVELOPE_SPREAD_WORTH	2000
/* what a CPU has been given and has not done, at most, so that it is at it all the time */
#define ENVELOPE_SPREAD_BIOS	3U
#define ENVELOPE_SPREAD_BYTES	SZ_64K	/* or that much, where it is more */
/* bytes that go by between two tries, at most */
#define ENVELOPE_SPREAD_SKIP	SZ_64M
/* bios that a CPU takes in one go of its work */
#define ENVELOPE_SPREAD_TAKE	64
/* CPUs that are looked at for some to give work to */
#define ENVELOPE_SPREAD_LOOK	4
/* how long a CPU has had no bio of its own before it is given others, in jiffies */
#define ENVELOPE_SPREAD_REST	1

/* when a CPU last had a bio of its own to convert, of any target, in jiffies */
static DEFINE_PER_CPU(unsigned long, own);

/**
 * struct envelope_spread - a CPU that gives and takes
 * @env:        the target
 * @given:      counts what it was given
 * @done:       counts what it has done of that
 * @bios:       struct envelope_io, given and not taken
 * @active:     @work is queued, or at them
 * @work:       takes them
 * @tried:      who it gave the bio before this one to; NULL where it converts that itself
 * @tried_done: @tried's @done by then
 * @skip:       so many bytes are to go by before a bio is given away
 * @wait:       so many did after the last one that was given away in vain
 *
 * From @tried on, an interrupt of this CPU may change what it is at.
 */
struct envelope_spread {
	struct envelope *env;
	atomic_t given;
	atomic_t done;
	struct llist_head bios;
	atomic_t active;
	struct work_struct work;
	struct envelope_spread *tried;
	int tried_done;
	unsigned int skip;
	unsigned int wait;
};

static int backlog(struct envelope_spread *its)
{
	return atomic_read(&its->given) - atomic_read(&its->done);
}

static bool is_rested(int cpu)
{
	return time_after(jiffies, READ_ONCE(per_cpu(own, cpu)) + ENVELOPE_SPREAD_REST);
}

/* The next CPU after another, in the round, that could be given work: not @here; or -1 */
static int rested_after(int cpu, int here, unsigned int *look)
{
	while ((*look)--) {
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
		if (cpu == here)
			break;
		if (is_rested(cpu))
			return cpu;
	}
	return -1;
}

/*
 * All that there are, and only then pass them on: who waits for some is then interrupted
 * once. They count as done before: the next may come at once.
 */
static unsigned int take_bios(struct envelope_spread *mine)
{
	struct llist_node *bios = llist_reverse_order(llist_del_all(&mine->bios));
	LLIST_HEAD(converted);
	struct envelope_io *io, *next;
	struct blk_plug plug;
	unsigned int n = 0;

	llist_for_each_entry_safe(io, next, bios, later) {
		int r = envelope_convert(io, true);

		if (likely(!r))
			llist_add(&io->later, &converted);
		else if (r != -EINPROGRESS)
			envelope_io_converted(io, r);
		atomic_inc(&mine->done);
		n++;
	}
	blk_start_plug(&plug);
	bios = llist_reverse_order(llist_del_all(&converted));
	llist_for_each_entry_safe(io, next, bios, later)
		envelope_io_converted(io, 0);
	blk_finish_plug(&plug);
	return n;
}

/* When the last bio is done the target waits for nothing but the workqueue, and so for this. */
static void take(struct work_struct *work)
{
	struct envelope_spread *mine = container_of(work, struct envelope_spread, work);
	unsigned int n = 0;

	do {
		n += take_bios(mine);
		if (n >= ENVELOPE_SPREAD_TAKE) {
			queue_work(mine->env->workqueue, work);
			return;
		}
		/* who gives one now sees this, or else is seen below */
		atomic_xchg(&mine->active, 0);
	} while (!llist_empty(&mine->bios) && !atomic_xchg(&mine->active, 1));
}

/* Return: bytes; more than any bio has, where the cipher works elsewhere anyway */
static unsigned int find_min(const struct envelope *env)
{
	u64 ns = envelope_xts_is_synchronous(env->xts) ? envelope_xts_time(env->xts) : 0;

	return ns ? SZ_4K * DIV_ROUND_UP_ULL(ENVELOPE_SPREAD_WORTH, ns) : UINT_MAX;
}

/**
 * envelope_spread_init() - for a target
 * @env: its cipher has been found; @env->spread is to be freed by free_percpu()
 *
 * Context: may sleep. Return: 0, or -ENOMEM.
 */
int envelope_spread_init(struct envelope *env)
{
	int cpu;

	env->spread = alloc_percpu(struct envelope_spread);
	if (!env->spread)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct envelope_spread *its = per_cpu_ptr(env->spread, cpu);

		its->env = env;
		init_llist_head(&its->bios);
		INIT_WORK(&its->work, take);
	}
	env->spread_min = find_min(env);
	return 0;
}

/**
 * envelope_spread_ask() - find CPUs that help at once
 * @env:  the target
 * @cpus: their numbers
 * @most: how many at most
 *
 * Context: any. Return: how many; envelope_spread_done() is due for each.
 */
unsigned int envelope_spread_ask(struct envelope *env, int *cpus, unsigned int most)
{
	int here = raw_smp_processor_id(), cpu = here;
	unsigned int n = 0, look = ENVELOPE_SPREAD_LOOK;

	while (n < most && (cpu = rested_after(cpu, here, &look)) >= 0) {
		struct envelope_spread *its = per_cpu_ptr(env->spread, cpu);

		if (!backlog(its)) {
			atomic_inc(&its->given);
			cpus[n++] = cpu;
		}
	}
	return n;
}

/**
 * envelope_spread_done() - what a CPU was given is done
 * @env: the target
 * @cpu: its number
 *
 * Context: any.
 */
void envelope_spread_done(struct envelope *env, int cpu)
{
	atomic_inc(&per_cpu_ptr(env->spread, cpu)->done);
}

/* Return: the CPU that has least of what it was given, or -1 where each has enough */
static int find_taker(struct envelope *env, unsigned int size)
{
	int here = raw_smp_processor_id(), cpu = here, taker = -1;
	int least = max(ENVELOPE_SPREAD_BIOS, ENVELOPE_SPREAD_BYTES / size);
	unsigned int look = ENVELOPE_SPREAD_LOOK;

	while (least && (cpu = rested_after(cpu, here, &look)) >= 0) {
		int its = backlog(per_cpu_ptr(env->spread, cpu));

		if (its < least) {
			least = its;
			taker = cpu;
		}
	}
	return taker;
}

/*
 * Whether it is time to give a bio away. Not at once after one that was given in vain, and
 * not while others come no sooner than one is done: then this CPU would have nothing to do.
 */
static bool is_time(struct envelope_spread *mine, unsigned int size)
{
	struct envelope_spread *tried = READ_ONCE(mine->tried);
	unsigned int skip, wait;

	WRITE_ONCE(mine->tried, NULL);
	if (tried && !backlog(tried)) {
		wait = min_t(unsigned int, 2 * READ_ONCE(mine->wait) + size,
			     ENVELOPE_SPREAD_SKIP);
		WRITE_ONCE(mine->wait, wait);
		WRITE_ONCE(mine->skip, wait);
	} else if (tried) {
		WRITE_ONCE(mine->wait, 0);
		return atomic_read(&tried->done) == READ_ONCE(mine->tried_done);
	}
	/* read once: an interrupt that does this too must not take it below 0 */
	skip = READ_ONCE(mine->skip);
	WRITE_ONCE(mine->skip, skip - min(skip, size));
	return !skip;
}

/* Once the bio is in the list it may be done with, and its target gone but for RCU. */
static void give(struct envelope_spread *mine, int cpu, struct envelope_io *io)
{
	struct envelope *env = io->env;
	struct envelope_spread *taker = per_cpu_ptr(env->spread, cpu);

	this_cpu_inc(env->stats->given);
	WRITE_ONCE(mine->tried_done, atomic_read(&taker->done));
	atomic_inc(&taker->given);
	WRITE_ONCE(mine->tried, taker);
	rcu_read_lock();
	llist_add(&io->later, &taker->bios);
	if (!atomic_read(&taker->active) && !atomic_xchg(&taker->active, 1))
		queue_work_on(cpu, env->workqueue, &taker->work);
	rcu_read_unlock();
}

/**
 * envelope_spread_bio() - is a bio of this CPU's own given to another?
 * @io: the bio
 *
 * Context: any. Where this CPU is lost in between, or interrupted by another bio, one more
 * is given away, or one less.
 * Return: whether it is: then it is converted there, and envelope_io_converted() called.
 */
bool envelope_spread_bio(struct envelope_io *io)
{
	struct envelope *env = io->env;
	struct envelope_spread *mine = raw_cpu_ptr(env->spread);
	unsigned int size = io->part.src.bi_size;
	int cpu;

	this_cpu_write(own, jiffies);
	if (size < env->spread_min || num_online_cpus() == 1 || !is_time(mine, size))
		return false;
	cpu = find_taker(env, size);
	if (cpu < 0)
		return false;
	give(mine, cpu, io);
	return true;
}

/** envelope_spread_module_init() - no CPU has had a bio yet */
void envelope_spread_module_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(own, cpu) = jiffies - ENVELOPE_SPREAD_REST - 1;
}
