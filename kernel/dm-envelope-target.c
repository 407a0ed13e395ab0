// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device-mapper target "envelope": constructor, messages, status, limits.
 */
#include <linux/blkdev.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "dm-envelope.h"

#define ENVELOPE_SCRATCH_PAGES	1	/* one sector at a time makes progress */

static void envelope_free(struct envelope *env)
{
	/* who gave a bio away may not have seen to the other CPU yet, though that has done it */
	synchronize_rcu_expedited();
	/* first: until then a fence may come, which has requests released */
	envelope_life_exit(env);
	envelope_hold_exit(env);
	if (env->workqueue)
		destroy_workqueue(env->workqueue);
	mempool_exit(&env->scratch);
	envelope_bounce_exit(&env->bounce);
	free_percpu(env->spread);
	free_percpu(env->stats);
	crypto_free_shash(env->hmac);
	if (env->dev)
		dm_put_device(env->ti, env->dev);
	envelope_keyspec_free(&env->table.key);
	mutex_destroy(&env->lock);
	kfree(env);
}

/* Short memory is not what is wrong with the kernel; the crypto API may say EAGAIN of it */
static int cipher_error(int r, char *what, char **error)
{
	if (r == -EAGAIN)
		r = -ENOMEM;
	*error = r == -ENOMEM ? "Out of memory" : what;
	return r;
}

static int alloc_ciphers(struct envelope *env, char **error)
{
	int r;

	r = envelope_life_init(env);
	if (r)
		return cipher_error(r, "The kernel has no xts(aes)", error);
	r = envelope_xts_check(env->xts);
	if (r)
		return cipher_error(r, "The kernel's xts(aes) is none: it fails a known answer",
				    error);
	env->hmac = crypto_alloc_shash("hmac(sha256)", 0, 0);
	if (IS_ERR(env->hmac)) {
		r = PTR_ERR(env->hmac);
		env->hmac = NULL;
		return cipher_error(r, "The kernel has no hmac(sha256)", error);
	}
	return 0;
}

static int alloc_memory(struct envelope *env, char **error)
{
	const char *name = dm_table_device_name(env->ti->table);

	*error = "Out of memory";
	env->stats = alloc_percpu(struct envelope_stats);
	if (!env->stats || envelope_spread_init(env) ||
	    envelope_bounce_init(&env->bounce, env->stats) ||
	    mempool_init_page_pool(&env->scratch, ENVELOPE_SCRATCH_PAGES, 0))
		return -ENOMEM;
	/* Unbound: a long read must not hold up the CPU that its interrupt came to. */
	env->workqueue = alloc_workqueue("envelope/%s", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND,
					 0, name);
	if (!env->workqueue || envelope_hold_init(env, name))
		return -ENOMEM;
	*error = NULL;
	return 0;
}

/* Whose credentials the devices below are opened with, see open_below() */
static struct cred *opener;

/*
 * Since 6.9 an open block device is a file, which keeps the credentials of who opened it, and
 * these the keyrings of who loads the table: with all keys that ever were in them, for as long as
 * the device is there.
 */
static int open_below(struct envelope *env)
{
	const struct cred *mine = override_creds(opener);
	int r = dm_get_device(env->ti, env->table.device, dm_table_get_mode(env->ti->table),
			      &env->dev);

	revert_creds(mine);
	env->table.device = NULL;
	return r;
}

static int open_device(struct envelope *env, char **error)
{
	struct dm_target *ti = env->ti;
	int r;

	if (ti->len & ((1 << env->table.sector_shift) - 1)) {
		*error = "The length must be a multiple of sector_size";
		return -EINVAL;
	}
	r = open_below(env);
	if (r) {
		*error = "The device below cannot be opened";
		return r;
	}
	/* zones tell where to write next, and the target would not keep the order */
	if (bdev_is_zoned(env->dev->bdev)) {
		*error = "The device below is zoned: it cannot be written in any order";
		return -EOPNOTSUPP;
	}
	return 0;
}

static void set_up_target(struct envelope *env)
{
	struct dm_target *ti = env->ti;

	ti->per_io_data_size = envelope_convert_size(env);
	ti->num_flush_bios = 1;
	ti->num_discard_bios = env->table.allow_discards ? 1 : 0;
	ti->limit_swap_bios = true;
	ti->accounts_remapped_io = true;
	ti->private = env;
}

