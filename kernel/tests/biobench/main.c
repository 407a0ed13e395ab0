// SPDX-License-Identifier: GPL-2.0-only
/*
 * A generator of bios that measures: requests of one size, so many at a time, on a block
 * device, from the kernel itself. What it writes is whatever is in its pages.
 *
 *	echo "DEVICE read|write SIZE DEPTH JOBS COUNT" >/sys/module/biobench/parameters/run
 *	cat /sys/module/biobench/parameters/run		# nanoseconds for each request
 *
 * And how long it lets others wait, looked at every so many nanoseconds:
 *
 *	echo 20000 >/sys/module/biobench/parameters/late	# before; 0: no more
 *	cat /sys/module/biobench/parameters/late	# after: interrupts, threads
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "biobench.h"

#define JOBS_MAX	16
#define DEPTH_MAX	128
#define SIZE_MAX_BYTES	SZ_1M
#define AREA		(64ULL << 20)	/* what is written and read of a device */

/* One of the requests that a job has under way */
struct slot {
	struct bio bio;
	struct bio_vec vecs[SIZE_MAX_BYTES >> PAGE_SHIFT];
	struct page *pages;
	struct completion done;
	bool failed;
};

struct job {
	const struct biobench_cell *cell;
	struct block_device *bdev;
	struct slot **slots;
	u32 random;
	int error;
	struct completion *go;		/* of a thread */
	struct completion finished;	/* the same */
};

static void slot_end_io(struct bio *bio)
{
	struct slot *slot = container_of(bio, struct slot, bio);

	if (bio->bi_status)
		slot->failed = true;
	complete(&slot->done);
}

static void submit(struct job *job, struct slot *slot)
{
	const struct biobench_cell *cell = job->cell;
	unsigned int at;

	bio_init(&slot->bio, job->bdev, slot->vecs, ARRAY_SIZE(slot->vecs),
		 cell->write ? REQ_OP_WRITE | REQ_SYNC | REQ_IDLE : REQ_OP_READ);
	for (at = 0; at < cell->size; at += PAGE_SIZE)
		__bio_add_page(&slot->bio, slot->pages + (at >> PAGE_SHIFT), PAGE_SIZE, 0);
	job->random = job->random * 1664525 + 1013904223;
	slot->bio.bi_iter.bi_sector =
		(sector_t)(job->random % (u32)(AREA / cell->size)) * (cell->size >> SECTOR_SHIFT);
	slot->bio.bi_end_io = slot_end_io;
	reinit_completion(&slot->done);
	submit_bio(&slot->bio);
}

static void run_job(struct job *job)
{
	const struct biobench_cell *cell = job->cell;
	unsigned int i;

	for (i = 0; i < cell->count + cell->depth; i++) {
		struct slot *slot = job->slots[i % cell->depth];

		if (i >= cell->depth) {
			wait_for_completion(&slot->done);
			if (slot->failed)
				job->error = -EIO;
			bio_uninit(&slot->bio);
		}
		if (i < cell->count)
			submit(job, slot);
	}
}

static int run_thread(void *data)
{
	struct job *job = data;

	wait_for_completion(job->go);
	run_job(job);
	complete(&job->finished);
	return 0;
}

static void free_slots(struct job *job)
{
	unsigned int i;

	for (i = 0; job->slots && i < job->cell->depth; i++) {
		if (job->slots[i] && job->slots[i]->pages)
			__free_pages(job->slots[i]->pages, get_order(job->cell->size));
		kvfree(job->slots[i]);
	}
	kfree(job->slots);
}

static int alloc_slots(struct job *job)
{
	unsigned int i;

	job->slots = kcalloc(job->cell->depth, sizeof(*job->slots), GFP_KERNEL);
	for (i = 0; job->slots && i < job->cell->depth; i++) {
		struct slot *slot = kvzalloc(sizeof(*slot), GFP_KERNEL);

		job->slots[i] = slot;
		if (!slot)
			return -ENOMEM;
		slot->pages = alloc_pages(GFP_KERNEL | __GFP_ZERO, get_order(job->cell->size));
		if (!slot->pages)
			return -ENOMEM;
		init_completion(&slot->done);
	}
	return job->slots ? 0 : -ENOMEM;
}

static int start_job(struct job *job, unsigned int n)
{
	struct task_struct *task;
	unsigned int cpu, i = 0;

	task = kthread_create(run_thread, job, "biobench/%u", n);
	if (IS_ERR(task))
		return PTR_ERR(task);
	for_each_online_cpu(cpu)
		if (i++ == n % num_online_cpus())
			kthread_bind(task, cpu);
	wake_up_process(task);
	return 0;
}

/*
 * The first job is the caller's own: a process, as who submits a request mostly is. Of
 * several each has its CPU, so that no two are on one until the scheduler sees it.
 */
