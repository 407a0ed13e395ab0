// SPDX-License-Identifier: GPL-2.0-or-later
/* open, close, resize: what changes a mapping. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	[OPEN_TAB] = { "tab", "FILE", "instead of " ENVELOPE_TAB },
	[OPEN_WAIT] = { "wait", "SECONDS", "with --all, for disks that are not there yet (0)" },
	{ NULL, NULL, NULL },
};

static void add_flag(struct json_object *parameters, const char *name, bool set)
{
	if (set)
		json_object_object_add(parameters, name, json_object_new_boolean(true));
}

/* Disks are found one by one while a machine boots: wait until @deadline for this one */
static void await_device(const char *spec, time_t deadline)
{
	struct timespec pause = { 0, 100 * 1000 * 1000 };
	struct envelope_error e;
	char *path;

	while (arguments_device(spec, &path, &e) < 0) {
		if (time(NULL) >= deadline)
			return;
		nanosleep(&pause, NULL);
	}
	free(path);
}

static int add_device(struct json_object *parameters, const char *spec, struct envelope_error *e)
{
	char *path;
	int r = arguments_device(spec, &path, e);

	if (r < 0)
		return r;
	json_object_object_add(parameters, "device", json_object_new_string(path));
	free(path);
	return 0;
}

static int open_one(const struct context *context, const struct arguments *a,
		    struct envelope_error *e)
{
	struct json_object *parameters = json_object_new_object();
	_cleanup_json_ struct json_object *reply = NULL;
	int r = add_device(parameters, a->words[0], e);

	json_object_object_add(parameters, "name", json_object_new_string(a->words[1]));
	add_flag(parameters, "readonly", a->values[OPEN_READONLY]);
	add_flag(parameters, "allow_discards", a->values[OPEN_DISCARDS]);
	add_flag(parameters, "accept_new", a->values[OPEN_ACCEPT_NEW]);
	if (a->values[OPEN_ON_KEY_LOSS])
		json_object_object_add(parameters, "on_key_loss",
				       json_object_new_string(a->values[OPEN_ON_KEY_LOSS]));
	if (r == 0)
		r = arguments_number(a, OPEN_QUEUE_TIMEOUT, "queue_timeout", parameters, e);
	if (r < 0) {
		json_object_put(parameters);
		return r;
	}
	r = client_call(context, "Open", parameters, &reply, e);
	if (r < 0)
		return r;
	if (context->json)
		output_json(reply);
	else
		printf("%s: open as %s\n", a->words[0], member(reply, "path"));
	output_warnings(context, reply);
	return 0;
}

/* Is what the entry wants already so? */
static bool already_open(const struct context *context, const struct envelope_tab_entry *entry)
{
	struct json_object *parameters = json_object_new_object();
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *devices;
	struct envelope_error e;
	bool same = false;
	char *path;

	json_object_object_add(parameters, "name", json_object_new_string(entry->name));
	if (client_call(context, "Status", parameters, &reply, &e) < 0 ||
	    !json_object_object_get_ex(reply, "devices", &devices) ||
	    json_object_array_length(devices) != 1 ||
	    arguments_device(entry->device, &path, &e) < 0)
		return false;
	same = !strcmp(member(json_object_array_get_idx(devices, 0), "device"), path);
	free(path);
	return same;
}

static int open_entry(const struct context *context, const struct envelope_tab_entry *entry,
		      struct json_object **reply, struct envelope_error *e)
{
	struct json_object *parameters = json_object_new_object();
	int r = add_device(parameters, entry->device, e);

	if (r < 0) {
		json_object_put(parameters);
		return r;
	}
	json_object_object_add(parameters, "name", json_object_new_string(entry->name));
	add_flag(parameters, "readonly", entry->readonly);
	add_flag(parameters, "allow_discards", entry->discard);
	if (*entry->on_key_loss)
		json_object_object_add(parameters, "on_key_loss",
				       json_object_new_string(entry->on_key_loss));
	if (entry->queue_timeout)
		json_object_object_add(parameters, "queue_timeout",
				       json_object_new_uint64(entry->queue_timeout));
	return client_call(context, "Open", parameters, reply, e);
}

