// SPDX-License-Identifier: GPL-2.0-or-later
/* kek create, list, show, rotate: the service's own key store. */
#include <stdio.h>

#include "command.h"

static const struct option_spec no_options[] = { { NULL, NULL, NULL } };

static void print_kek(struct json_object *kek)
{
	static const char *const titles[] = { "VERSION", "CREATED", "STATE" };
	struct json_object *versions;
	struct table *table;

	printf("KEK %s, provider %s, %s\n", member(kek, "name"), member(kek, "provider"),
	       member(kek, "state"));
	if (member(kek, "problem")[0] != '-')
		printf("problem: %s\n", member(kek, "problem"));
	if (!json_object_object_get_ex(kek, "versions", &versions) ||
	    !json_object_array_length(versions))
		return;
	table = table_new(titles, 3);
	for (size_t i = 0; i < json_object_array_length(versions); i++) {
		struct json_object *v = json_object_array_get_idx(versions, i);
		const char *const cells[] = { member(v, "version"), member(v, "created"),
					      member(v, "state") };

		table_add(table, cells);
	}
	table_print(table);
}

static int call_for(const struct context *context, const char *method, const char *name,
		    struct json_object **reply, struct json_object **kek, struct envelope_error *e)
{
	struct json_object *parameters = json_object_new_object();
	int r;

	json_object_object_add(parameters, "name", json_object_new_string(name));
	r = client_call(context, method, parameters, reply, e);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(*reply, "kek", kek))
		return envelope_fail(e, ENVELOPE_E_PROTOCOL, "envelope-keyd told of no KEK");
	if (context->json)
		output_json(*reply);
	return 0;
}

static int run_create(const struct context *context, const struct arguments *a,
		      struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *kek;
	int r = call_for(context, "KekCreate", a->words[0], &reply, &kek, e);

	if (r == 0 && !context->json)
		printf("KEK %s: created, version %s\n", a->words[0], member(kek, "newest"));
	return r;
}

static int run_rotate(const struct context *context, const struct arguments *a,
		      struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *kek;
	int r = call_for(context, "KekRotate", a->words[0], &reply, &kek, e);

	if (r == 0 && !context->json)
		printf("KEK %s: version %s is the newest; older ones still unwrap.\n"
		       "Rewrap each disk to follow: envelopectl rewrap DEVICE\n",
		       a->words[0], member(kek, "newest"));
	return r;
}

static int run_show(const struct context *context, const struct arguments *a,
		    struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *kek;
	int r = call_for(context, "KekShow", a->words[0], &reply, &kek, e);

	if (r == 0 && !context->json)
		print_kek(kek);
	return r;
}

static int run_list(const struct context *context, const struct arguments *a,
		    struct envelope_error *e)
{
	static const char *const titles[] = { "NAME", "PROVIDER", "STATE", "NEWEST", "PROBLEM" };
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *keks = NULL;
	struct table *table;
	int r = client_call(context, "KekList", NULL, &reply, e);

	if (r < 0)
		return r;
	if (context->json) {
		output_json(reply);
		return 0;
	}
	json_object_object_get_ex(reply, "keks", &keks);
	table = table_new(titles, 5);
	for (size_t i = 0; i < json_object_array_length(keks); i++) {
		struct json_object *k = json_object_array_get_idx(keks, i);
		const char *const cells[] = { member(k, "name"), member(k, "provider"),
					      member(k, "state"), member(k, "newest"),
					      member(k, "problem") };

		table_add(table, cells);
	}
	table_print(table);
	return 0;
}

const struct command command_kek_create = {
	"kek create", "NAME", 1, 1, "Make a KEK in the service's key store", no_options, run_create,
};
const struct command command_kek_list = {
	"kek list", "", 0, 0, "The KEKs this host declares", no_options, run_list,
};
const struct command command_kek_show = {
	"kek show", "NAME", 1, 1, "A KEK and its versions", no_options, run_show,
};
const struct command command_kek_rotate = {
	"kek rotate", "NAME",	  1, 1, "Add a version; older ones still unwrap",
	no_options,   run_rotate,
};