static int run_jobs(const struct biobench_cell *cell, struct job *jobs, u64 *ns)
{
	struct completion go;
	unsigned int i, started;
	u64 begin;
	int r = 0;

	init_completion(&go);
	for (i = 0; !r && i < cell->jobs; i++) {
		jobs[i].go = &go;
		init_completion(&jobs[i].finished);
		r = alloc_slots(&jobs[i]);
	}
	for (started = 1; !r && started < cell->jobs; started++)
		r = start_job(&jobs[started], started);
	if (r && started > 1)
		started--;	/* the last one did not start */
	if (cell->jobs > 1)
		set_cpus_allowed_ptr(current, cpumask_of(cpumask_first(cpu_online_mask)));
	begin = ktime_get_ns();
	complete_all(&go);
	if (!r)
		run_job(&jobs[0]);
	r = r ?: jobs[0].error;
	for (i = 1; i < started; i++) {
		wait_for_completion(&jobs[i].finished);
		r = r ?: jobs[i].error;
	}
	*ns = ktime_get_ns() - begin;
	if (cell->jobs > 1)
		set_cpus_allowed_ptr(current, cpu_possible_mask);
	for (i = 0; i < cell->jobs; i++)
		free_slots(&jobs[i]);
	return r;
}

static int run_bios(const struct biobench_cell *cell, u64 *ns)
{
	struct job *jobs = kcalloc(cell->jobs, sizeof(*jobs), GFP_KERNEL);
	struct file *file;
	unsigned int i;
	int r;

	if (!jobs)
		return -ENOMEM;
	file = filp_open(cell->device, (cell->write ? O_RDWR : O_RDONLY) | O_LARGEFILE, 0);
	r = PTR_ERR_OR_ZERO(file);
	if (!r && !S_ISBLK(file_inode(file)->i_mode))
		r = -ENOTBLK;
	for (i = 0; !r && i < cell->jobs; i++) {
		jobs[i].cell = cell;
		jobs[i].random = i + 1;
		jobs[i].bdev = I_BDEV(file->f_mapping->host);
		if (bdev_nr_bytes(jobs[i].bdev) < AREA)
			r = -ENOSPC;
	}
	if (!r)
		r = run_jobs(cell, jobs, ns);
	if (!IS_ERR(file))
		fput(file);
	kfree(jobs);
	return r;
}

static u64 result;
static struct biobench_late longest;
static unsigned int period;

static int run_bios_and_look(const struct biobench_cell *cell, u64 *ns)
{
	int r = biobench_late_start(period);

	if (!r) {
		r = run_bios(cell, ns);
		biobench_late_stop(&longest);
	}
	return r;
}

static int run_cell(const struct biobench_cell *cell, u64 *ns)
{
	if (!strcmp(cell->device, "cipher"))
		return biobench_cipher(cell, ns);
	return period ? run_bios_and_look(cell, ns) : run_bios(cell, ns);
}

static int run_set(const char *text, const struct kernel_param *param)
{
	struct biobench_cell cell = {};
	char op[8];
	u64 ns;
	int r;

	if (sscanf(text, "%127s %7s %u %u %u %u", cell.device, op, &cell.size, &cell.depth,
		   &cell.jobs, &cell.count) != 6)
		return -EINVAL;
	cell.write = !strcmp(op, "write");
	if (!cell.write && strcmp(op, "read"))
		return -EINVAL;
	if (!cell.size || cell.size > SIZE_MAX_BYTES || cell.size % BIOBENCH_SECTOR ||
	    !cell.depth || cell.depth > DEPTH_MAX || !cell.jobs || cell.jobs > JOBS_MAX ||
	    !cell.count)
		return -EINVAL;
	r = run_cell(&cell, &ns);
	if (!r)
		result = div_u64(ns, cell.count * (strcmp(cell.device, "cipher") ? cell.jobs : 1));
	return r;
}

static int run_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%llu\n", result);
}

static const struct kernel_param_ops run_ops = {
	.set = run_set,
	.get = run_get,
};

module_param_cb(run, &run_ops, NULL, 0600);
MODULE_PARM_DESC(run, "measure: DEVICE read|write SIZE DEPTH JOBS COUNT; then reads as ns");

static int late_set(const char *text, const struct kernel_param *param)
{
	return kstrtouint(text, 0, &period);
}

static int late_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%llu %llu\n", longest.irq_ns, longest.task_ns);
}

static const struct kernel_param_ops late_ops = {
	.set = late_set,
	.get = late_get,
};

module_param_cb(late, &late_ops, NULL, 0600);
MODULE_PARM_DESC(late, "look every so many ns how long others wait; then reads as ns");

MODULE_DESCRIPTION("generator of bios that measures, for benchmarks");
MODULE_LICENSE("GPL");
