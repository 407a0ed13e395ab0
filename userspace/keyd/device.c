// SPDX-License-Identifier: GPL-2.0-or-later
#include "device.h"

#include <errno.h>
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device-use.h"

#define CONTROL_ERROR 3 /* libdevmapper's level of an error */

static char last_error[256];

__attribute__((format(printf, 5, 6))) static void keep_error(int level, const char *file, int line,
							     int code, const char *fmt, ...)
{
	va_list args;

	if ((level & 7) > CONTROL_ERROR)
		return;
	va_start(args, fmt);
	vsnprintf(last_error, sizeof(last_error), fmt, args);
	va_end(args);
}

void device_set_up(void)
{
	dm_log_with_errno_init(keep_error);
	dm_set_name_mangling_mode(DM_STRING_MANGLING_NONE);
}

void device_session(void)
{
	dm_hold_control_dev(1);
}

static void task_freep(struct dm_task **task)
{
	if (*task)
		dm_task_destroy(*task);
	/* A forked session must not find this process's descriptor in libdevmapper */
	dm_lib_release();
}
#define _cleanup_task_ __attribute__((cleanup(task_freep)))

static struct dm_task *task_new(int type, const char *name, struct envelope_error *e)
{
	struct dm_task *task = dm_task_create(type);

	*last_error = '\0';
	if (task && (!name || dm_task_set_name(task, name)))
		return task;
	if (task)
		dm_task_destroy(task);
	envelope_fail(e, ENVELOPE_E_NO_TARGET, "no device-mapper in this kernel%s%s",
		      *last_error ? ": " : "", last_error);
	return NULL;
}

static int failed(int error, const char *name, const char *what, struct envelope_error *e)
{
	switch (error) {
	case ENXIO:
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: there is no such mapping", name);
	case EBUSY:
		return envelope_fail(e, ENVELOPE_E_BUSY, "%s: %s: in use", name, what);
	case EKEYREJECTED:
		return envelope_fail(e, ENVELOPE_E_WRONG_KEY,
				     "%s: the kernel refuses the key: it is not this volume's",
				     name);
	case EACCES:
	case EPERM:
		return envelope_fail(e, ENVELOPE_E_PERMISSION, "%s: %s: not permitted", name, what);
	case EIO:
		return envelope_fail(e, ENVELOPE_E_IO, "%s: %s: I/O error", name, what);
	default:
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: %s: %s", name, what,
				     error ? strerror(error) : last_error);
	}
}

static int run(struct dm_task *task, const char *name, const char *what, struct envelope_error *e)
{
	if (!task)
		return -ENVELOPE_E_NO_TARGET;
	if (dm_task_run(task))
		return 0;
	return failed(dm_task_get_errno(task), name, what, e);
}

/* Runs a task that changes nodes, and waits until they are there or gone */
static int run_and_wait(struct dm_task *task, const char *name, const char *what,
			struct envelope_error *e)
{
	uint32_t cookie = 0;
	bool udev = access("/run/udev/control", F_OK) == 0;
	int r;

	if (!task)
		return -ENVELOPE_E_NO_TARGET;
	/* Without udev, as in an initramfs may be, libdevmapper makes the nodes itself */
	dm_udev_set_sync_support(udev);
	dm_udev_set_checking(udev);
	if (!dm_task_set_cookie(task, &cookie, 0))
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: %s: no udev cookie: %s", name, what,
				     last_error);
	r = run(task, name, what, e);
	dm_udev_wait(cookie);
	dm_task_update_nodes();
	return r;
}

bool device_mapper_loaded(void)
{
	FILE *file = fopen("/proc/misc", "re");
	bool found = !file;
	char line[128];

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, " device-mapper\n");
	if (file)
		fclose(file);
	return found;
}

int device_target_check(struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task =
		task_new(DM_DEVICE_GET_TARGET_VERSION, TABLE_TARGET, e);

	if (!task)
		return -ENVELOPE_E_NO_TARGET;
	if (dm_task_run(task))
		return 0;
	return envelope_fail(e, ENVELOPE_E_NO_TARGET,
			     "the kernel has no device-mapper target " TABLE_TARGET);
}