static void add_result(struct json_object *results, const struct envelope_tab_entry *entry,
		       const char *state, const struct envelope_error *e)
{
	struct json_object *result = json_object_new_object();

	json_object_object_add(result, "name", json_object_new_string(entry->name));
	json_object_object_add(result, "device", json_object_new_string(entry->device));
	json_object_object_add(result, "state", json_object_new_string(state));
	if (e->code)
		json_object_object_add(result, "error",
				       json_object_new_string(envelope_error_name(e->code)));
	json_object_array_add(results, result);
}

/* One entry of the table; Return: 0, or what failed unless it may fail */
static int try_entry(const struct context *context, const struct envelope_tab_entry *entry,
		     struct json_object *results, struct envelope_error *e)
{
	struct context quiet = { .socket = context->socket, .verbose = context->verbose };
	_cleanup_json_ struct json_object *reply = NULL;
	const char *state = "opened";
	int r;

	memset(e, 0, sizeof(*e));
	if (already_open(context, entry)) {
		state = "already open";
		r = 0;
	} else {
		r = open_entry(context, entry, &reply, e);
	}
	if (r < 0) {
		state = entry->nofail ? "failed, nofail" : "failed";
		output_error(&quiet, e);
	}
	add_result(results, entry, state, e);
	if (!context->json)
		printf("%s: %s\n", entry->name, state);
	output_warnings(context, reply);
	return entry->nofail ? 0 : r;
}

static int open_all(const struct context *context, const char *path, unsigned int wait,
		    struct envelope_error *e)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	struct json_object *results = json_object_new_array();
	struct envelope_error first = { 0 };
	time_t deadline = time(NULL) + wait;
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
		if (try_entry(context, &tab.entries[i], results, e) == 0)
			continue;
		if (failed++ == 0)
			first = *e;
	}
	envelope_tab_free(&tab);
	if (context->json)
		output_json(object);
	if (!failed)
		return 0;
	envelope_fail(e, first.code, "%s: %d of its entries could not be opened", path, failed);
	return envelope_cure(e, "see above for each");
}

static int run_open(const struct context *context, const struct arguments *a,
		    struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();
	const char *tab = a->values[OPEN_TAB] ? a->values[OPEN_TAB] : ENVELOPE_TAB;
	int r;

	if (!a->values[OPEN_ALL] && a->n == 2)
		return open_one(context, a, e);
	if (!a->values[OPEN_ALL] || a->n)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "open: it takes DEVICE and NAME, or --all alone");
	r = arguments_number(a, OPEN_WAIT, "wait", parameters, e);
	return r < 0 ? r
		     : open_all(context, tab, (unsigned int)member_number(parameters, "wait"), e);
}

const struct command command_open = {
	"open", "DEVICE NAME", 0, 2, "Map a volume as /dev/mapper/NAME", open_options, run_open,
};

static const struct option_spec no_options[] = { { NULL, NULL, NULL } };

static int run_close(const struct context *context, const struct arguments *a,
		     struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters = json_object_new_object();
	int r;

	json_object_object_add(parameters, "name", json_object_new_string(a->words[0]));
	r = client_call(context, "Close", parameters, &reply, e);
	if (r == 0 && context->json)
		output_json(reply);
	return r;
}

const struct command command_close = {
	"close", "NAME", 1, 1, "Unmap it, and forget its key", no_options, run_close,
};

static int run_resize(const struct context *context, const struct arguments *a,
		      struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters = json_object_new_object();
	char old_size[16], size[16];
	int r;

	json_object_object_add(parameters, "name", json_object_new_string(a->words[0]));
	r = client_call(context, "Resize", parameters, &reply, e);
	if (r < 0)
		return r;
	if (context->json)
		output_json(reply);
	else if (member_number(reply, "old_size") == member_number(reply, "size"))
		printf("%s: %s, as large as its disk already\n", a->words[0],
		       output_size(member_number(reply, "size"), size));
	else
		printf("%s: grown from %s to %s\n", a->words[0],
		       output_size(member_number(reply, "old_size"), old_size),
		       output_size(member_number(reply, "size"), size));
	return 0;
}

const struct command command_resize = {
	"resize", "NAME", 1, 1, "Let it grow to the size its disk has now", no_options, run_resize,
};
