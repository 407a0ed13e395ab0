// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a CPU lets others wait while it measures: each has a timer that should come at
 * random times. It comes late by as long as interrupts are off. It wakes a thread of
 * real-time priority, which comes late by as long as preemption is off.
 */
#include <linux/cpu.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/sched.h>

#include "../../compat/hrtimer.h"
#include "biobench.h"

/**
 * struct late - what one CPU has seen
 * @timer:    when it should come, or did
 * @period:   mean time between two timers, in nanoseconds
 * @task:     that it wakes; NULL while nobody measures
 * @due:      when @task should have run, 0 where it has nothing to do
 * @irq_ns:   the longest that the timer was late by
 * @task_ns:  the longest that @task was late by
 */
struct late {
	struct hrtimer timer;
	u32 period;
	struct task_struct *task;
	u64 due;
	u64 irq_ns;
	u64 task_ns;
};

static DEFINE_PER_CPU(struct late, late);

static enum hrtimer_restart timer_comes(struct hrtimer *timer)
{
	struct late *mine = container_of(timer, struct late, timer);
	u64 due = ktime_to_ns(hrtimer_get_expires(timer)), now = ktime_get_ns();

	mine->irq_ns = max(mine->irq_ns, now - due);
	if (!READ_ONCE(mine->due)) {
		WRITE_ONCE(mine->due, due);
		wake_up_process(mine->task);
	}
	/* never in step with what it looks at */
	hrtimer_set_expires(timer, ns_to_ktime(now + mine->period / 2 +
					       get_random_u32() % mine->period));
	return HRTIMER_RESTART;
}

static int run_task(void *data)
{
	struct late *mine = data;

	sched_set_fifo(current);
	hrtimer_start(&mine->timer, ns_to_ktime(mine->period), HRTIMER_MODE_REL_PINNED_HARD);
	for (;;) {
		u64 due;

		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		due = READ_ONCE(mine->due);
		if (!due) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		mine->task_ns = max(mine->task_ns, ktime_get_ns() - due);
		WRITE_ONCE(mine->due, 0);
	}
	__set_current_state(TASK_RUNNING);
	hrtimer_cancel(&mine->timer);
	return 0;
}

static int start_on(int cpu, u32 period)
{
	struct late *its = per_cpu_ptr(&late, cpu);
	struct task_struct *task = kthread_create_on_cpu(run_task, its, cpu, "biobench-late/%u");

	if (IS_ERR(task))
		return PTR_ERR(task);
	*its = (struct late){ .period = period, .task = task };
	envelope_hrtimer_setup(&its->timer, timer_comes, CLOCK_MONOTONIC,
			       HRTIMER_MODE_REL_PINNED_HARD);
	wake_up_process(task);
	return 0;
}

/**
 * biobench_late_stop() - stop to look
 * @longest: the longest waits since biobench_late_start(), of all CPUs
 *
 * Context: may sleep; CPUs stay online since biobench_late_start().
 */
void biobench_late_stop(struct biobench_late *longest)
{
	int cpu;

	*longest = (struct biobench_late){};
	for_each_online_cpu(cpu) {
		struct late *its = per_cpu_ptr(&late, cpu);

		if (!its->task)
			continue;
		kthread_stop(its->task);
		its->task = NULL;
		longest->irq_ns = max(longest->irq_ns, its->irq_ns);
		longest->task_ns = max(longest->task_ns, its->task_ns);
	}
	cpus_read_unlock();
}

/**
 * biobench_late_start() - look how long CPUs let others wait
 * @period: mean time between two looks, in nanoseconds
 *
 * Context: may sleep. Return: 0, and biobench_late_stop() is due; or -errno.
 */
int biobench_late_start(u32 period)
{
	struct biobench_late unused;
	int cpu, r = 0;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		r = start_on(cpu, period);
		if (r)
			break;
	}
	if (r)
		biobench_late_stop(&unused);
	return r;
}
