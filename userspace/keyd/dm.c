// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm.h"

#include <errno.h>
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TARGET	     "envelope"
#define UDEV_CONTROL "/run/udev/control"

static char last_error[256];

static void free_task(struct dm_task **task)
{
	if (*task)
		dm_task_destroy(*task);
}
#define _cleanup_task_ __attribute__((cleanup(free_task)))

static void keep_error(int level, const char *file, int line, int dm_errno, const char *fmt, ...)
{
	va_list ap;

	if ((level & ~(_LOG_STDERR | _LOG_ONCE)) > _LOG_ERR)
		return;
	va_start(ap, fmt);
	vsnprintf(last_error, sizeof(last_error), fmt, ap);
	va_end(ap);
}

void dm_open_library(void)
{
	dm_log_with_errno_init(keep_error);
	if (access(UDEV_CONTROL, F_OK) < 0)
		dm_udev_set_sync_support(0);
}

static bool target_loaded(void)
{
	_cleanup_task_ struct dm_task *task = dm_task_create(DM_DEVICE_LIST_VERSIONS);
	struct dm_versions *versions, *last = NULL;

	if (!task || !dm_task_run(task))
		return false;
	for (versions = dm_task_get_versions(task); versions && versions != last;
	     versions = (void *)((char *)versions + versions->next)) {
		if (!strcmp(versions->name, TARGET))
			return true;
		last = versions->next ? NULL : versions;
		if (last)
			break;
	}
	return false;
}

static int failed(struct dm_task *task, const char *name, const char *what,
		  struct envelope_error *e)
{
	int error = task ? dm_task_get_errno(task) : 0;

	switch (error) {
	case EBUSY:
		return envelope_fail(e, ENVELOPE_E_BUSY, "%s: in use", name);
	case ENXIO:
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: no such device", name);
	case EPERM:
	case EACCES:
		return envelope_fail(e, ENVELOPE_E_PERMISSION, "%s: %s: device-mapper refuses", name,
				     what);
	default:
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: %s: %s", name, what,
				     error ? strerror(error) : last_error);
	}
}

static struct dm_task *new_task(int type, const char *name)
{
	struct dm_task *task = dm_task_create(type);

	last_error[0] = '\0';
	if (task && name && !dm_task_set_name(task, name)) {
		dm_task_destroy(task);
		return NULL;
	}
	return task;
}

static bool use_cookie(struct dm_task *task, uint32_t cookie)
{
	return !cookie || dm_task_set_cookie(task, &cookie, 0);
}

static bool add_line(struct dm_task *task, const struct dm_line *line)
{
	char params[DM_PARAMS_MAX];

	return dm_line_params(line, params, sizeof(params)) == 0 &&
	       (!line->readonly || dm_task_set_ro(task)) &&
	       dm_task_add_target(task, 0, line->length, TARGET, params);
}

/* A table was refused: by a target that is not there, or by ours, which says why to the log */
static int load_failed(struct dm_task *task, const struct dm_line *line, struct envelope_error *e)
{
	int error = task ? dm_task_get_errno(task) : 0;

	if (error == EBUSY)
		return envelope_fail(e, ENVELOPE_E_EXISTS, "%s: there is a device of this name",
				     line->name);
	if (!target_loaded())
		return envelope_fail(e, ENVELOPE_E_NO_TARGET,
				     "%s: the kernel has no target \"" TARGET "\"", line->name);
	failed(task, line->name, "the kernel refuses the table", e);
	return envelope_cure(e, "see the kernel log for the reason");
}

int dm_create(const struct dm_line *line, uint32_t cookie, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = new_task(DM_DEVICE_CREATE, line->name);
	char uuid[DM_UUID_LEN];

	dm_device_uuid(line, uuid, sizeof(uuid));
	if (!task || !dm_task_set_uuid(task, uuid) || !add_line(task, line) ||
	    !use_cookie(task, cookie) || !dm_task_run(task))
		return load_failed(task, line, e);
	if (!cookie)
		dm_task_update_nodes();
	return 0;
}

int dm_reload(const struct dm_line *line, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = new_task(DM_DEVICE_RELOAD, line->name);

	if (!task || !add_line(task, line) || !dm_task_run(task))
		return load_failed(task, line, e);
	return 0;
}

int dm_key_set(const struct dm_line *line, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = new_task(DM_DEVICE_TARGET_MSG, line->name);
	char description[256], message[300];

	dm_key_description(line, description, sizeof(description));
	snprintf(message, sizeof(message), "key set :%u:logon:%s", line->key_size, description);
	if (!task || !dm_task_set_sector(task, 0) || !dm_task_set_message(task, message) ||
	    !dm_task_run(task)) {
		failed(task, line->name, "the kernel refuses the key", e);
		return envelope_cure(e, "see the kernel log for the reason");
	}
	return 0;
}

