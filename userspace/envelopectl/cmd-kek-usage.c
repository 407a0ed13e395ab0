// SPDX-License-Identifier: GPL-2.0-or-later
/* kek usage: who still needs a KEK. */
#include <stdio.h>

#include "command.h"

/* Where that is, which needs it */
static const char *where(struct json_object *use)
{
	return member(use, json_object_object_get(use, "device") ? "device" : "name");
}

static void print_uses(struct json_object *uses, size_t n)
{
	static const char *const titles[] = { "VERSION", "WHAT", "VOLUME", "SLOT",
					      "WHERE",	 "HOST", "SEEN" };
	struct table *table = table_new(titles, 7);

	for (size_t i = 0; i < n; i++) {
		struct json_object *use = json_object_array_get_idx(uses, i);
		const char *const cells[] = {
			member(use, "version"), member(use, "kind"), member(use, "uuid"),
			member(use, "slot"),	where(use),	     member(use, "host"),
			member(use, "seen")
		};

		table_add(table, cells);
	}
	table_print(table);
}

static int run_usage(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	struct json_object *uses;
	size_t n;
	int r;

	add_text(parameters, "name", a->words[0]);
	add_text(parameters, "version", a->n > 1 ? a->words[1] : NULL);
	r = client_call(context, "KekUsage", parameters, &reply, e);
	if (r < 0)
		return r;
	if (!output_json(context, reply)) {
		n = member_array(reply, "uses", &uses);
		if (n)
			print_uses(uses, n);
		else
			printf("KEK %s: nothing that this host knows needs %s\n", a->words[0],
			       a->n > 1 ? "this version" : "it");
	}
	output_warnings(reply);
	return 0;
}

const struct command command_kek_usage = {
	"kek usage", "NAME [VERSION]", 1, 2, "Who needs it, as far as this host knows",
	no_options,  run_usage,
};
