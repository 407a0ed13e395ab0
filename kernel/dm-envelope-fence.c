// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may use a key for how long, and how it comes to its end.
 *
 * A key in a cipher is a generation. A bio has one while it is converted, and none while it
 * is at the device below: so whoever waits for all that have one waits for CPUs, never for a
 * disk. There are two, so that the next key is in its cipher before the last one is given up.
 *
 * A fence takes the key from bios at once, wherever somebody sees that the key is dead or its
 * lease at its end: a bio, a timer, a look at all devices twice a second, a message. Then a
 * worker waits for bios that have it, and wipes: the cipher, the vector registers of all CPUs,
 * the key in its keyring. Only after that is the device said to be fenced.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/key.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "compat/hrtimer.h"
#include "compat/workqueue.h"
#include "dm-envelope-trace.h"

/* how often every device is looked at, in jiffies */
#define ENVELOPE_WATCH	(HZ / 2)

/* when the machine was, in seconds of boot time; 0 for never */
static atomic64_t restored;
static LIST_HEAD(instances);
static DEFINE_MUTEX(instances_lock);
static struct workqueue_struct *fences;
static struct workqueue_struct *announcers;
static struct delayed_work watcher;

/**
 * envelope_state_name() - as it is shown
 * @state: which
 */
const char *envelope_state_name(enum envelope_state state)
{
	static const char *const names[] = {
		[ENVELOPE_ACTIVE] = "active",
		[ENVELOPE_FENCING] = "fencing",
		[ENVELOPE_FENCED] = "fenced",
	};

	return names[state];
}

/* The one place where a state changes. With the lock. */
static void enter(struct envelope_life *life, enum envelope_state state, const char *reason)
{
	WRITE_ONCE(life->state, state);
	life->reason = reason;
	life->since = ktime_get_boottime_seconds();
	trace_envelope_state(container_of(life, struct envelope, life));
}

static void is_idle(struct percpu_ref *users)
{
	complete(&container_of(users, struct envelope_generation, users)->idle);
}

/* No bio has it any more, nor will: then nothing is left of its key but the key itself */
static void retire(struct envelope *env, struct envelope_generation *generation)
{
	static const u8 nothing[ENVELOPE_KEY_MAX] = { 1 };

	percpu_ref_kill(&generation->users);
	wait_for_completion(&generation->idle);
	/* Its halves differ: XTS refuses equal ones where the kernel obeys FIPS 140. */
	WARN_ON(envelope_xts_set_key(generation->xts, nothing, env->table.key.size));
}

/* No bio gets the key any more. With the lock. Return: who asks is to have it wiped */
static bool take_away(struct envelope_life *life, const char *reason)
{
	if (life->state != ENVELOPE_ACTIVE)
		return false;
	RCU_INIT_POINTER(life->current_generation, NULL);
	enter(life, ENVELOPE_FENCING, reason);
	return true;
}

/* @its: the generation whose key is to go; another one stays. NULL for any */
static void begin_to_fence(struct envelope_life *life, const struct envelope_generation *its,
			   const char *reason)
{
	unsigned long flags;
	bool begins;

	spin_lock_irqsave(&life->lock, flags);
	begins = (!its || its == &life->generations[life->last]) && take_away(life, reason);
	spin_unlock_irqrestore(&life->lock, flags);
	if (begins)
		queue_work(fences, &life->work);
}

/**
 * struct scrub - what a CPU does so that no key is left in its vector registers
 * @work:   for the workqueue
 * @xts:    a cipher with a key that is no secret
 * @sector: for that
 */
struct scrub {
	struct work_struct work;
	struct envelope_xts *xts;
	u8 *sector;
};

static DEFINE_PER_CPU(struct scrub, scrubs);
static DEFINE_MUTEX(scrubs_lock);
static struct cpumask scrubbed;
static struct workqueue_struct *scrubbers;

/* By the code that left them there, with other keys */
static void scrub_this_cpu(struct work_struct *work)
{
	struct scrub *mine = container_of(work, struct scrub, work);

	envelope_xts_crypt_wait(mine->xts, true, 0, mine->sector, mine->sector, SECTOR_SIZE);
	envelope_xts_crypt_wait(mine->xts, false, 0, mine->sector, mine->sector, SECTOR_SIZE);
}

