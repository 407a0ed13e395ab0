/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who uses a block device, and which disks it lies on: from /proc and /sys. */
#ifndef KEYD_DEVICE_USE_H
#define KEYD_DEVICE_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * device_user() - who uses a block device
 * @out: "mounted at /mnt", "swap", "below dm-3"
 *
 * Return: false where neither a mount, nor swap, nor another block device does.
 */
bool device_user(dev_t devno, char *out, size_t room);

/**
 * device_path() - the node of a block device, as the kernel calls it
 * @devno: "major:minor"
 *
 * Return: false where there is no such device.
 */
bool device_path(const char *devno, char *out, size_t room);

/** device_number() - a number that sysfs has of a block device, such as "size"; 0 where there is
 * none */
uint64_t device_number(dev_t devno, const char *attribute);

/** device_below() - the first that it lies on; false where it lies on none */
bool device_below(dev_t devno, dev_t *below);

/** device_readonly() - is a block device set read-only? Not a question of permissions */
bool device_readonly(dev_t devno);

/** device_same_disk() - do two block devices lie, in the end, on the same whole disk? */
bool device_same_disk(dev_t a, dev_t b);

#endif
