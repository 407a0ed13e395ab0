// SPDX-License-Identifier: GPL-2.0-or-later
/* set create, list, show: volumes that one unwrap opens. */
#include <stdio.h>

#include "command.h"

static void print_set(struct json_object *set)
{
	struct json_object *shares;
	size_t n = member_array(set, "shares", &shares);

	printf("set %s, %s of %zu, %s\n", member(set, "name"), member(set, "threshold"), n,
	       member(set, "created"));
	print_shares(shares, n);
}

static int run_named(struct context *context, const char *method, struct json_object *parameters,
		     struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *set;
	int r = client_call(context, method, parameters, &reply, e);

	if (r < 0 || output_json(context, reply))
		return r;
	if (json_object_object_get_ex(reply, "set", &set))
		print_set(set);
	return 0;
}

enum { CREATE_KEK, CREATE_THRESHOLD };

static const struct option_spec create_options[] = {
	[CREATE_KEK] = { "kek", "NAME", "a KEK of the set; may be repeated" },
	[CREATE_THRESHOLD] = { "threshold", "N", "so many of the KEKs together open it (1)" },
	{ NULL, NULL, NULL },
};

static int run_create(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();
	int r = add_number(parameters, "threshold", a->values[CREATE_THRESHOLD], e);

	if (r < 0)
		return r;
	add_text(parameters, "name", a->words[0]);
	add_list(parameters, "keks", a, CREATE_KEK);
	return run_named(context, "SetCreate", parameters, e);
}

static int run_show(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();

	add_text(parameters, "name", a->words[0]);
	return run_named(context, "SetShow", parameters, e);
}

static int run_list(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	static const char *const titles[] = { "NAME", "NEEDS", "KEKS", "CREATED", "PROBLEM" };
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *sets;
	struct table *table;
	size_t n;
	int r = client_call(context, "SetList", NULL, &reply, e);

	if (r < 0 || output_json(context, reply))
		return r;
	n = member_array(reply, "sets", &sets);
	table = table_new(titles, 5);
	for (size_t i = 0; i < n; i++) {
		struct json_object *set = json_object_array_get_idx(sets, i);
		char needs[COMMAND_NEEDS_MAX], keks[COMMAND_KEKS_MAX];
		const char *const cells[] = { member(set, "name"), needs, keks,
					      member(set, "created"), member(set, "problem") };

		policy_cells(set, needs, keks);
		table_add(table, cells);
	}
	table_print(table);
	return 0;
}

const struct command command_set_create = {
	"set create",	"NAME",	    1, 1, "An encryption set: volumes that one unwrap opens",
	create_options, run_create,
};
const struct command command_set_list = {
	"set list", "", 0, 0, "The encryption sets of this host", no_options, run_list,
};
const struct command command_set_show = {
	"set show", "NAME", 1, 1, "An encryption set and its KEKs", no_options, run_show,
};