/*
 * CPUs may come and go meanwhile: not with cpus_read_lock(), as one that is taken away waits for
 * requests at a disk. The work of one that went is done by another.
 */
static void scrub_registers(struct envelope_xts *xts)
{
	int cpu;

	mutex_lock(&scrubs_lock);
	cpumask_copy(&scrubbed, cpu_online_mask);
	for_each_cpu(cpu, &scrubbed) {
		per_cpu(scrubs, cpu).xts = xts;
		queue_work_on(cpu, scrubbers, &per_cpu(scrubs, cpu).work);
	}
	for_each_cpu(cpu, &scrubbed)
		flush_work(&per_cpu(scrubs, cpu).work);
	mutex_unlock(&scrubs_lock);
}

static void tell(struct envelope *env, enum envelope_state is, const char *why)
{
	char state[32], reason[48];
	char *what[3] = { state, reason, NULL };

	if (!why)
		return;
	snprintf(state, sizeof(state), "ENVELOPE_STATE=%s", envelope_state_name(is));
	snprintf(reason, sizeof(reason), "ENVELOPE_REASON=%s", why);
	kobject_uevent_env(&disk_to_dev(dm_disk(dm_table_get_md(env->ti->table)))->kobj,
			   KOBJ_CHANGE, what);
	dm_table_event(env->ti->table);
}

/* The state that the device is in last */
static void tell_all(struct work_struct *work)
{
	struct envelope *env = container_of(work, struct envelope, life.announcement);
	struct envelope_life *life = &env->life;
	const char *active, *fenced;
	bool is_active;

	spin_lock_irq(&life->lock);
	active = life->untold_active;
	fenced = life->untold_fenced;
	life->untold_active = NULL;
	life->untold_fenced = NULL;
	is_active = life->state == ENVELOPE_ACTIVE;
	spin_unlock_irq(&life->lock);
	if (!is_active)
		tell(env, ENVELOPE_ACTIVE, active);
	tell(env, ENVELOPE_FENCED, fenced);
	if (is_active)
		tell(env, ENVELOPE_ACTIVE, active);
}

/*
 * Who has the device hears of it; of one that was only loaded nobody. Not here, but soon: who
 * sends an event may wait for another who does, and that for memory that only this device's I/O
 * gives back. With the lock.
 */
static void announce(struct envelope *env, const char **untold, const char *why)
{
	if (!READ_ONCE(env->live))
		return;
	*untold = why;
	queue_work(announcers, &env->life.announcement);
}

/* Every copy of the last key. With @env->lock. */
static void wipe(struct envelope *env)
{
	struct envelope_generation *last = &env->life.generations[env->life.last];

	retire(env, last);
	key_revoke(last->key);
	key_invalidate(last->key);
	key_put(last->key);
	last->key = NULL;
	scrub_registers(last->xts);
	/* the keyring frees what was in a key by such a callback */
	rcu_barrier();
}

/* With @env->lock. Without I/O: it may be this device's. */
static void finish_fencing(struct envelope *env)
{
	struct envelope_life *life = &env->life;
	unsigned int noio;

	if (READ_ONCE(life->state) != ENVELOPE_FENCING)
		return;
	noio = memalloc_noio_save();
	wipe(env);
	spin_lock_irq(&life->lock);
	enter(life, ENVELOPE_FENCED, life->reason);
	announce(env, &life->untold_fenced, life->reason);
	spin_unlock_irq(&life->lock);
	if (READ_ONCE(env->live))
		DMWARN("%s: fenced: %s", dm_table_device_name(env->ti->table), life->reason);
	envelope_hold_fenced(env);
	memalloc_noio_restore(noio);
}

static void fence(struct work_struct *work)
{
	struct envelope *env = container_of(work, struct envelope, life.work);

	mutex_lock(&env->lock);
	finish_fencing(env);
	mutex_unlock(&env->lock);
}

/**
 * envelope_fence() - take the key from a device
 * @env:    @env->lock is held
 * @reason: shown in the status; lives as long as the module
 *
 * Context: may sleep. When it returns, every copy of the key is wiped.
 */
void envelope_fence(struct envelope *env, const char *reason)
{
	begin_to_fence(&env->life, NULL, reason);
	finish_fencing(env);
}

