// SPDX-License-Identifier: GPL-2.0-or-later
/* Encryption sets: made, listed, shown. */
#include <stdlib.h>
#include <string.h>

#include "kek.h"
#include "log.h"
#include "op.h"
#include "policy.h"
#include "set.h"
#include "sets.h"

static struct json_object *describe(const char *name, const struct envelope_token *set)
{
	struct json_object *object = json_object_new_object();

	op_add_text(object, "name", name);
	op_add_text(object, "uuid", set->uuid);
	op_add_policy(object, set);
	return object;
}

static void add_set(struct json_object **result, const char *name, const struct envelope_token *set)
{
	*result = json_object_new_object();
	json_object_object_add(*result, "set", describe(name, set));
}

int op_set_create(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { "name", "keks", "threshold", NULL };
	char name[ENVELOPE_KEK_NAME_MAX + 1], by[256];
	struct envelope_token set;
	struct policy policy;
	int r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "name", true, name, sizeof(name), e);
	if (!r)
		r = policy_read(op, &policy, e);
	if (!r && !policy.n)
		r = envelope_fail(e, ENVELOPE_E_USAGE, "a set needs a KEK");
	if (!r)
		r = kek_ensure_all(op, &policy, false, e);
	if (r)
		return r;
	policy_text(&policy, by, sizeof(by));
	op_step(op, "wrapping the secret of the set by %s", by);
	r = set_make(op, name, &policy, &set, e);
	if (r)
		return r;
	log_line(LOG_NOTICE, &(struct log_fields) { .id = LOG_ID_SET, .kek = policy.keks[0] },
		 "encryption set %s is made, by %s", name, by);
	add_set(result, name, &set);
	return 0;
}

int op_set_rewrap(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { "name", "keks", "threshold", "dry_run", NULL };
	char name[ENVELOPE_KEK_NAME_MAX + 1];
	bool dry_run = false, due;
	uint32_t threshold = 0;
	struct envelope_token set;
	struct policy policy;
	int r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "name", true, name, sizeof(name), e);
	if (!r)
		r = policy_read(op, &policy, e);
	if (!r)
		r = op_number(op, "threshold", ENVELOPE_SHARES_MAX, &threshold, e);
	if (!r && threshold && !policy.n) {
		envelope_fail(e, ENVELOPE_E_USAGE, "set %s: a threshold is that of KEKs", name);
		r = envelope_cure(e, "name all that it is to have: --kek");
	}
	if (!r)
		r = op_bool(op, "dry_run", &dry_run, e);
	if (!r)
		r = kek_ensure_all(op, &policy, dry_run, e);
	if (!r)
		r = set_renew(op, name, policy.n ? &policy : NULL, dry_run, &due, &set, e);
	if (r)
		return r;
	add_set(result, name, &set);
	op_add_bool(*result, "due", due);
	op_add_bool(*result, "changed", due && !dry_run);
	return 0;
}

int op_set_show(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { "name", NULL };
	char name[ENVELOPE_KEK_NAME_MAX + 1];
	struct envelope_token set;
	int r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "name", true, name, sizeof(name), e);
	if (!r)
		r = envelope_set_load(op->manager->sets_dir, name, &set, e);
	if (!r)
		add_set(result, name, &set);
	return r;
}

/* One that is damaged is listed with its problem */
static struct json_object *list_entry(struct op *op, const char *name)
{
	struct envelope_error e = {};
	struct envelope_token set = {};
	int r = envelope_set_load(op->manager->sets_dir, name, &set, &e);
	struct json_object *object = describe(name, &set);

	op_add_text(object, "problem", r ? e.message : NULL);
	return object;
}

int op_set_list(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { NULL };
	struct json_object *sets;
	char **names;
	int r = op_known(op, known, e);

	if (!r)
		r = envelope_set_list(op->manager->sets_dir, &names, e);
	if (r)
		return r;
	sets = json_object_new_array();
	for (char **name = names; *name; name++) {
		json_object_array_add(sets, list_entry(op, *name));
		free(*name);
	}
	free(names);
	*result = json_object_new_object();
	json_object_object_add(*result, "sets", sets);
	return 0;
}