/* What comes along with whatever a mapping is asked for */
static int get_info(struct dm_task *task, const char *name, struct device_info *info,
		    struct envelope_error *e)
{
	struct dm_info dm;
	const char *uuid;

	memset(info, 0, sizeof(*info));
	if (!dm_task_get_info(task, &dm) || !dm.exists)
		return failed(ENXIO, name, "its state", e);
	uuid = dm_task_get_uuid(task);
	snprintf(info->uuid, sizeof(info->uuid), "%s", uuid ? uuid : "");
	info->devno = makedev(dm.major, dm.minor);
	info->suspended = dm.suspended;
	info->readonly = dm.read_only;
	info->live = dm.live_table;
	return 0;
}

int device_info(const char *name, struct device_info *info, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_INFO, name, e);
	int r = run(task, name, "its state", e);

	memset(info, 0, sizeof(*info));
	return r ? r : get_info(task, name, info, e);
}

static int check_ours(const char *name, const struct device_info *info, struct envelope_error *e)
{
	char uuid[ENVELOPE_UUID_TEXT + 1];

	if (table_volume_uuid(info->uuid, uuid))
		return 0;
	envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s is a mapping, but none of envelope-keyd's",
		      name);
	return envelope_cure(e, "handle it by the program that made it, or dmsetup");
}

int device_ours(const char *name, struct device_info *info, struct envelope_error *e)
{
	int r = device_info(name, info, e);

	return r ? r : check_ours(name, info, e);
}

/* Those whose DM UUID @is_wanted can read a volume's uuid in */
static int each(bool (*is_wanted)(const char *dm_uuid, char *uuid), device_visit visit, void *data,
		struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_LIST, NULL, e);
	char uuid[ENVELOPE_UUID_TEXT + 1];
	struct device_info info;
	struct dm_names *entry;
	int r = run(task, "device-mapper", "the list of mappings", e);

	if (r)
		return r;
	entry = dm_task_get_names(task);
	if (!entry || !entry->dev)
		return 0;
	for (;; entry = (void *)((char *)entry + entry->next)) {
		if (strlen(entry->name) <= TABLE_NAME_MAX &&
		    !device_info(entry->name, &info, NULL) && is_wanted(info.uuid, uuid)) {
			r = visit(entry->name, &info, data);
			if (r)
				return r;
		}
		if (!entry->next)
			return 0;
	}
}

int device_each(device_visit visit, void *data, struct envelope_error *e)
{
	return each(table_volume_uuid, visit, data, e);
}

int device_each_stock(device_visit visit, void *data, struct envelope_error *e)
{
	return each(table_stock_uuid, visit, data, e);
}

struct wanted {
	const char *uuid;
	char *name;
};

static int is_wanted(const char *name, const struct device_info *info, void *data)
{
	struct wanted *wanted = data;
	char uuid[ENVELOPE_UUID_TEXT + 1];

	if (!table_volume_uuid(info->uuid, uuid) || strcmp(uuid, wanted->uuid))
		return 0;
	snprintf(wanted->name, TABLE_NAME_MAX + 1, "%s", name);
	return 1;
}

int device_of_volume(const char *uuid, char name[static TABLE_NAME_MAX + 1],
		     struct envelope_error *e)
{
	struct wanted wanted = { uuid, name };
	int r;

	*name = '\0';
	r = device_each(is_wanted, &wanted, e);
	return r > 0 ? 0 : r;
}

int device_create(const struct table *table, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_CREATE, table->name, e);
	char uuid[TABLE_UUID_MAX + 1];

	if (!task)
		return -ENVELOPE_E_NO_TARGET;
	table_dm_uuid(table->uuid, table->name, uuid);
	if (!dm_task_set_uuid(task, uuid))
		return failed(0, table->name, "create", e);
	if (dm_task_run(task))
		return 0;
	if (dm_task_get_errno(task) == EBUSY)
		return envelope_fail(e, ENVELOPE_E_EXISTS, "%s: there is a mapping of this name",
				     table->name);
	return failed(dm_task_get_errno(task), table->name, "create", e);
}

