// SPDX-License-Identifier: GPL-2.0-only
/*
 * No key goes into the image of a hibernation.
 *
 * The image is all of memory, on a disk, as it is. So the machine does not hibernate while a
 * device has a key; and from where it begins to until it is through, no device gets one.
 */
#include <linux/notifier.h>
#include <linux/rwsem.h>
#include <linux/suspend.h>

#include "dm-envelope.h"

/* written by who hibernates, read by who sets a key */
static DECLARE_RWSEM(keys);
static bool hibernates;

/**
 * envelope_hibernate_hold_off() - have a hibernation wait for a key that is being set
 *
 * Context: may sleep. Return: false where it came first; else envelope_hibernate_allow() is due.
 */
bool envelope_hibernate_hold_off(void)
{
	down_read(&keys);
	if (!hibernates)
		return true;
	up_read(&keys);
	return false;
}

/** envelope_hibernate_allow() - undo envelope_hibernate_hold_off() */
void envelope_hibernate_allow(void)
{
	up_read(&keys);
}

static int begin(void)
{
	char name[16];
	dev_t dev;

	down_write(&keys);
	dev = envelope_life_find_key();
	hibernates = !dev;
	up_write(&keys);
	if (!dev)
		return 0;
	DMERR("%s: no hibernation while it has a key: close the device, or wipe its key",
	      format_dev_t(name, dev));
	return -EBUSY;
}

static void end(void)
{
	down_write(&keys);
	hibernates = false;
	up_write(&keys);
}

static int notified(struct notifier_block *self, unsigned long event, void *unused)
{
	switch (event) {
	case PM_HIBERNATION_PREPARE:
		return notifier_from_errno(begin());
	case PM_POST_HIBERNATION:
		end();
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = notified };

/**
 * envelope_hibernate_module_init() - look at each hibernation from here on
 *
 * Return: 0 or -errno.
 */
int envelope_hibernate_module_init(void)
{
	return register_pm_notifier(&notifier);
}

/** envelope_hibernate_module_exit() - undo envelope_hibernate_module_init() */
void envelope_hibernate_module_exit(void)
{
	unregister_pm_notifier(&notifier);
}
