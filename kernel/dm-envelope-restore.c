// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM that is restored from a snapshot may be a second one: a clone, with its keys.
 *
 * Whether those may still be used was asked before the snapshot, by a clock that stood still
 * since. So leases end soon, unless somebody asks anew. The firmware tells the kernel, by a
 * generation ID (VMGENID), where the kernel was built to listen.
 */
#include <linux/notifier.h>
#include <linux/random.h>

#include "dm-envelope.h"

/* until then it is to be asked, in seconds */
#define ENVELOPE_RESTORE_LEASE	60

static int restored(struct notifier_block *self, unsigned long unused, void *unused_too)
{
	envelope_life_restored(ENVELOPE_RESTORE_LEASE);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = restored };

/**
 * envelope_restore_module_init() - hear of every restore from here on
 *
 * Return: 0 or -errno.
 */
int envelope_restore_module_init(void)
{
	return register_random_vmfork_notifier(&notifier);
}

/** envelope_restore_module_exit() - undo envelope_restore_module_init() */
void envelope_restore_module_exit(void)
{
	unregister_random_vmfork_notifier(&notifier);
}