static const char *why_dead(int error)
{
	switch (error) {
	case -EKEYEXPIRED:
		return "expired";
	case -EKEYREVOKED:
		return "revoked";
	default:
		return "invalidated";
	}
}

/**
 * envelope_generation_get() - the key, for as long as something is converted
 * @env: the target
 *
 * Context: any. Return: for envelope_generation_put(); NULL without a key.
 */
struct envelope_generation *envelope_generation_get(struct envelope *env)
{
	struct envelope_generation *generation;
	int r;

	rcu_read_lock();
	/* One that is given up has a successor, or none */
	do {
		generation = rcu_dereference(env->life.current_generation);
	} while (generation && unlikely(!percpu_ref_tryget_live_rcu(&generation->users)));
	rcu_read_unlock();
	if (unlikely(!generation))
		return NULL;
	r = key_validate(generation->key);
	if (likely(!r))
		return generation;
	begin_to_fence(&env->life, generation, why_dead(r));
	envelope_generation_put(generation);
	return NULL;
}

static enum hrtimer_restart lease_ends(struct hrtimer *timer)
{
	struct envelope_life *life = container_of(timer, struct envelope_life, lease);
	unsigned long flags;
	bool begins;

	/* under one lock: a key that is set in between has a lease of its own */
	spin_lock_irqsave(&life->lock, flags);
	begins = ktime_get_boottime() >= life->lease_end && take_away(life, "lease");
	spin_unlock_irqrestore(&life->lock, flags);
	if (begins)
		queue_work(fences, &life->work);
	return HRTIMER_NORESTART;
}

/* It may end sooner than it would have: then the timer comes sooner too. With the lock. */
static void set_lease(struct envelope *env, ktime_t end, unsigned int seconds)
{
	env->life.lease_end = end;
	hrtimer_start(&env->life.lease, end, HRTIMER_MODE_ABS);
	trace_envelope_lease(env, seconds);
}

static void begin_lease(struct envelope *env, unsigned int seconds)
{
	struct envelope_life *life = &env->life;

	if (!seconds)
		return;
	spin_lock_irq(&life->lock);
	set_lease(env, ktime_add(ktime_get_boottime(), ktime_set(seconds, 0)), seconds);
	spin_unlock_irq(&life->lock);
}

/**
 * envelope_lease_renew() - let the lease begin anew
 * @env:     @env->lock is held
 * @seconds: after which it ends, at most those of the table; 0 where that has no lease
 *
 * Return: 0; -ENOKEY where the device is fenced.
 */
int envelope_lease_renew(struct envelope *env, unsigned int seconds)
{
	if (READ_ONCE(env->life.state) != ENVELOPE_ACTIVE)
		return -ENOKEY;
	begin_lease(env, seconds);
	return 0;
}

/**
 * envelope_lease_left() - of the lease
 * @env: @env->lock is held
 *
 * Return: seconds, rounded up; 0 where it is over, or the device fenced.
 */
unsigned int envelope_lease_left(struct envelope *env)
{
	s64 left = ktime_to_ns(ktime_sub(env->life.lease_end, ktime_get_boottime()));

	if (READ_ONCE(env->life.state) != ENVELOPE_ACTIVE || left <= 0)
		return 0;
	return DIV_ROUND_UP_ULL(left, NSEC_PER_SEC);
}

/**
 * envelope_life_next() - where the next key goes
 * @env: @env->lock is held
 *
 * Return: a generation that nobody uses; its cipher is to be keyed.
 */
struct envelope_generation *envelope_life_next(struct envelope *env)
{
	return &env->life.generations[!env->life.last];
}

/* Return: false where the last key is not wiped yet */
static bool install(struct envelope *env, bool *replaces)
{
	struct envelope_life *life = &env->life;
	bool good;

	spin_lock_irq(&life->lock);
	good = life->state != ENVELOPE_FENCING;
	*replaces = life->state == ENVELOPE_ACTIVE;
	if (good) {
		life->last = !life->last;
		life->count++;
		life->lease_end = KTIME_MAX;
		rcu_assign_pointer(life->current_generation, &life->generations[life->last]);
		enter(life, ENVELOPE_ACTIVE, "none");
		if (!*replaces)
			announce(env, &life->untold_active, "none");
	}
	spin_unlock_irq(&life->lock);
	return good;
}