static int envelope_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct envelope *env = kzalloc(sizeof(*env), GFP_KERNEL);
	int r;

	if (!env) {
		ti->error = "Out of memory";
		return -ENOMEM;
	}
	env->ti = ti;
	mutex_init(&env->lock);
	r = envelope_table_parse(&env->table, argc, argv, &ti->error);
	if (!r)
		r = open_device(env, &ti->error);
	if (!r)
		r = alloc_ciphers(env, &ti->error);
	if (!r)
		r = alloc_memory(env, &ti->error);
	if (!r) {
		mutex_lock(&env->lock);
		r = envelope_key_set(env, &env->table.key, &ti->error);
		mutex_unlock(&env->lock);
	}
	if (r) {
		envelope_free(env);
		return r;
	}
	set_up_target(env);
	return 0;
}

static void envelope_dtr(struct dm_target *ti)
{
	envelope_free(ti->private);
}

static struct envelope_stats sum_stats(const struct envelope *env)
{
	struct envelope_stats sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct envelope_stats *one = per_cpu_ptr(env->stats, cpu);

		sum.reads += READ_ONCE(one->reads);
		sum.writes += READ_ONCE(one->writes);
		sum.discards += READ_ONCE(one->discards);
		sum.errors += READ_ONCE(one->errors);
		sum.deferred += READ_ONCE(one->deferred);
		sum.helped += READ_ONCE(one->helped);
		sum.scattered += READ_ONCE(one->scattered);
		sum.reserved += READ_ONCE(one->reserved);
		sum.given += READ_ONCE(one->given);
	}
	return sum;
}

static void status_info(struct envelope *env, char *result, unsigned int maxlen)
{
	struct envelope_stats stats = sum_stats(env);
	unsigned int sz = 0;

	spin_lock_irq(&env->life.lock);
	DMEMIT("%s reason:%s since:%lld", envelope_state_name(env->life.state), env->life.reason,
	       env->life.since);
	spin_unlock_irq(&env->life.lock);
	if (env->table.lease)
		DMEMIT(" lease:%u/%u", env->table.lease, envelope_lease_left(env));
	else
		DMEMIT(" lease:none");
	DMEMIT(" key_generation:%u cipher:%s", env->life.count, envelope_xts_driver(env->xts));
	DMEMIT(" reads:%llu writes:%llu discards:%llu errors:%llu", stats.reads, stats.writes,
	       stats.discards, stats.errors);
	DMEMIT(" deferred:%llu helped:%llu scattered:%llu reserved:%llu given:%llu",
	       stats.deferred, stats.helped, stats.scattered, stats.reserved, stats.given);
	DMEMIT(" bounce:%llu held:%d restored:%lld", envelope_bounce_used(&env->bounce) >> 10,
	       atomic_read(&env->hold.count), envelope_life_restored_at());
}

static unsigned int count_options(const struct envelope_table *table)
{
	return table->allow_discards + table->iv_large_sectors +
	       (table->sector_size != SECTOR_SIZE) + table->has_key_check + !!table->lease +
	       (table->on_key_loss != ENVELOPE_ERROR) + !!table->queue_timeout;
}

static void status_table(const struct envelope *env, char *result, unsigned int maxlen)
{
	const struct envelope_table *table = &env->table;
	unsigned int sz = 0;

	DMEMIT("%s :%u:%s %llu %s %llu", ENVELOPE_CIPHER, table->key.size, table->key.text,
	       table->iv_offset, env->dev->name, table->start);
	if (!count_options(table))
		return;
	DMEMIT(" %u", count_options(table));
	if (table->allow_discards)
		DMEMIT(" allow_discards");
	if (table->sector_size != SECTOR_SIZE)
		DMEMIT(" sector_size:%u", table->sector_size);
	if (table->iv_large_sectors)
		DMEMIT(" iv_large_sectors");
	if (table->has_key_check)
		DMEMIT(" key_check:%*phN", ENVELOPE_CHECK_SIZE, table->key_check);
	if (table->lease)
		DMEMIT(" lease:%u", table->lease);
	if (table->on_key_loss != ENVELOPE_ERROR)
		DMEMIT(" on_key_loss:%s", envelope_on_key_loss_name(table->on_key_loss));
	if (table->queue_timeout)
		DMEMIT(" queue_timeout:%u", table->queue_timeout);
}

