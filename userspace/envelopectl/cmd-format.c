// SPDX-License-Identifier: GPL-2.0-or-later
/* format, rewrap, erase: what changes a header. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

enum { FORMAT_KEK, FORMAT_LABEL, FORMAT_UUID, FORMAT_SECTOR_SIZE, FORMAT_FORCE, FORMAT_ACCEPT_NEW };

static const struct option_spec format_options[] = {
	[FORMAT_KEK] = { "kek", "NAME", "the KEK that wraps its key (default)" },
	[FORMAT_LABEL] = { "label", "TEXT", "of the volume, for LABEL=" },
	[FORMAT_UUID] = { "uuid", "UUID", "of the volume, instead of a fresh one" },
	[FORMAT_SECTOR_SIZE] = { "sector-size", "BYTES", "of encryption: 512 to 4096" },
	[FORMAT_FORCE] = { "force", NULL, "destroy what the device holds" },
	[FORMAT_ACCEPT_NEW] = { "accept-new", NULL,
				"although the host trusts another of this uuid" },
	{ NULL, NULL, NULL },
};

static void add_text(struct json_object *parameters, const char *name, const char *value)
{
	if (value)
		json_object_object_add(parameters, name, json_object_new_string(value));
}

static void add_flag(struct json_object *parameters, const char *name, const char *value)
{
	if (value)
		json_object_object_add(parameters, name, json_object_new_boolean(true));
}

static struct json_object *device_parameters(const char *spec, struct envelope_error *e)
{
	struct json_object *parameters;
	char *path;

	if (arguments_device(spec, &path, e) < 0)
		return NULL;
	parameters = json_object_new_object();
	add_text(parameters, "device", path);
	free(path);
	return parameters;
}

static int run_format(const struct context *context, const struct arguments *a,
		      struct envelope_error *e)
{
	struct json_object *parameters = device_parameters(a->words[0], e);
	_cleanup_json_ struct json_object *reply = NULL;
	int r;

	if (!parameters)
		return -(int)e->code;
	add_text(parameters, "kek", a->values[FORMAT_KEK]);
	add_text(parameters, "label", a->values[FORMAT_LABEL]);
	add_text(parameters, "uuid", a->values[FORMAT_UUID]);
	add_flag(parameters, "force", a->values[FORMAT_FORCE]);
	add_flag(parameters, "accept_new", a->values[FORMAT_ACCEPT_NEW]);
	r = arguments_number(a, FORMAT_SECTOR_SIZE, "sector_size", parameters, e);
	if (r < 0) {
		json_object_put(parameters);
		return r;
	}
	r = client_call(context, "Format", parameters, &reply, e);
	if (r < 0)
		return r;
	if (context->json) {
		output_json(reply);
		return 0;
	}
	printf("%s: formatted as volume %s\n", a->words[0], member(reply, "uuid"));
	printf("its key is wrapped by KEK %s, version %s%s\n", member(reply, "kek"),
	       member(reply, "version"),
	       member_true(reply, "created_kek") ? ", which was created for it" : "");
	output_warnings(context, reply);
	return 0;
}

const struct command command_format = {
	"format",	"DEVICE",   1, 1, "Make a volume: a fresh data key, wrapped by a KEK",
	format_options, run_format,
};

static const struct option_spec no_options[] = { { NULL, NULL, NULL } };

static int run_rewrap(const struct context *context, const struct arguments *a,
		      struct envelope_error *e)
{
	struct json_object *parameters = device_parameters(a->words[0], e);
	_cleanup_json_ struct json_object *reply = NULL;
	int r;

	if (!parameters)
		return -(int)e->code;
	r = client_call(context, "Rewrap", parameters, &reply, e);
	if (r < 0)
		return r;
	if (context->json)
		output_json(reply);
	else if (member_true(reply, "changed"))
		printf("%s: rewrapped to the newest version of its KEK; the data is untouched\n",
		       a->words[0]);
	else
		printf("%s: wrapped by the newest version of its KEK already\n", a->words[0]);
	return 0;
}

const struct command command_rewrap = {
	"rewrap",   "DEVICE",	1, 1, "Wrap its key by the newest version of its KEK",
	no_options, run_rewrap,
};

enum { ERASE_CONFIRM };

static const struct option_spec erase_options[] = {
	[ERASE_CONFIRM] = { "confirm", "UUID", "of the volume, instead of typing it" },
	{ NULL, NULL, NULL },
};

/* The uuid as it was typed; nothing else will do */
static int confirm(const char *device, struct json_object *dump, const char *given,
		   struct envelope_error *e)
{
	const char *uuid = member(dump, "uuid");
	char typed[64];

	if (!given) {
		fprintf(stderr,
			"%s: volume %s, label %s.\n"
			"Every way to its key will be destroyed, header backups on this host too:\n"
			"the data is lost for ever. Type the volume's uuid to go on: ",
			device, uuid, member(dump, "label"));
		given = fgets(typed, sizeof(typed), stdin) ? typed : "";
		typed[strcspn(typed, "\n")] = '\0';
	}
	if (strcmp(given, uuid))
		return envelope_fail(e, ENVELOPE_E_CANCELED, "%s: not erased: that is not its uuid",
				     device);
	return 0;
}

static int run_erase(const struct context *context, const struct arguments *a,
		     struct envelope_error *e)
{
	struct json_object *parameters = device_parameters(a->words[0], e);
	_cleanup_json_ struct json_object *dump = NULL, *reply = NULL;
	int r;

	if (!parameters)
		return -(int)e->code;
	r = client_call(context, "Dump", json_object_get(parameters), &dump, e);
	if (r == 0)
		r = confirm(a->words[0], dump, a->values[ERASE_CONFIRM], e);
	if (r < 0) {
		json_object_put(parameters);
		return r;
	}
	add_text(parameters, "uuid", member(dump, "uuid"));
	r = client_call(context, "Erase", parameters, &reply, e);
	if (r < 0)
		return r;
	if (context->json)
		output_json(reply);
	else
		printf("%s: erased: %s slots and %s header backups destroyed\n", a->words[0],
		       member(reply, "slots"), member(reply, "backups"));
	return 0;
}

const struct command command_erase = {
	"erase",       "DEVICE",  1, 1, "Destroy every way to its key, after a confirmation",
	erase_options, run_erase,
};
