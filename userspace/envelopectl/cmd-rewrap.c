// SPDX-License-Identifier: GPL-2.0-or-later
/* rewrap: the same key in fresh slots, of one volume or of many. */
#include <stdio.h>

#include "command.h"

#define JOBS_DEFAULT 4

enum {
	REWRAP_KEK,
	REWRAP_THRESHOLD,
	REWRAP_SET,
	REWRAP_SLOT,
	REWRAP_ALL,
	REWRAP_JOBS,
	REWRAP_DRY_RUN,
	REWRAP_HEADER
};

static const struct option_spec rewrap_options[] = {
	[REWRAP_KEK] = { "kek", "NAME", "by this KEK instead; may be repeated" },
	[REWRAP_THRESHOLD] = { "threshold", "N", "so many of its KEKs together open it" },
	[REWRAP_SET] = { "set", "NAME",
			 "make it one of a set; without DEVICE: a set, and all of it" },
	[REWRAP_SLOT] = { "slot", "N", "which slot, where it has more than one of KEKs" },
	[REWRAP_ALL] = { "all", NULL, "every volume of the inventory" },
	[REWRAP_JOBS] = { "jobs", "N", "of many volumes so many at once (4)" },
	[REWRAP_DRY_RUN] = { "dry-run", NULL, "only tell what would be done" },
	[REWRAP_HEADER] = HEADER_OPTION,
	{ NULL, NULL, NULL },
};

void print_rewrap(const char *device, struct json_object *reply, bool dry_run, bool with_slots)
{
	struct json_object *due, *slots;
	size_t n = member_array(reply, "due", &due);

	if (!n) {
		printf("%s: wrapped as it is to be already; nothing was written\n", device);
		return;
	}
	printf("%s: slot%s", device, n > 1 ? "s" : "");
	for (size_t i = 0; i < n; i++)
		printf("%s %s", i ? "," : "",
		       json_object_get_string(json_object_array_get_idx(due, i)));
	if (dry_run)
		printf(" would be rewrapped; nothing was written\n");
	else
		printf(" rewrapped; the data is untouched%s\n", with_slots ? ":" : "");
	n = dry_run || !with_slots ? 0 : member_array(reply, "slots", &slots);
	for (size_t i = 0; i < n; i++)
		print_slot(json_object_array_get_idx(slots, i));
}

static int rewrap_one(struct context *context, const struct arguments *a,
		      struct json_object *parameters, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	int r = add_disk(parameters, a, REWRAP_HEADER, e);

	if (r == 0)
		r = add_number(parameters, "slot", a->values[REWRAP_SLOT], e);
	add_text(parameters, "set", a->values[REWRAP_SET]);
	if (r == 0)
		r = client_call(context, "Rewrap", parameters, &reply, e);
	if (r == 0 && !output_json(context, reply))
		print_rewrap(a->words[0], reply, a->values[REWRAP_DRY_RUN], true);
	return r;
}

/* Its secret, by which its volumes are then wrapped */
static int rewrap_set(struct context *context, const struct arguments *a,
		      struct json_object *parameters, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	const char *set = a->values[REWRAP_SET];
	int r;

	add_text(parameters, "name", set);
	r = client_call(context, "SetRewrap", parameters, &reply, e);
	if (r < 0 || context->json)
		return r;
	printf("set %s: %s\n", set,
	       member_true(reply, "changed") ? "its secret is another now"
	       : member_true(reply, "due")   ? "its secret would be another; nothing was written"
					     : "wrapped as it is to be already");
	return 0;
}

static int rewrap_several(struct context *context, const struct arguments *a,
			  struct json_object *parameters, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *of_each = json_object_new_object();
	const char *set = a->values[REWRAP_SET];
	unsigned int jobs = JOBS_DEFAULT;
	int r = 0;

	if (a->values[REWRAP_JOBS])
		r = parse_number(a->values[REWRAP_JOBS], &jobs, e);
	if (r < 0)
		return r;
	if (!jobs || jobs > REWRAP_JOBS_MAX)
		return envelope_fail(e, ENVELOPE_E_USAGE, "--jobs is 1 to %d", REWRAP_JOBS_MAX);
	if (!set)
		return rewrap_many(context, NULL, parameters, jobs, e);
	r = rewrap_set(context, a, parameters, e);
	add_flag(of_each, "dry_run", a->values[REWRAP_DRY_RUN]);
	return r ? r : rewrap_many(context, set, of_each, jobs, e);
}

/* Which volumes? */
static int check(const struct arguments *a, struct envelope_error *e)
{
	bool all = a->values[REWRAP_ALL], set = a->values[REWRAP_SET];

	if (!a->n && !all && !set)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "rewrap: it takes DEVICE, --set or --all");
	if (all && (a->n || set))
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "--all is every volume: without DEVICE and --set");
	if (a->n)
		return a->values[REWRAP_JOBS]
			       ? envelope_fail(e, ENVELOPE_E_USAGE, "--jobs is for many volumes")
			       : 0;
	if (a->values[REWRAP_SLOT] || a->values[REWRAP_HEADER])
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "--slot and --header are those of one DEVICE");
	return 0;
}

static int run_rewrap(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();
	int r = check(a, e);

	if (r == 0)
		r = add_number(parameters, "threshold", a->values[REWRAP_THRESHOLD], e);
	if (r < 0)
		return r;
	add_list(parameters, "keks", a, REWRAP_KEK);
	add_flag(parameters, "dry_run", a->values[REWRAP_DRY_RUN]);
	return a->n ? rewrap_one(context, a, parameters, e)
		    : rewrap_several(context, a, parameters, e);
}

const struct command command_rewrap = {
	"rewrap",	"[DEVICE]", 0, 1, "Wrap its key by the newest versions, or by other KEKs",
	rewrap_options, run_rewrap,
};
