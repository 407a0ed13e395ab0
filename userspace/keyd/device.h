/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mappings, over libdevmapper. Whoever loads a table or sends `key set` must hold
 * the key in its own keyring: envelope-keyd's main process. All else may wait for a
 * disk or for udev and is for sessions.
 *
 * Each returns 0 or -code with @e filled, which names the mapping.
 */
#ifndef KEYD_DEVICE_H
#define KEYD_DEVICE_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"
#include "table.h"

/** struct device_info - the state of a mapping */
struct device_info {
	char uuid[TABLE_UUID_MAX + 1]; /* of device-mapper */
	dev_t devno;
	bool suspended;
	bool readonly;
	bool live; /* has a table at work */
};

typedef int (*device_visit)(const char *name, const struct device_info *info, void *data);

/** device_set_up() - once per process, before anything else; logs go into errors */
void device_set_up(void);

/** device_session() - this process is a session: it keeps device-mapper's control node open */
void device_session(void);

/** device_mapper_loaded() - is device-mapper there already? libdevmapper is not asked */
bool device_mapper_loaded(void);

/** device_target_check() - is there a kernel target to load? Loads the module. NO_TARGET */
int device_target_check(struct envelope_error *e);

/** device_info() - NOT_FOUND where there is no mapping of this name */
int device_info(const char *name, struct device_info *info, struct envelope_error *e);

/** device_ours() - the same, and refuse one that is not ours */
int device_ours(const char *name, struct device_info *info, struct envelope_error *e);

/** device_each() - visit all our mappings; ends early when @visit returns non-zero, with that */
int device_each(device_visit visit, void *data, struct envelope_error *e);

/** device_each_stock() - all of cryptsetup's, of LUKS2 volumes */
int device_each_stock(device_visit visit, void *data, struct envelope_error *e);

/** device_of_volume() - the mapping of this volume; "" where there is none */
int device_of_volume(const char *uuid, char name[static TABLE_NAME_MAX + 1],
		     struct envelope_error *e);

/** device_create() - a mapping without a table; EXISTS */
int device_create(const struct table *table, struct envelope_error *e);

/** device_load() - load a table, to be at work after device_resume() */
int device_load(const struct table *table, struct envelope_error *e);

/** device_resume() - let the table loaded last work, wait for udev and the node */
int device_resume(const char *name, struct envelope_error *e);

/** device_suspend() - hold all I/O, without flushing and without freezing a file system */
int device_suspend(const char *name, struct envelope_error *e);

/** device_remove() - whose ever it is; BUSY names who uses it */
int device_remove(const char *name, struct envelope_error *e);

/** device_clear() - drop a table that was loaded and never put to work */
void device_clear(const char *name);

int device_message(const char *name, const char *message, struct envelope_error *e);

/** device_table() - the table at work; @table is filled in full */
int device_table(const char *name, struct table *table, struct envelope_error *e);

int device_status(const char *name, struct table_status *status, struct envelope_error *e);

#endif