int device_load(const struct table *table, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_RELOAD, table->name, e);
	char line[TABLE_LINE_MAX];

	if (!task)
		return -ENVELOPE_E_NO_TARGET;
	if (table_format(table, line, sizeof(line)))
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: its table is out of range",
				     table->name);
	if (!dm_task_add_target(task, 0, table->length, TABLE_TARGET, line) ||
	    (table->readonly && !dm_task_set_ro(task)))
		return failed(ENOMEM, table->name, "load", e);
	return run(task, table->name, "load the table", e);
}

int device_resume(const char *name, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_RESUME, name, e);

	/* Where a new table takes the place of another, nothing need be flushed for that */
	if (task && (!dm_task_no_flush(task) || !dm_task_skip_lockfs(task)))
		return failed(ENOMEM, name, "resume", e);
	return run_and_wait(task, name, "resume", e);
}

int device_suspend(const char *name, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_SUSPEND, name, e);

	if (task && (!dm_task_no_flush(task) || !dm_task_skip_lockfs(task)))
		return failed(ENOMEM, name, "suspend", e);
	return run(task, name, "suspend", e);
}

int device_remove(const char *name, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_REMOVE, name, e);
	struct device_info info;
	char user[256];
	int r = device_info(name, &info, e);

	if (r)
		return r;
	if (device_user(info.devno, user, sizeof(user)))
		return envelope_fail(e, ENVELOPE_E_BUSY, "%s is in use: %s", name, user);
	/* udev may look at the device just now: libdevmapper tries for some seconds */
	if (task && !dm_task_retry_remove(task))
		return failed(ENOMEM, name, "remove", e);
	r = run_and_wait(task, name, "remove", e);
	if (r == -ENVELOPE_E_BUSY)
		return envelope_fail(e, ENVELOPE_E_BUSY, "%s is in use: a process has it open",
				     name);
	return r;
}

void device_clear(const char *name)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_CLEAR, name, NULL);

	run(task, name, "clear", NULL);
}

int device_message(const char *name, const char *message, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_TARGET_MSG, name, e);

	if (task && (!dm_task_set_sector(task, 0) || !dm_task_set_message(task, message)))
		return failed(ENOMEM, name, "message", e);
	return run(task, name, "message", e);
}

static int get_target(struct dm_task *task, const char *name, uint64_t *length, char **line,
		      struct envelope_error *e)
{
	uint64_t start;
	char *type = NULL;

	if (dm_get_next_target(task, NULL, &start, length, &type, line) || !type ||
	    strcmp(type, TABLE_TARGET) || !*line)
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: its table is not envelope-keyd's",
				     name);
	return 0;
}

int device_table(const char *name, struct table *table, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_TABLE, name, e);
	struct device_info info;
	char *line = NULL;
	/* Of a mapping of another program it may have a key in it */
	int r = task && !dm_task_secure_data(task) ? failed(ENOMEM, name, "its table", e)
						   : run(task, name, "its table", e);

	memset(table, 0, sizeof(*table));
	if (!r)
		r = get_info(task, name, &info, e);
	if (!r)
		r = check_ours(name, &info, e);
	if (!r)
		r = get_target(task, name, &table->length, &line, e);
	if (r)
		return r;
	snprintf(table->name, sizeof(table->name), "%s", name);
	table_volume_uuid(info.uuid, table->uuid);
	table->readonly = info.readonly;
	if (table_parse(line, table))
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: its table is not envelope-keyd's",
				     name);
	return 0;
}

int device_status(const char *name, struct table_status *status, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_STATUS, name, e);
	uint64_t length;
	char *line = NULL;
	int r;

	/* A status must not flush what waits for a disk */
	if (task && !dm_task_no_flush(task))
		return failed(ENOMEM, name, "status", e);
	r = run(task, name, "its status", e);
	if (!r)
		r = get_target(task, name, &length, &line, e);
	if (!r && table_status_parse(line, status))
		r = envelope_fail(e, ENVELOPE_E_FAILED,
				  "%s: a status that envelope-keyd does not know", name);
	return r;
}
