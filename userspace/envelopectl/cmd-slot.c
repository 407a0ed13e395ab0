// SPDX-License-Identifier: GPL-2.0-or-later
/* slot add, remove, list: the ways to a volume's key. */
#include <stdio.h>
#include <unistd.h>

#include "command.h"

void print_shares(struct json_object *shares, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct json_object *share = json_object_array_get_idx(shares, i);

		printf("    share %s:    KEK %s, version %s, %s\n", member(share, "index"),
		       member(share, "kek"), member(share, "version"), member(share, "algorithm"));
	}
}

void print_slot(struct json_object *slot)
{
	struct json_object *shares;
	size_t n = member_array(slot, "shares", &shares);

	printf("  slot %s:       token %s, %s of %zu, %s\n", member(slot, "slot"),
	       member(slot, "token"), member(slot, "threshold"), n, member(slot, "created"));
	print_shares(shares, n);
}

void policy_cells(struct json_object *slot, char needs[static COMMAND_NEEDS_MAX],
		  char keks[static COMMAND_KEKS_MAX])
{
	struct json_object *shares;
	size_t n = member_array(slot, "shares", &shares), used = 0;

	snprintf(needs, COMMAND_NEEDS_MAX, "%s of %zu", member(slot, "threshold"), n);
	*keks = '\0';
	for (size_t i = 0; i < n && used < COMMAND_KEKS_MAX; i++) {
		struct json_object *share = json_object_array_get_idx(shares, i);

		used += (size_t)snprintf(keks + used, COMMAND_KEKS_MAX - used, "%s%s",
					 i ? ", " : "", member(share, "kek"));
	}
}

enum { ADD_KEK, ADD_THRESHOLD, ADD_SET, ADD_RECOVERY_KEY, ADD_BY_RECOVERY_KEY, ADD_HEADER };

static const struct option_spec add_options[] = {
	[ADD_KEK] = { "kek", "NAME", "a KEK of the slot; may be repeated" },
	[ADD_THRESHOLD] = { "threshold", "N", "so many of the KEKs together open it (1)" },
	[ADD_SET] = { "set", "NAME", "by the KEKs and the secret of an encryption set" },
	[ADD_RECOVERY_KEY] = { "recovery-key", NULL, "by a new recovery key, printed once" },
	[ADD_BY_RECOVERY_KEY] = { "by-recovery-key", NULL,
				  "open the volume by the recovery key that is typed" },
	[ADD_HEADER] = HEADER_OPTION,
	{ NULL, NULL, NULL },
};

/* The daemon writes it to standard output itself: here it is never seen */
static int add_recovery_key(struct context *context, struct json_object *parameters,
			    struct json_object **reply, struct envelope_error *e)
{
	if (context->json)
		return envelope_fail(
			e, ENVELOPE_E_USAGE,
			"a recovery key is printed, and never in JSON: without --json");
	add_flag(parameters, "recovery_key", true);
	return client_call_passing(context, "SlotAdd", parameters, STDOUT_FILENO, reply, e);
}

static int run_add(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	struct json_object *slot;
	int r = add_disk(parameters, a, ADD_HEADER, e);

	if (r == 0)
		r = add_number(parameters, "threshold", a->values[ADD_THRESHOLD], e);
	if (r < 0)
		return r;
	add_list(parameters, "keks", a, ADD_KEK);
	add_text(parameters, "set", a->values[ADD_SET]);
	if (a->values[ADD_RECOVERY_KEY] && a->values[ADD_BY_RECOVERY_KEY])
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "one recovery key cannot be typed and another be printed at "
				     "once");
	if (a->values[ADD_RECOVERY_KEY])
		r = add_recovery_key(context, parameters, &reply, e);
	else
		r = client_call_recovering(context, "SlotAdd", parameters, "by_recovery_key",
					   a->values[ADD_BY_RECOVERY_KEY], &reply, e);
	if (r < 0 || output_json(context, reply))
		return r;
	if (a->values[ADD_RECOVERY_KEY])
		fprintf(stderr, "This recovery key opens the volume when no KEK does. It is shown "
				"this once: write it down,\nand keep it where the disk is not.\n");
	printf("%s: added, and proved to open it:\n", a->words[0]);
	if (json_object_object_get_ex(reply, "slot", &slot))
		print_slot(slot);
	return 0;
}

enum { REMOVE_FORCE, REMOVE_BY_RECOVERY_KEY, REMOVE_HEADER };

static const struct option_spec remove_options[] = {
	[REMOVE_FORCE] = { "force", NULL, "although no other slot opens it now" },
	[REMOVE_BY_RECOVERY_KEY] = { "by-recovery-key", NULL,
				     "the recovery key that is typed opens it" },
	[REMOVE_HEADER] = HEADER_OPTION,
	{ NULL, NULL, NULL },
};

static int run_remove(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	struct json_object *slots;
	size_t n;
	int r = add_disk(parameters, a, REMOVE_HEADER, e);

	if (r == 0)
		r = add_number(parameters, "slot", a->words[1], e);
	if (r < 0)
		return r;
	add_flag(parameters, "force", a->values[REMOVE_FORCE]);
	r = client_call_recovering(context, "SlotRemove", parameters, "by_recovery_key",
				   a->values[REMOVE_BY_RECOVERY_KEY], &reply, e);
	if (r < 0 || output_json(context, reply))
		return r;
	n = member_array(reply, "slots", &slots);
	printf("%s: slot %s is removed; header backups and copies of the disk have it still.\n"
	       "What is left:\n",
	       a->words[0], a->words[1]);
	for (size_t i = 0; i < n; i++)
		print_slot(json_object_array_get_idx(slots, i));
	return 0;
}

static const struct option_spec list_options[] = {
	HEADER_OPTION,
	{ NULL, NULL, NULL },
};

static int run_list(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	static const char *const titles[] = { "SLOT", "NEEDS", "KEKS", "CREATED" };
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	struct json_object *slots;
	struct table *table;
	size_t n;
	int r = add_disk(parameters, a, 0, e);

	if (r == 0)
		r = client_call(context, "Dump", parameters, &reply, e);
	if (r < 0 || output_json(context, reply))
		return r;
	n = member_array(reply, "slots", &slots);
	table = table_new(titles, 4);
	for (size_t i = 0; i < n; i++) {
		struct json_object *slot = json_object_array_get_idx(slots, i);
		char needs[COMMAND_NEEDS_MAX], keks[COMMAND_KEKS_MAX];
		const char *const cells[] = { member(slot, "slot"), needs, keks,
					      member(slot, "created") };

		policy_cells(slot, needs, keks);
		table_add(table, cells);
	}
	table_print(table);
	return 0;
}

const struct command command_slot_add = {
	"slot add",  "DEVICE", 1, 1, "One more way to its key: by other KEKs, or more of them",
	add_options, run_add,
};
const struct command command_slot_remove = {
	"slot remove",	"DEVICE SLOT", 2, 2, "Take a way to its key away; another must open it",
	remove_options, run_remove,
};
const struct command command_slot_list = {
	"slot list", "DEVICE", 1, 1, "The ways to its key", list_options, run_list,
};