static void status_ima(const struct envelope *env, char *result, unsigned int maxlen)
{
	const struct envelope_table *table = &env->table;
	unsigned int sz = 0;

	DMEMIT_TARGET_NAME_VERSION(env->ti->type);
	DMEMIT(",allow_discards=%c,iv_large_sectors=%c", table->allow_discards ? 'y' : 'n',
	       table->iv_large_sectors ? 'y' : 'n');
	DMEMIT(",sector_size=%u,cipher_string=%s,key_size=%u", table->sector_size, ENVELOPE_CIPHER,
	       table->key.size);
	DMEMIT(",iv_offset=%llu,start=%llu", table->iv_offset, table->start);
	DMEMIT(",lease=%u,on_key_loss=%s,queue_timeout=%u;", table->lease,
	       envelope_on_key_loss_name(table->on_key_loss), table->queue_timeout);
}

static void envelope_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
			    char *result, unsigned int maxlen)
{
	struct envelope *env = ti->private;

	mutex_lock(&env->lock);
	switch (type) {
	case STATUSTYPE_INFO:
		status_info(env, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		status_table(env, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		status_ima(env, result, maxlen);
		break;
	}
	mutex_unlock(&env->lock);
}

static int message_key_set(struct envelope *env, const char *text)
{
	struct envelope_keyspec spec;
	char *error;
	int r;

	r = envelope_keyspec_parse(&spec, text, &error);
	if (!r && spec.size != env->table.key.size) {
		error = "The key must be of the table's size";
		envelope_keyspec_free(&spec);
		r = -EINVAL;
	}
	if (!r) {
		r = envelope_key_set(env, &spec, &error);
		if (r)
			envelope_keyspec_free(&spec);
	}
	if (r) {
		DMERR("%s: key set: %s", dm_table_device_name(env->ti->table), error);
		return r;
	}
	swap(env->table.key, spec);
	envelope_keyspec_free(&spec);
	return 0;
}

static int message_key(struct envelope *env, unsigned int argc, char **argv)
{
	if (argc == 3 && !strcasecmp(argv[1], "set"))
		return message_key_set(env, argv[2]);
	if (argc == 2 && !strcasecmp(argv[1], "wipe")) {
		envelope_fence(env, "wiped");
		return 0;
	}
	DMERR("the messages are: key set :<bytes>:<type>:<description>, key wipe");
	return -EINVAL;
}

static int message_on_key_loss(struct envelope *env, const char *policy)
{
	enum envelope_on_key_loss wanted;
	int r = envelope_on_key_loss_parse(policy, &wanted);

	if (r)
		return r;
	envelope_hold_policy(env, wanted);
	return 0;
}

/* @text: the seconds after which it ends, NULL for those of the table */
static int message_lease_renew(struct envelope *env, const char *text)
{
	const char *name = dm_table_device_name(env->ti->table);
	unsigned int seconds = env->table.lease;
	int r;

	if (text && envelope_lease_parse(text, env->table.lease, &seconds)) {
		DMERR("%s: lease renew: the seconds must be 1 to those of the table",
		      name);
		return -EINVAL;
	}
	r = envelope_lease_renew(env, seconds);
	if (r)
		DMERR("%s: lease renew: it is fenced; give it a key with key set", name);
	return r;
}

/*
 * Messages: key set :<bytes>:<type>:<description>, key wipe, lease renew [<seconds>],
 * on_key_loss error|queue.
 */
static int handle_message(struct envelope *env, unsigned int argc, char **argv)
{
	if (argc >= 2 && !strcasecmp(argv[0], "key"))
		return message_key(env, argc, argv);
	if ((argc == 2 || argc == 3) && !strcasecmp(argv[0], "lease") &&
	    !strcasecmp(argv[1], "renew"))
		return message_lease_renew(env, argc == 3 ? argv[2] : NULL);
	if (argc == 2 && !strcasecmp(argv[0], "on_key_loss"))
		return message_on_key_loss(env, argv[1]);
	DMERR("unknown message: use key set, key wipe, lease renew or on_key_loss");
	return -EINVAL;
}

/* device-mapper lets in as many at a time as there are, and who asks for the status besides */
static int envelope_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			    unsigned int maxlen)
{
	struct envelope *env = ti->private;
	unsigned int noio;
	int r;

	mutex_lock(&env->lock);
	/* memory may be had by I/O of this device alone, which waits for this very message */
	noio = memalloc_noio_save();
	r = handle_message(env, argc, argv);
	memalloc_noio_restore(noio);
	mutex_unlock(&env->lock);
	return r;
}

/* Nothing waits for a key while device-mapper waits for what is under way */
static void envelope_presuspend(struct dm_target *ti)
{
	envelope_hold_suspend(ti->private, true);
}

static void envelope_presuspend_undo(struct dm_target *ti)
{
	envelope_hold_suspend(ti->private, false);
}

static void envelope_resume(struct dm_target *ti)
{
	struct envelope *env = ti->private;

	WRITE_ONCE(env->live, true);
	envelope_hold_suspend(env, false);
}

static int envelope_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn,
				    void *data)
{
	struct envelope *env = ti->private;

	return fn(ti, env->dev, env->table.start, ti->len, data);
}

