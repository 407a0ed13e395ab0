/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a device's key depends on. Its lease ends that long after the last proof that enough
 * of the KEKs of the slot that opened it are well; where too few can be, the key is taken
 * away now; and when they are well again, it is given back.
 */
#ifndef KEYD_LEASE_H
#define KEYD_LEASE_H

#include "broker.h"
#include "manager.h"

struct health;

/**
 * lease_opened() - from now on the device depends on the shares of this slot
 * @when: an unwrap of the shares that @opened says are proved was asked for; 0: none was
 */
void lease_opened(struct device *device, const struct broker_opened *opened, uint64_t when);

/** lease_began() - the kernel counts the device's lease from now on */
void lease_began(struct device *device, const struct table *table);

/** lease_found() - a device that an earlier keyd opened */
void lease_found(struct device *device, const struct table *table,
		 const struct table_status *status);

/** lease_restarted() - another table is at work, whose lease is to end when the last one's would */
void lease_restarted(struct device *device);

/** lease_forget() - the device is no more */
void lease_forget(struct device *device);

/** lease_judge() - renew, fence or give back, as the KEKs stand; the device may be gone after */
void lease_judge(struct device *device);

/** lease_judge_all() - of all devices that depend on this version */
void lease_judge_all(struct manager *m, const struct health *health);

/** lease_hurry() - the time may have jumped: all leases end within a minute unless proved anew */
void lease_hurry(struct manager *m);

/**
 * lease_lock() - take the key away until somebody says unlock
 * @as: DEVICE_LOCKED or DEVICE_ASLEEP
 *
 * The target notices at once, or within a second.
 */
int lease_lock(struct device *device, enum device_loss as, struct envelope_error *e);

/** lease_wake() - one that is asleep gets its key as soon as its KEKs give it */
void lease_wake(struct device *device);

/** lease_is_locked() - is it that somebody took the key away? */
bool lease_is_locked(const struct device *device);

/** lease_for_sleep() - do its KEKs wish that it is locked when the machine sleeps? */
bool lease_for_sleep(const struct device *device);

/** lease_unlock() - what was locked by that name is no more */
void lease_unlock(const struct device *device);

/** lease_is_fixed() - was it opened by a recovery key, which nobody can withdraw or renew? */
bool lease_is_fixed(const struct device *device);

/** lease_why() - in words, which of its KEKs are not well; "" where all are */
void lease_why(const struct device *device, char *out, size_t room);

/** lease_may_resume() - do its KEKs allow that it gets its key again without being asked for? */
bool lease_may_resume(const struct device *device);

/** lease_well() - how many of its shares are as they should be */
unsigned int lease_well(const struct device *device);

#endif
