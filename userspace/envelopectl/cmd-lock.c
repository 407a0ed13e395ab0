// SPDX-License-Identifier: GPL-2.0-or-later
/* lock, unlock: take keys away, and give them back. */
#include <stdio.h>
#include <string.h>

#include "command.h"

/* One of the two, and not both */
static int name_or_all(const struct arguments *a, bool all, const char **name,
		       struct envelope_error *e)
{
	*name = a->n ? a->words[0] : NULL;
	if (all == !!*name)
		return envelope_fail(e, ENVELOPE_E_USAGE, "either a NAME or --all");
	return 0;
}

enum { LOCK_ALL, LOCK_DROP_CACHES, LOCK_FOR_SLEEP };

static const struct option_spec lock_options[] = {
	[LOCK_ALL] = { "all", NULL, "every device that is open" },
	[LOCK_DROP_CACHES] = { "drop-caches", NULL,
			       "and what the page cache holds of all file systems" },
	[LOCK_FOR_SLEEP] = { "for-sleep", NULL,
			     "with --all: only those of KEKs with lock_on_sleep" },
	{},
};

static int run_lock(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	struct json_object *locked;
	const char *name;
	size_t n;
	int r = name_or_all(a, a->values[LOCK_ALL], &name, e);

	if (!r && name && a->values[LOCK_FOR_SLEEP])
		r = envelope_fail(e, ENVELOPE_E_USAGE, "--for-sleep needs --all");
	if (r)
		return r;
	add_text(parameters, "name", name);
	add_flag(parameters, "all", !name);
	add_flag(parameters, "drop_caches", a->values[LOCK_DROP_CACHES]);
	add_flag(parameters, "sleep", a->values[LOCK_FOR_SLEEP]);
	r = client_call(context, "Lock", parameters, &reply, e);
	if (r < 0)
		return r;
	n = output_json(context, reply) ? 0 : member_array(reply, "locked", &locked);
	for (size_t i = 0; i < n; i++)
		printf("%s: locked, its key is gone\n",
		       json_object_get_string(json_object_array_get_idx(locked, i)));
	output_warnings(reply);
	return 0;
}

const struct command command_lock = {
	"lock", "NAME", 0, 1, "Take its key from a device, now", lock_options, run_lock,
};

enum { UNLOCK_ALL, UNLOCK_FOR_SLEEP, UNLOCK_RECOVERY_KEY };

static const struct option_spec unlock_options[] = {
	[UNLOCK_ALL] = { "all", NULL, "every device that has no key" },
	[UNLOCK_FOR_SLEEP] = { "for-sleep", NULL, "with --all: only those that sleep locked" },
	[UNLOCK_RECOVERY_KEY] = { "recovery-key", NULL,
				  "unlock it by the recovery key that is typed" },
	{},
};

static int unlock_one(const struct context *context, const char *name, bool recovery, bool sleep,
		      bool *changed, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	int r;

	add_text(parameters, "name", name);
	add_flag(parameters, "sleep", sleep);
	r = client_call_recovering(context, "Unlock", parameters, "recovery_key", recovery, &reply,
				   e);
	*changed = !r && member_true(reply, "changed");
	if (!r && !context->json)
		printf("%s: %s\n", name, *changed ? "unlocked" : "it has its key");
	return r;
}

/* One that fails does not keep the others from it; the first error is told */
static int unlock_all(struct context *context, bool for_sleep, struct json_object *unlocked,
		      struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct envelope_error first = { 0 };
	struct json_object *devices;
	size_t n;
	int r = client_call(context, "Status", NULL, &reply, e);

	if (r)
		return r;
	n = member_array(reply, "devices", &devices);
	for (size_t i = 0; i < n; i++) {
		struct json_object *d = json_object_array_get_idx(devices, i);
		bool changed;

		if (strcmp(member(d, "state"), "fenced") ||
		    (for_sleep && !member_true(d, "asleep")))
			continue;
		if (unlock_one(context, member(d, "name"), false, for_sleep, &changed, e)) {
			if (for_sleep && e->code == ENVELOPE_E_BUSY)
				continue; /* the daemon is at it */
			if (first.code == ENVELOPE_OK)
				first = *e;
			else if (!context->json)
				output_error(e);
		} else if (changed) {
			json_object_array_add(unlocked, json_object_new_string(member(d, "name")));
		}
	}
	*e = first;
	return -(int)first.code;
}

static int run_unlock(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *result = json_object_new_object();
	struct json_object *unlocked = json_object_new_array();
	bool changed = false;
	const char *name;
	int r = name_or_all(a, a->values[UNLOCK_ALL], &name, e);

	json_object_object_add(result, "unlocked", unlocked);
	if (!r && name && a->values[UNLOCK_FOR_SLEEP])
		r = envelope_fail(e, ENVELOPE_E_USAGE, "--for-sleep needs --all");
	if (!r && !name && a->values[UNLOCK_RECOVERY_KEY])
		r = envelope_fail(e, ENVELOPE_E_USAGE, "--recovery-key needs a NAME");
	if (r)
		return r;
	if (!name)
		r = unlock_all(context, a->values[UNLOCK_FOR_SLEEP], unlocked, e);
	else
		r = unlock_one(context, name, a->values[UNLOCK_RECOVERY_KEY], false, &changed, e);
	if (changed)
		json_object_array_add(unlocked, json_object_new_string(name));
	if (!r)
		output_json(context, result);
	return r;
}

const struct command command_unlock = {
	"unlock",	"NAME",	    0, 1, "Give a device that has no key its key again",
	unlock_options, run_unlock,
};