/* A sector is discarded as a whole, in one piece */
static void limit_discards(struct queue_limits *limits, unsigned int size)
{
	unsigned int sectors = size >> SECTOR_SHIFT;

	limits->max_hw_discard_sectors = round_down(limits->max_hw_discard_sectors, sectors);
	limits->max_discard_sectors = round_down(limits->max_discard_sectors, sectors);
	if (limits->discard_granularity)
		limits->discard_granularity = max(limits->discard_granularity, size);
}

static void envelope_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct envelope *env = ti->private;
	unsigned int size = env->table.sector_size;

	limits->logical_block_size = max_t(unsigned int, limits->logical_block_size, size);
	limits->physical_block_size = max_t(unsigned int, limits->physical_block_size, size);
	limits->io_min = max_t(unsigned int, limits->io_min, size);
	limit_discards(limits, size);
}

static struct target_type envelope_target = {
	.name = "envelope",
	.version = { 1, 3, 0 },
	.features = DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = envelope_ctr,
	.dtr = envelope_dtr,
	.map = envelope_map,
	.end_io = envelope_end_io,
	.status = envelope_status,
	.message = envelope_message,
	.presuspend = envelope_presuspend,
	.presuspend_undo = envelope_presuspend_undo,
	.resume = envelope_resume,
	.iterate_devices = envelope_iterate_devices,
	.io_hints = envelope_io_hints,
};

static int __init envelope_init(void)
{
	int r;

	opener = prepare_kernel_cred(&init_task);
	if (!opener)
		return -ENOMEM;
	r = envelope_bounce_module_init();
	if (r)
		goto no_memory;
	r = envelope_fence_module_init();
	if (r)
		goto no_fences;
	envelope_spread_module_init();
	envelope_io_module_init();
	r = envelope_hibernate_module_init();
	if (r)
		goto no_hibernate;
	r = envelope_restore_module_init();
	if (r)
		goto no_restore;
	r = dm_register_target(&envelope_target);
	if (!r)
		return 0;
	envelope_restore_module_exit();
no_restore:
	envelope_hibernate_module_exit();
no_hibernate:
	envelope_fence_module_exit();
no_fences:
	envelope_bounce_module_exit();
no_memory:
	put_cred(opener);
	return r;
}

static void __exit envelope_exit(void)
{
	dm_unregister_target(&envelope_target);
	envelope_restore_module_exit();
	envelope_hibernate_module_exit();
	envelope_io_module_exit();
	envelope_fence_module_exit();
	envelope_bounce_module_exit();
	put_cred(opener);
}

module_init(envelope_init);
module_exit(envelope_exit);

MODULE_DESCRIPTION("device-mapper target for envelope encryption");
MODULE_LICENSE("GPL");
MODULE_SOFTDEP("pre: xts hmac sha256 aesni-intel");
