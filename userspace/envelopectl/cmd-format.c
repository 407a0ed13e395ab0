// SPDX-License-Identifier: GPL-2.0-or-later
/* format, clone-fix, erase: what changes a header. */
#include <stdio.h>
#include <string.h>

#include "command.h"

enum {
	FORMAT_KEK,
	FORMAT_THRESHOLD,
	FORMAT_SET,
	FORMAT_LABEL,
	FORMAT_UUID,
	FORMAT_SECTOR_SIZE,
	FORMAT_FORCE,
	FORMAT_ACCEPT_NEW,
	FORMAT_HEADER,
};

static const struct option_spec format_options[] = {
	[FORMAT_KEK] = { "kek", "NAME", "a KEK that wraps its key (default); may be repeated" },
	[FORMAT_THRESHOLD] = { "threshold", "N", "so many of the KEKs together open it (1)" },
	[FORMAT_SET] = { "set", "NAME", "make it one of an encryption set" },
	[FORMAT_LABEL] = { "label", "TEXT", "of the volume, for LABEL=" },
	[FORMAT_UUID] = { "uuid", "UUID", "of the volume, instead of a fresh one" },
	[FORMAT_SECTOR_SIZE] = { "sector-size", "BYTES", "of encryption: 512 to 4096" },
	[FORMAT_FORCE] = { "force", NULL, "destroy what the device holds" },
	[FORMAT_ACCEPT_NEW] = { "accept-new", NULL,
				"although the host trusts another of this uuid" },
	[FORMAT_HEADER] = HEADER_OPTION,
	{ NULL, NULL, NULL },
};

static int run_format(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	struct json_object *slot;
	int r = add_disk(parameters, a, FORMAT_HEADER, e);

	if (r == 0)
		r = add_number(parameters, "sector_size", a->values[FORMAT_SECTOR_SIZE], e);
	if (r == 0)
		r = add_number(parameters, "threshold", a->values[FORMAT_THRESHOLD], e);
	if (r < 0)
		return r;
	add_list(parameters, "keks", a, FORMAT_KEK);
	add_text(parameters, "set", a->values[FORMAT_SET]);
	add_text(parameters, "label", a->values[FORMAT_LABEL]);
	add_text(parameters, "uuid", a->values[FORMAT_UUID]);
	add_flag(parameters, "force", a->values[FORMAT_FORCE]);
	add_flag(parameters, "accept_new", a->values[FORMAT_ACCEPT_NEW]);
	r = client_call(context, "Format", parameters, &reply, e);
	if (r < 0)
		return r;
	if (!output_json(context, reply)) {
		printf("%s: formatted as volume %s\n", a->words[0], member(reply, "uuid"));
		if (json_object_object_get_ex(reply, "slot", &slot))
			print_slot(slot);
		if (member_true(reply, "created_kek"))
			printf("KEK default was created for it\n");
	}
	output_warnings(reply);
	return 0;
}

const struct command command_format = {
	"format",	"DEVICE",   1, 1, "Make a volume: a fresh data key, wrapped by a KEK",
	format_options, run_format,
};

enum { CLONE_ACCEPT_NEW, CLONE_HEADER };

static const struct option_spec clone_options[] = {
	[CLONE_ACCEPT_NEW] = { "accept-new", NULL, "of a volume that this host does not know" },
	[CLONE_HEADER] = HEADER_OPTION,
	{ NULL, NULL, NULL },
};

static int run_clone_fix(struct context *context, const struct arguments *a,
			 struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	int r = add_disk(parameters, a, CLONE_HEADER, e);

	add_flag(parameters, "accept_new", a->values[CLONE_ACCEPT_NEW]);
	if (r == 0)
		r = client_call(context, "CloneFix", parameters, &reply, e);
	if (r < 0)
		return r;
	if (!output_json(context, reply))
		printf("%s: volume %s from now on, and no copy of %s any more; its data is "
		       "untouched\n",
		       a->words[0], member(reply, "uuid"), member(reply, "was"));
	output_warnings(reply);
	return 0;
}

const struct command command_clone_fix = {
	"clone-fix",   "DEVICE",      1, 1, "Give the copy of a volume a uuid and slots of its own",
	clone_options, run_clone_fix,
};

enum { ERASE_CONFIRM, ERASE_HEADER };

static const struct option_spec erase_options[] = {
	[ERASE_CONFIRM] = { "confirm", "UUID", "of the volume, instead of typing it" },
	[ERASE_HEADER] = HEADER_OPTION,
	{ NULL, NULL, NULL },
};

/* The uuid as it was typed; nothing else will do */
static int confirm(const char *device, struct json_object *dump, const char *given,
		   struct envelope_error *e)
{
	const char *uuid = member(dump, "uuid");
	struct json_object *slots;
	char typed[64];

	if (!given) {
		fprintf(stderr,
			"%s: volume %s, label %s, slots: %zu. Key slots of cryptsetup's: %s.\n"
			"Every way to its key will be destroyed, header backups on this host too:\n"
			"the data is lost for ever. Type the volume's uuid to go on: ",
			device, uuid, member(dump, "label"), member_array(dump, "slots", &slots),
			member(dump, "keyslots"));
		given = fgets(typed, sizeof(typed), stdin) ? typed : "";
		typed[strcspn(typed, "\n")] = '\0';
	}
	if (strcmp(given, uuid))
		return envelope_fail(e, ENVELOPE_E_CANCELED, "%s: not erased: that is not its uuid",
				     device);
	return 0;
}

static int run_erase(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();
	_cleanup_json_ struct json_object *dump = NULL, *reply = NULL;
	int r = add_disk(parameters, a, ERASE_HEADER, e);

	if (r == 0)
		r = client_call(context, "Dump", parameters, &dump, e);
	if (r == 0)
		r = confirm(a->words[0], dump, a->values[ERASE_CONFIRM], e);
	if (r < 0)
		return r;
	add_text(parameters, "uuid", member(dump, "uuid"));
	r = client_call(context, "Erase", parameters, &reply, e);
	if (r < 0 || output_json(context, reply))
		return r;
	printf("%s: erased; destroyed slots: %s, header backups: %s\n", a->words[0],
	       member(reply, "slots"), member(reply, "backups"));
	return 0;
}

const struct command command_erase = {
	"erase",       "DEVICE",  1, 1, "Destroy every way to its key, after a confirmation",
	erase_options, run_erase,
};
