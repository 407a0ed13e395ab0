// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bios that wait for another key, with on_key_loss:queue.
 *
 * They wait in a list, with what they bring: no CPU, no lock, no memory. A write that comes
 * while there is no key is cut to what the reserve can take, so that it goes on when memory is
 * short. Nothing waits while the device is suspended or removed: then device-mapper takes
 * back what is held, or it fails.
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
 * Context: any.
 */
bool envelope_hold_wants(const struct envelope *env, const struct bio *bio)
{
	return !is_over(env) && !(bio->bi_opf & (REQ_NOWAIT | REQ_RAHEAD));
}

/**
 * envelope_hold_io() - have a bio wait for a key
 * @io: the bio; what it does next is up to envelope_io_retry()
 *
 * Context: any. Return: false where it may not wait.
 */
bool envelope_hold_io(struct envelope_io *io)
{
	struct envelope *env = io->env;

	if (!envelope_hold_wants(env, io->bio))
		return false;
	atomic_inc(&env->hold.count);
	llist_add(&io->later, &env->hold.bios);
	/* what it waits for may have come before it was in the list */
	if (is_over(env) || rcu_access_pointer(env->life.current_generation))
		envelope_hold_release(env);
	return true;
}

static void release(struct work_struct *work)
{
	struct envelope_hold *hold = container_of(work, struct envelope_hold, release);
	struct llist_node *bios = llist_reverse_order(llist_del_all(&hold->bios));
	struct envelope_io *io, *next;

	llist_for_each_entry_safe(io, next, bios, later) {
		atomic_dec(&hold->count);
		envelope_io_retry(io);
	}
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
	queue_work(env->workqueue, &env->hold.release);
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

/**
 * envelope_hold_unfenced() - there is a key again
 * @env: @env->lock is held
 */
void envelope_hold_unfenced(struct envelope *env)
{
	cancel_delayed_work_sync(&env->hold.timeout);
	WRITE_ONCE(env->hold.over, false);
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
		flush_work(&env->hold.release);
	}
}

/**
 * envelope_hold_init() - nothing is held
 * @env: to be freed with envelope_hold_exit()
 */
void envelope_hold_init(struct envelope *env)
{
	init_llist_head(&env->hold.bios);
	INIT_WORK(&env->hold.release, release);
	INIT_DELAYED_WORK(&env->hold.timeout, time_is_over);
}

/**
 * envelope_hold_exit() - undo envelope_hold_init()
 * @env: has no bios
 */
void envelope_hold_exit(struct envelope *env)
{
	cancel_delayed_work_sync(&env->hold.timeout);
	cancel_work_sync(&env->hold.release);
}
