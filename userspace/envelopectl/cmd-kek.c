// SPDX-License-Identifier: GPL-2.0-or-later
/* kek create, list, show, rotate, disable, enable: the service's own key store. */
#include <stdio.h>

#include "command.h"

/* A line for what the provider tells, none for what it does not */
static void print_member(struct json_object *kek, const char *title, const char *name)
{
	if (member(kek, name)[0] != '-')
		printf("%s: %s\n", title, member(kek, name));
}

static void print_kek(struct json_object *kek)
{
	static const char *const titles[] = { "VERSION", "CREATED", "NOT BEFORE", "EXPIRES",
					      "STATE" };
	struct json_object *versions;
	size_t n = member_array(kek, "versions", &versions);
	struct table *table;

	printf("KEK %s, provider %s, %s\n", member(kek, "name"), member(kek, "provider"),
	       member(kek, "state"));
	print_member(kek, "problem", "problem");
	print_member(kek, "when deleted", "recoverability");
	print_member(kek, "provider's date", "date");
	if (!n)
		return;
	table = table_new(titles, 5);
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(versions, i);
		const char *const cells[] = { member(v, "version"), member(v, "created"),
					      member(v, "not_before"), member(v, "expires"),
					      member(v, "state") };

		table_add(table, cells);
	}
	table_print(table);
}

/*
 * Ask for what concerns one KEK, NAME [VERSION]; @kek, a part of @reply, is NULL where JSON is
 * wanted
 */
static int call_for(struct context *context, const char *method, const struct arguments *a,
		    struct json_object **reply, struct json_object **kek, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();
	int r;

	*kek = NULL;
	add_text(parameters, "name", a->words[0]);
	add_text(parameters, "version", a->n > 1 ? a->words[1] : NULL);
	r = client_call(context, method, parameters, reply, e);
	if (r < 0 || output_json(context, *reply))
		return r;
	if (!json_object_object_get_ex(*reply, "kek", kek) || !*kek)
		return envelope_fail(e, ENVELOPE_E_PROTOCOL, "envelope-keyd told of no KEK");
	return 0;
}

static int run_create(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *kek;
	int r = call_for(context, "KekCreate", a, &reply, &kek, e);

	if (kek)
		printf("KEK %s: created, version %s\n", a->words[0], member(kek, "current"));
	return r;
}

static int run_rotate(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *kek;
	int r = call_for(context, "KekRotate", a, &reply, &kek, e);

	if (kek)
		printf("KEK %s: version %s is the newest; older ones still unwrap.\n"
		       "Rewrap the disks to follow: envelopectl rewrap --all\n",
		       a->words[0], member(kek, "current"));
	return r;
}

/* @effect: what comes of it, where it was not so already */
static int set_enabled(struct context *context, const char *method, const struct arguments *a,
		       const char *state, const char *effect, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *kek;
	bool all = a->n == 1;
	int r = call_for(context, method, a, &reply, &kek, e);

	if (!kek)
		return r;
	printf("KEK %s: %s%s ", a->words[0], all ? "all versions" : "version ",
	       all ? "" : a->words[1]);
	if (member_true(reply, "changed"))
		printf("%s %s. %s\n", all ? "are" : "is", state, effect);
	else
		printf("%s %s already.\n", all ? "were" : "was", state);
	return 0;
}

static int run_disable(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	return set_enabled(context, "KekDisable", a, "disabled",
			   "Disks open by it stop at keyd's next check.", e);
}

static int run_enable(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	return set_enabled(context, "KekEnable", a, "enabled", "What it wrapped, it unwraps again.",
			   e);
}

static int run_show(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *kek;
	int r = call_for(context, "KekShow", a, &reply, &kek, e);

	if (kek)
		print_kek(kek);
	return r;
}

static int run_list(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	static const char *const titles[] = { "NAME", "PROVIDER", "STATE", "CURRENT", "PROBLEM" };
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *keks;
	struct table *table;
	size_t n;
	int r = client_call(context, "KekList", NULL, &reply, e);

	if (r < 0 || output_json(context, reply))
		return r;
	n = member_array(reply, "keks", &keks);
	table = table_new(titles, 5);
	for (size_t i = 0; i < n; i++) {
		struct json_object *k = json_object_array_get_idx(keks, i);
		const char *const cells[] = { member(k, "name"), member(k, "provider"),
					      member(k, "state"), member(k, "current"),
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
const struct command command_kek_disable = {
	"kek disable", "NAME [VERSION]", 1, 2, "Let a version, or all, wrap and unwrap nothing",
	no_options,    run_disable,
};
const struct command command_kek_enable = {
	"kek enable", "NAME [VERSION]", 1, 2, "Let a version, or all, wrap and unwrap again",
	no_options,   run_enable,
};