/**
 * envelope_life_begin() - bios use the next key
 * @env: @env->lock is held; the cipher of envelope_life_next() has the key
 * @key: a reference, which is taken over
 *
 * Context: may sleep, until no bio is converted with the key before this one.
 */
void envelope_life_begin(struct envelope *env, struct key *key)
{
	struct envelope_generation *next = envelope_life_next(env);
	struct envelope_generation *last = &env->life.generations[env->life.last];
	bool replaces;

	next->key = key;
	reinit_completion(&next->idle);
	percpu_ref_reinit(&next->users);
	while (!install(env, &replaces))
		finish_fencing(env);
	begin_lease(env, env->table.lease);
	if (replaces) {
		retire(env, last);
		key_put(last->key);
		last->key = NULL;
	}
	envelope_hold_unfenced(env);
}

static int init_generation(struct envelope_generation *generation)
{
	struct envelope_xts *xts = envelope_xts_alloc();
	int r;

	if (IS_ERR(xts))
		return PTR_ERR(xts);
	init_completion(&generation->idle);
	r = percpu_ref_init(&generation->users, is_idle,
			    PERCPU_REF_INIT_DEAD | PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
	if (r)
		envelope_xts_free(xts);
	else
		generation->xts = xts;
	return r;
}

static void exit_generation(struct envelope_generation *generation)
{
	if (!generation->xts)
		return;
	percpu_ref_exit(&generation->users);
	envelope_xts_free(generation->xts);
	key_put(generation->key);
}

/**
 * envelope_life_init() - ciphers, without a key
 * @env: to be freed with envelope_life_exit(), also after an error
 *
 * Return: 0 or -errno.
 */
int envelope_life_init(struct envelope *env)
{
	struct envelope_life *life = &env->life;
	int r;

	spin_lock_init(&life->lock);
	INIT_LIST_HEAD(&life->instance);
	INIT_WORK(&life->work, fence);
	INIT_WORK(&life->announcement, tell_all);
	envelope_hrtimer_setup(&life->lease, lease_ends, CLOCK_BOOTTIME, HRTIMER_MODE_ABS);
	enter(life, ENVELOPE_FENCED, "none");
	r = init_generation(&life->generations[0]);
	if (!r)
		r = init_generation(&life->generations[1]);
	if (r)
		return r;
	env->xts = life->generations[0].xts;
	/* a driver that came or went in between */
	if (strcmp(envelope_xts_driver(env->xts), envelope_xts_driver(life->generations[1].xts)))
		return -EAGAIN;
	mutex_lock(&instances_lock);
	if (list_empty(&instances))
		queue_delayed_work(fences, &watcher, ENVELOPE_WATCH);
	list_add(&life->instance, &instances);
	mutex_unlock(&instances_lock);
	return 0;
}

static void unwatch(struct envelope_life *life)
{
	mutex_lock(&instances_lock);
	if (!list_empty(&life->instance))
		list_del(&life->instance);
	mutex_unlock(&instances_lock);
}

/* As it would be fenced, but the key stays in its keyring: it was not what ended */
static void end(struct envelope *env)
{
	struct envelope_life *life = &env->life;

	env->live = false;
	finish_fencing(env);
	if (life->state != ENVELOPE_ACTIVE)
		return;
	RCU_INIT_POINTER(life->current_generation, NULL);
	retire(env, &life->generations[life->last]);
}

/**
 * envelope_life_exit() - undo envelope_life_init(), and wipe the key
 * @env: has no bios, and gets no messages
 */
void envelope_life_exit(struct envelope *env)
{
	struct envelope_life *life = &env->life;

	if (!life->generations[0].xts)
		return;	/* envelope_life_init() was not called, or soon at its end */
	unwatch(life);
	hrtimer_cancel(&life->lease);
	cancel_work_sync(&life->work);
	mutex_lock(&env->lock);
	end(env);
	mutex_unlock(&env->lock);
	cancel_work_sync(&life->announcement);
	exit_generation(&life->generations[0]);
	exit_generation(&life->generations[1]);
}

/**
 * envelope_life_find_key() - find a device that has a key, or copies of one that are not wiped yet
 *
 * Those of tables that were only loaded count as well. Context: may sleep.
 * Return: its number; 0 where there is none.
 */
dev_t envelope_life_find_key(void)
{
	struct envelope *env;
	dev_t dev = 0;

	mutex_lock(&instances_lock);
	list_for_each_entry(env, &instances, life.instance)
		if (READ_ONCE(env->life.state) != ENVELOPE_FENCED)
			dev = envelope_trace_dev(env);
	mutex_unlock(&instances_lock);
	return dev;
}

/* Not with @env->lock, whose holders may be held up by a hibernation, and that by instances_lock */
static void cut_lease(struct envelope *env, unsigned int seconds)
{
	struct envelope_life *life = &env->life;
	ktime_t end = ktime_add(ktime_get_boottime(), ktime_set(seconds, 0));
	bool active;

	spin_lock_irq(&life->lock);
	active = life->state == ENVELOPE_ACTIVE;
	if (active && env->table.lease && ktime_before(end, life->lease_end))
		set_lease(env, end, seconds);
	if (active)
		announce(env, &life->untold_active, "restored");
	spin_unlock_irq(&life->lock);
}

/**
 * envelope_life_restored() - this machine goes on from where it once was, or another did
 * @seconds: after which every lease ends at the latest, unless it is renewed
 *
 * Who renews them hears of it.
 *
 * Context: may sleep.
 */
void envelope_life_restored(unsigned int seconds)
{
	struct envelope *env;

	atomic64_set(&restored, ktime_get_boottime_seconds());
	mutex_lock(&instances_lock);
	list_for_each_entry(env, &instances, life.instance)
		cut_lease(env, seconds);
	mutex_unlock(&instances_lock);
}

/** envelope_life_restored_at() - when that was last, in seconds of boot time; 0 for never */
time64_t envelope_life_restored_at(void)
{
	return atomic64_read(&restored);
}

/* A key that dies is noticed, also where no bio asks for it */
static void watch(struct work_struct *work)
{
	struct envelope_generation *generation;
	struct envelope *env;

	mutex_lock(&instances_lock);
	list_for_each_entry(env, &instances, life.instance) {
		generation = envelope_generation_get(env);
		if (generation)
			envelope_generation_put(generation);
	}
	if (!list_empty(&instances))
		queue_delayed_work(fences, &watcher, ENVELOPE_WATCH);
	mutex_unlock(&instances_lock);
}

static bool init_scrubs(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct scrub *its = per_cpu_ptr(&scrubs, cpu);

		INIT_WORK(&its->work, scrub_this_cpu);
		its->sector = kzalloc(SECTOR_SIZE, GFP_KERNEL);
		if (!its->sector)
			return false;
	}
	scrubbers = alloc_workqueue("envelope-scrub",
				    WQ_MEM_RECLAIM | WQ_HIGHPRI | ENVELOPE_WQ_PERCPU, 0);
	return scrubbers;
}

static void exit_scrubs(void)
{
	int cpu;

	if (scrubbers)
		destroy_workqueue(scrubbers);
	scrubbers = NULL;
	for_each_possible_cpu(cpu) {
		kfree(per_cpu(scrubs, cpu).sector);
		per_cpu(scrubs, cpu).sector = NULL;
	}
}

/**
 * envelope_fence_module_init() - make ready for the first device
 *
 * Return: 0 or -ENOMEM.
 */
int envelope_fence_module_init(void)
{
	INIT_DELAYED_WORK(&watcher, watch);
	fences = alloc_workqueue("envelope-fence", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	/* no rescuer: nothing waits for an announcement, and that may wait for a disk */
	announcers = alloc_workqueue("envelope-announce", WQ_UNBOUND, 0);
	if (fences && announcers && init_scrubs())
		return 0;
	envelope_fence_module_exit();
	return -ENOMEM;
}

/** envelope_fence_module_exit() - undo envelope_fence_module_init() */
void envelope_fence_module_exit(void)
{
	if (fences) {
		cancel_delayed_work_sync(&watcher);
		destroy_workqueue(fences);
	}
	fences = NULL;
	if (announcers)
		destroy_workqueue(announcers);
	announcers = NULL;
	exit_scrubs();
}
