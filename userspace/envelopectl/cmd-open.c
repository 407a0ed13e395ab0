// SPDX-License-Identifier: GPL-2.0-or-later
/* open: one volume, or all that /etc/envelopetab lists. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "command.h"
#include "tab.h"

enum {
	OPEN_ALL,
	OPEN_READONLY,
	OPEN_DISCARDS,
	OPEN_ON_KEY_LOSS,
	OPEN_QUEUE_TIMEOUT,
	OPEN_ACCEPT_NEW,
	OPEN_RECOVERY_KEY,
	OPEN_TARGET,
	OPEN_HEADER,
	OPEN_TAB,
	OPEN_WAIT,
};

static const struct option_spec open_options[] = {
	[OPEN_ALL] = { "all", NULL, "what " ENVELOPE_TAB " lists, but for noauto" },
	[OPEN_READONLY] = { "readonly", NULL, "refuse writes" },
	[OPEN_DISCARDS] = { "allow-discards", NULL, "pass discards down: they show what is free" },
	[OPEN_ON_KEY_LOSS] = { "on-key-loss", "error|queue",
			       "what I/O does without a key (error)" },
	[OPEN_QUEUE_TIMEOUT] = { "queue-timeout", "SECONDS", "how long it is queued (for ever)" },
	[OPEN_ACCEPT_NEW] = { "accept-new", NULL, "trust a volume that this host does not know" },
	[OPEN_RECOVERY_KEY] = { "recovery-key", NULL, "open it by the recovery key that is typed" },
	[OPEN_TARGET] = { "target", "envelope|crypt", "crypt: by dm-crypt, which no KEK stops" },
	[OPEN_HEADER] = HEADER_OPTION,
	[OPEN_TAB] = { "tab", "FILE", "with --all, instead of " ENVELOPE_TAB },
	[OPEN_WAIT] = { "wait", "SECONDS", "with --all, for disks that are not there yet (0)" },
	{ NULL, NULL, NULL },
};

static int open_one(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	int r = add_disk(parameters, a, OPEN_HEADER, e);

	if (r == 0)
		r = add_number(parameters, "queue_timeout", a->values[OPEN_QUEUE_TIMEOUT], e);
	if (r < 0)
		return r;
	add_text(parameters, "name", a->words[1]);
	add_text(parameters, "on_key_loss", a->values[OPEN_ON_KEY_LOSS]);
	add_flag(parameters, "readonly", a->values[OPEN_READONLY]);
	add_flag(parameters, "allow_discards", a->values[OPEN_DISCARDS]);
	add_flag(parameters, "accept_new", a->values[OPEN_ACCEPT_NEW]);
	add_text(parameters, "target", a->values[OPEN_TARGET]);
	r = client_call_recovering(context, "Open", parameters, "recovery_key",
				   a->values[OPEN_RECOVERY_KEY], &reply, e);
	if (r < 0)
		return r;
	if (!output_json(context, reply))
		printf("%s: open as %s\n", a->words[0], member(reply, "path"));
	output_warnings(reply);
	return 0;
}

/* As the table has it */
static int open_entry(const struct context *context, const struct envelope_tab_entry *entry,
		      struct json_object **reply, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();
	int r = add_device(parameters, entry->device, e);

	if (r < 0)
		return r;
	add_text(parameters, "name", entry->name);
	add_text(parameters, "on_key_loss", *entry->on_key_loss ? entry->on_key_loss : NULL);
	add_flag(parameters, "readonly", entry->readonly);
	add_flag(parameters, "allow_discards", entry->discard);
	add_text(parameters, "target", entry->stock ? "crypt" : NULL);
	add_text(parameters, "header", *entry->header ? entry->header : NULL);
	if (entry->queue_timeout)
		json_object_object_add(parameters, "queue_timeout",
				       json_object_new_uint64(entry->queue_timeout));
	return client_call(context, "Open", parameters, reply, e);
}

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return time.tv_sec;
}

