// SPDX-License-Identifier: GPL-2.0-or-later
/* inventory, kek usage: the volumes that this host has had, and who needs a KEK. */
#include <stdio.h>

#include "command.h"

/* "0: a1; 1: b2 c1": each slot with its KEKs and their versions */
static void slots_cell(struct json_object *volume, char *cell, size_t room)
{
	struct json_object *slots, *shares;
	size_t n = member_array(volume, "slots", &slots), used = 0;

	*cell = '\0';
	for (size_t i = 0; i < n && used < room; i++) {
		struct json_object *slot = json_object_array_get_idx(slots, i);
		size_t m = member_array(slot, "shares", &shares);

		used += (size_t)snprintf(cell + used, room - used, "%s%s:", i ? "; " : "",
					 member(slot, "slot"));
		for (size_t j = 0; j < m && used < room; j++) {
			struct json_object *share = json_object_array_get_idx(shares, j);

			used += (size_t)snprintf(cell + used, room - used, " %s",
						 member(share, "kek"));
			if (used < room)
				used += (size_t)snprintf(cell + used, room - used, " %s%s",
							 member(share, "version"),
							 j + 1 < m ? "," : "");
		}
	}
}

static void print_volumes(struct json_object *volumes, size_t n)
{
	static const char *const titles[] = { "VOLUME", "DISK", "SLOTS", "HOST", "SEEN" };
	struct table *table = table_new(titles, 5);
	char slots[1024];

	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(volumes, i);
		const char *const cells[] = { member(v, "uuid"), member(v, "device"), slots,
					      member(v, "host"), member(v, "seen") };

		slots_cell(v, slots, sizeof(slots));
		table_add(table, cells);
	}
	table_print(table);
}

static int run_inventory(struct context *context, const struct arguments *a,
			 struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *volumes;
	size_t n;
	int r = client_call(context, "Inventory", NULL, &reply, e);

	if (r < 0)
		return r;
	n = member_array(reply, "volumes", &volumes);
	if (!output_json(context, reply))
		print_volumes(volumes, n);
	output_warnings(reply);
	return 0;
}

const struct command command_inventory = {
	"inventory", "", 0, 0, "The volumes that this host has had", no_options, run_inventory,
};

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
