// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bios that wait for another key, with on_key_loss:queue.
 *
 * They wait in lists, with what they bring: no CPU, no lock, no memory. A write that comes
 * while there is no key is cut to what the reserve can take, so that it goes on when memory is
 * short. Nothing waits while the device is suspended or removed: then device-mapper takes
 * back what is held, or it fails.
 *
 * Forward progress: one that had begun when the key was lost has all that it needs, pages of
 * the reserve among it. One that comes as it is may wait for these when it goes on. So the
 * latter have a worker of their own, and a workqueue, whose rescuer is not the one that the
 * former need.
 */
#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/llist.h>
#include <linux/workqueue.h>

#include "dm-envelope.h"

static bool is_over(const struct envelope *env)
{
	return READ_ONCE(env->table.on_key_loss) != ENVELOPE_QUEUE ||
	       READ_ONCE(env->hold.suspending) || READ_ONCE(env->hold.over);
}

/**
 * envelope_hold_wants() - may a bio wait for a key?
 * @env: the target, fenced
 * @bio: the bio
 *
 * To be asked once for each time that it finds none: the answer may be another the next time.
 *
 * Context: any.
 */
bool envelope_hold_wants(const struct envelope *env, const struct bio *bio)
{
	return !is_over(env) && !(bio->bi_opf & (REQ_NOWAIT | REQ_RAHEAD));
}

/**
 * envelope_hold_io() - have a bio wait for a key
 * @io: the bio, of which envelope_hold_wants() said yes; what it does next is up to
 *	envelope_io_retry()
 *
 * Context: any.
 */
void envelope_hold_io(struct envelope_io *io)
{
	struct envelope *env = io->env;
	struct envelope_hold *hold = &env->hold;

	atomic_inc(&hold->count);
	/* Once the bio is in the list it may be done with, and its target gone but for RCU. */
	rcu_read_lock();
	llist_add(&io->later, envelope_io_has_begun(io) ? &hold->begun : &hold->fresh);
	/* what it waits for may have come before it was in the list */
	if (is_over(env) || rcu_access_pointer(env->life.current_generation))
		envelope_hold_release(env);
	rcu_read_unlock();
}

/* In the order in which they came */
static void retry_all(struct envelope_hold *hold, struct llist_head *bios)
{
	struct envelope_io *io, *next;

	llist_for_each_entry_safe(io, next, llist_reverse_order(llist_del_all(bios)), later) {
		atomic_dec(&hold->count);
		envelope_io_retry(io);
	}
}

static void release_begun(struct work_struct *work)
{
	struct envelope_hold *hold = container_of(work, struct envelope_hold, release_begun);

	retry_all(hold, &hold->begun);
}

static void release_fresh(struct work_struct *work)
{
	struct envelope_hold *hold = container_of(work, struct envelope_hold, release_fresh);

	retry_all(hold, &hold->fresh);
}

static void time_is_over(struct work_struct *work)
{
	struct envelope *env = container_of(to_delayed_work(work), struct envelope, hold.timeout);

	WRITE_ONCE(env->hold.over, true);
	envelope_hold_release(env);
}

/**
 * envelope_hold_release() - have all that are held look again whether they are to wait
 * @env: the target
 *
 * Context: any.
 */
void envelope_hold_release(struct envelope *env)
{
	queue_work(env->workqueue, &env->hold.release_begun);
	queue_work(env->hold.workqueue, &env->hold.release_fresh);
}

/**
 * envelope_hold_fenced() - from here on bios wait
 * @env: @env->lock is held
 */
void envelope_hold_fenced(struct envelope *env)
{
	if (env->table.queue_timeout)
		queue_delayed_work(env->workqueue, &env->hold.timeout,
				   (unsigned long)env->table.queue_timeout * HZ);
	envelope_hold_release(env);
}

static void forget_timeout(struct envelope_hold *hold)
{
	cancel_delayed_work_sync(&hold->timeout);
	WRITE_ONCE(hold->over, false);
}

/**
 * envelope_hold_unfenced() - there is a key again
 * @env: @env->lock is held
 */
void envelope_hold_unfenced(struct envelope *env)
{
	forget_timeout(&env->hold);
	envelope_hold_release(env);
}

/**
 * envelope_hold_policy() - change what becomes of bios that find no key
 * @env:    @env->lock is held
 * @policy: from here on
 *
 * A timeout is of the queue: it goes with it, or the table line would not load again.
 */
void envelope_hold_policy(struct envelope *env, enum envelope_on_key_loss policy)
{
	WRITE_ONCE(env->table.on_key_loss, policy);
	if (policy == ENVELOPE_QUEUE)
		return;
	env->table.queue_timeout = 0;
	forget_timeout(&env->hold);
	envelope_hold_release(env);
}

/**
 * envelope_hold_suspend() - none is to wait any more, or some are again
 * @env:        the target
 * @suspending: which of the two
 *
 * Context: may sleep.
 */
void envelope_hold_suspend(struct envelope *env, bool suspending)
{
	WRITE_ONCE(env->hold.suspending, suspending);
	if (suspending) {
		envelope_hold_release(env);
		flush_work(&env->hold.release_begun);
		flush_work(&env->hold.release_fresh);
	}
}

/**
 * envelope_hold_init() - nothing is held
 * @env:  to be freed with envelope_hold_exit()
 * @name: of the device
 *
 * Return: 0 or -ENOMEM.
 */
int envelope_hold_init(struct envelope *env, const char *name)
{
	struct envelope_hold *hold = &env->hold;

	init_llist_head(&hold->begun);
	init_llist_head(&hold->fresh);
	INIT_WORK(&hold->release_begun, release_begun);
	INIT_WORK(&hold->release_fresh, release_fresh);
	INIT_DELAYED_WORK(&hold->timeout, time_is_over);
	hold->workqueue = alloc_workqueue("envelope-hold/%s", WQ_MEM_RECLAIM | WQ_UNBOUND, 0,
					  name);
	return hold->workqueue ? 0 : -ENOMEM;
}

/**
 * envelope_hold_exit() - undo envelope_hold_init()
 * @env: has no bios; envelope_hold_init() may not have been called, or have failed
 */
void envelope_hold_exit(struct envelope *env)
{
	struct envelope_hold *hold = &env->hold;

	if (!hold->workqueue)
		return;
	cancel_delayed_work_sync(&hold->timeout);
	cancel_work_sync(&hold->release_begun);
	destroy_workqueue(hold->workqueue);
}
