/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BIOBENCH_H
#define BIOBENCH_H

#include <linux/types.h>

#define BIOBENCH_SECTOR	4096	/* bytes that the bare cipher converts with one IV */

/**
 * struct biobench_cell - one measurement
 * @device: path of a block device, or "cipher"
 * @write:  or read: encrypt, or decrypt
 * @size:   bytes of one request
 * @depth:  requests under way at a time, for each of @jobs
 * @jobs:   threads, each on a CPU of its own
 * @count:  requests of each of @jobs
 */
struct biobench_cell {
	char device[128];
	bool write;
	unsigned int size;
	unsigned int depth;
	unsigned int jobs;
	unsigned int count;
};

/**
 * struct biobench_late - how long CPUs let others wait
 * @irq_ns:  an interrupt, because interrupts were off
 * @task_ns: a thread of real-time priority, because those or preemption were off
 */
struct biobench_late {
	u64 irq_ns;
	u64 task_ns;
};

int biobench_cipher(const struct biobench_cell *cell, u64 *ns);
int biobench_late_start(u32 period);
void biobench_late_stop(struct biobench_late *longest);

#endif