/* Disks are found one by one while a machine boots: wait until @deadline for this one */
static void await_device(const char *spec, time_t deadline)
{
	struct timespec pause = { 0, 100 * 1000 * 1000 };
	struct envelope_error e;
	char *path;

	while (device_path(spec, &path, &e) < 0) {
		if (now() >= deadline)
			return;
		nanosleep(&pause, NULL);
	}
	free(path);
}

/* A disk has many names */
static bool same_disk(const char *a, const char *spec)
{
	struct stat first, second;
	struct envelope_error e;
	bool same;
	char *path;

	if (device_path(spec, &path, &e) < 0)
		return false;
	same = !stat(a, &first) && !stat(path, &second) && S_ISBLK(first.st_mode) &&
	       S_ISBLK(second.st_mode) && first.st_rdev == second.st_rdev;
	free(path);
	return same;
}

static bool already_open(const struct context *context, const struct envelope_tab_entry *entry)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	struct json_object *devices;
	struct envelope_error e;

	add_text(parameters, "name", entry->name);
	return client_call(context, "Status", parameters, &reply, &e) == 0 &&
	       member_array(reply, "devices", &devices) == 1 &&
	       same_disk(member(json_object_array_get_idx(devices, 0), "device"), entry->device);
}

static void add_result(struct json_object *results, const struct envelope_tab_entry *entry,
		       const char *state, const struct envelope_error *e)
{
	struct json_object *result = json_object_new_object();

	add_text(result, "name", entry->name);
	add_text(result, "device", entry->device);
	add_text(result, "state", state);
	add_text(result, "error", e->code ? envelope_error_name(e->code) : NULL);
	json_object_array_add(results, result);
}

/* Return: 0, or what failed unless it may fail; @e is filled in both cases */
static int try_entry(const struct context *context, const struct envelope_tab_entry *entry,
		     struct json_object *results, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	const char *state = "opened";
	int r = 0;

	memset(e, 0, sizeof(*e));
	if (already_open(context, entry))
		state = "already open";
	else
		r = open_entry(context, entry, &reply, e);
	if (r < 0) {
		state = entry->nofail ? "failed, nofail" : "failed";
		output_error(e);
	}
	add_result(results, entry, state, e);
	if (!context->json)
		printf("%s: %s\n", entry->name, state);
	output_warnings(reply);
	return entry->nofail ? 0 : r;
}

static int open_all(struct context *context, const char *path, time_t deadline,
		    struct envelope_error *e)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	struct json_object *results = json_object_new_array();
	enum envelope_code first = ENVELOPE_OK;
	struct envelope_error failure;
	struct envelope_tab tab;
	int failed = 0, r;

	json_object_object_add(object, "entries", results);
	r = envelope_tab_read(path, &tab, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < tab.n; i++) {
		if (tab.entries[i].noauto)
			continue;
		await_device(tab.entries[i].device, deadline);
		if (try_entry(context, &tab.entries[i], results, &failure) == 0)
			continue;
		if (failed++ == 0)
			first = failure.code;
	}
	envelope_tab_free(&tab);
	output_json(context, object);
	if (!failed)
		return 0;
	envelope_fail(e, first, "%s: entries that could not be opened: %d", path, failed);
	return envelope_cure(e, "see above for each");
}

static int run_open(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	const char *tab = a->values[OPEN_TAB], *wait = a->values[OPEN_WAIT];
	unsigned int seconds = 0;
	int r = 0;

	if (!a->values[OPEN_ALL]) {
		if (a->n == 2 && !tab && !wait)
			return open_one(context, a, e);
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "open: it takes DEVICE and NAME, or --all");
	}
	for (int i = OPEN_READONLY; i <= OPEN_HEADER; i++)
		if (a->values[i])
			return envelope_fail(e, ENVELOPE_E_USAGE,
					     "open: --%s is of no use with --all",
					     open_options[i].name);
	if (a->n)
		return envelope_fail(e, ENVELOPE_E_USAGE, "open: --all takes no arguments");
	if (wait)
		r = parse_number(wait, &seconds, e);
	return r < 0 ? r : open_all(context, tab ? tab : ENVELOPE_TAB, now() + seconds, e);
}

const struct command command_open = {
	"open", "DEVICE NAME", 0, 2, "Map a volume as /dev/mapper/NAME", open_options, run_open,
};
