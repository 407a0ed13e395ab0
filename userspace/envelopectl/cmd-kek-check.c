// SPDX-License-Identifier: GPL-2.0-or-later
/* kek check: a KEK is put to the proof. */
#include <stdio.h>

#include "command.h"

static void print_steps(struct json_object *reply)
{
	static const char *const titles[] = { "STEP", "RESULT", "MS", "PROBLEM" };
	struct table *table = table_new(titles, 4);
	struct json_object *steps;
	size_t n = member_array(reply, "steps", &steps);

	for (size_t i = 0; i < n; i++) {
		struct json_object *s = json_object_array_get_idx(steps, i);
		const char *const cells[] = { member(s, "name"), member(s, "state"),
					      member(s, "ms"), member(s, "problem") };

		table_add(table, cells);
	}
	table_print(table);
}

static int run_check(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();
	_cleanup_json_ struct json_object *reply = NULL;
	int r;

	add_text(parameters, "name", a->words[0]);
	r = client_call(context, "KekCheck", parameters, &reply, e);
	if (r < 0)
		return r;
	if (!output_json(context, reply)) {
		print_steps(reply);
		output_warnings(reply);
	}
	if (!member_true(reply, "well")) {
		envelope_fail(e, envelope_error_code(member(reply, "code")), "%s",
			      member(reply, "problem"));
		return envelope_cure(e, "%s", member(reply, "cure"));
	}
	if (!context->json)
		printf("KEK %s is well: what version %s wraps, it unwraps.\n", a->words[0],
		       member(reply, "version"));
	return 0;
}

const struct command command_kek_check = {
	"kek check", "NAME",	1, 1, "Prove that a KEK works, or say what is wrong",
	no_options,  run_check,
};