int dm_suspend(const char *name, bool noflush, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = new_task(DM_DEVICE_SUSPEND, name);

	if (!task || (noflush && (!dm_task_no_flush(task) || !dm_task_skip_lockfs(task))) ||
	    !dm_task_run(task))
		return failed(task, name, "suspending", e);
	return 0;
}

int dm_resume(const char *name, uint32_t cookie, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = new_task(DM_DEVICE_RESUME, name);

	if (!task || !use_cookie(task, cookie) || !dm_task_run(task))
		return failed(task, name, "resuming", e);
	if (!cookie)
		dm_task_update_nodes();
	return 0;
}

int dm_remove(const char *name, uint32_t cookie, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = new_task(DM_DEVICE_REMOVE, name);

	if (!task || !use_cookie(task, cookie) || !dm_task_run(task))
		return failed(task, name, "removing", e);
	if (!cookie)
		dm_task_update_nodes();
	return 0;
}

uint32_t dm_cookie(void)
{
	uint32_t cookie = 0;

	if (!dm_udev_get_sync_support() || !dm_udev_create_cookie(&cookie))
		return 0;
	return cookie;
}

void dm_wait(uint32_t cookie)
{
	if (cookie)
		dm_udev_wait(cookie);
}

void dm_disk_path(unsigned int major, unsigned int minor, char *path, size_t room)
{
	char uevent[64], line[256];
	FILE *file;

	snprintf(path, room, "%u:%u", major, minor);
	snprintf(uevent, sizeof(uevent), "/sys/dev/block/%u:%u/uevent", major, minor);
	file = fopen(uevent, "re");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "DEVNAME=", 8)) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(path, room, "/dev/%s", line + 8);
		}
	if (file)
		fclose(file);
}

/* Whose device is it? Fills in what DM_DEVICE_INFO tells. */
static int read_info(const char *name, struct dm_state *state, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = new_task(DM_DEVICE_INFO, name);
	char uuid[ENVELOPE_UUID_TEXT + 1];
	struct dm_info info;

	if (!task || !dm_task_run(task) || !dm_task_get_info(task, &info) || !info.exists)
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: no such device", name);
	if (!dm_task_get_uuid(task) || !dm_volume_of(dm_task_get_uuid(task), uuid))
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: not a device of dm-envelope",
				     name);
	memset(state, 0, sizeof(*state));
	snprintf(state->line.name, sizeof(state->line.name), "%.*s", ENVELOPE_NAME_MAX, name);
	memcpy(state->line.uuid, uuid, sizeof(uuid));
	state->line.readonly = info.read_only;
	state->suspended = info.suspended;
	state->has_table = info.live_table;
	return 0;
}

static int read_target(int type, struct dm_state *state)
{
	_cleanup_task_ struct dm_task *task = new_task(type, state->line.name);
	uint64_t start, length;
	char *target, *params;

	if (!task || !dm_task_no_flush(task) || !dm_task_run(task))
		return -EIO;
	dm_get_next_target(task, NULL, &start, &length, &target, &params);
	if (!target || strcmp(target, TARGET) || !params)
		return -EINVAL;
	state->line.length = length;
	return type == DM_DEVICE_TABLE ? dm_line_parse(params, &state->line) :
					 dm_status_parse(params, state);
}

int dm_find(const char *name, struct dm_state *state, struct envelope_error *e)
{
	int r = read_info(name, state, e);

	if (r < 0)
		return r;
	if (state->has_table && (read_target(DM_DEVICE_TABLE, state) < 0 ||
				 read_target(DM_DEVICE_STATUS, state) < 0))
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: its table is not one of envelope-keyd's",
				     name);
	return 0;
}

int dm_list(struct dm_state **states, size_t *n, struct envelope_error *e)
{
	_cleanup_task_ struct dm_task *task = new_task(DM_DEVICE_LIST, NULL);
	struct dm_names *names;
	size_t room = 0;

	*states = NULL;
	*n = 0;
	if (!task || !dm_task_run(task) || !(names = dm_task_get_names(task)))
		return envelope_fail(e, ENVELOPE_E_FAILED, "device-mapper cannot be asked: %s",
				     last_error);
	if (!names->dev)
		return 0;
	for (;;) {
		if (*n == room) {
			struct dm_state *more = realloc(*states, (room + 16) * sizeof(*more));

			if (!more)
				break;
			*states = more;
			room += 16;
		}
		if (dm_find(names->name, *states + *n, NULL) == 0)
			(*n)++;
		if (!names->next)
			break;
		names = (void *)((char *)names + names->next);
	}
	return 0;
}
