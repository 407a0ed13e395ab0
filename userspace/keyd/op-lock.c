// SPDX-License-Identifier: GPL-2.0-or-later
/* Lock: take keys away, from one mapping or from all, until somebody says unlock. */
#include <stdio.h>
#include <string.h>

#include "broker-client.h"
#include "caches.h"
#include "device.h"
#include "lease.h"
#include "log.h"
#include "op.h"
#include "stock.h"

struct lock {
	struct op *op;
	char name[TABLE_NAME_MAX + 1]; /* "": all */
	bool drop_caches;
	bool sleep;		   /* only what is to be locked when the machine sleeps */
	struct json_object *taken; /* names of those whose keys are to go */
	struct json_object *locked, *warnings;
	struct envelope_error *e; /* the first one */
};

static int read_parameters(struct lock *l, struct envelope_error *e)
{
	static const char *const known[] = { "name", "all", "drop_caches", "sleep", NULL };
	bool all = false;
	int r = op_known(l->op, known, e);

	if (!r)
		r = op_text(l->op, "name", false, l->name, sizeof(l->name), e);
	if (!r)
		r = op_bool(l->op, "all", &all, e);
	if (!r)
		r = op_bool(l->op, "drop_caches", &l->drop_caches, e);
	if (!r)
		r = op_bool(l->op, "sleep", &l->sleep, e);
	if (r)
		return r;
	if (all == !!*l->name)
		return envelope_fail(e, ENVELOPE_E_USAGE, "either a name or all");
	return *l->name ? envelope_name_check(l->name, e) : 0;
}

/* What goes wrong with one keeps no other its key */
static void remember(struct lock *l, const struct envelope_error *e)
{
	if (l->e->code == ENVELOPE_OK)
		*l->e = *e;
}

/* The target notices within a second: of all, before the first is waited for */
static int take_one(const char *name, const struct device_info *info, void *data)
{
	struct lock *l = data;
	const struct device *device = device_find((struct manager *)l->op->manager, name);
	struct envelope_error e = {};

	if (l->sleep && (!device || !lease_for_sleep(device) || lease_is_locked(device)))
		return 0;
	if (broker_lock(l->op, name, l->sleep, &e))
		remember(l, &e);
	json_object_array_add(l->taken, json_object_new_string(name));
	return 0;
}

/* It is said to be locked when every copy of the key is gone, which the message waits for */
static void wipe_one(struct lock *l, const char *name)
{
	struct envelope_error e = {};
	int r = device_message(name, "key wipe", &e);

	if (r == -ENVELOPE_E_NOT_FOUND)
		return; /* closed meanwhile, and its key went with it */
	if (r) {
		remember(l, &e);
		return;
	}
	log_line(LOG_NOTICE, &(struct log_fields) { .id = LOG_ID_LOCKED, .device = name },
		 "%s is locked", name);
	json_object_array_add(l->locked, json_object_new_string(name));
}

static void wipe_taken(struct lock *l)
{
	size_t n = json_object_array_length(l->taken);

	for (size_t i = 0; i < n; i++)
		wipe_one(l, json_object_get_string(json_object_array_get_idx(l->taken, i)));
}

static int cannot_lock(const char *name, const struct device_info *info, void *data)
{
	struct lock *l = data;

	op_warn(l->warnings,
		"%s: dm-crypt has its key, which nobody takes away: envelopectl close %s", name,
		name);
	log_line(LOG_WARNING, &(struct log_fields) { .id = LOG_ID_LOCKED, .device = name },
		 "%s is not locked: dm-crypt has its key", name);
	return 0;
}

static int find_one(struct lock *l, struct device_info *info, struct envelope_error *e)
{
	int r = device_ours(l->name, info, e);

	if (!r || !stock_is(l->op, l->name, info))
		return r;
	envelope_fail(e, ENVELOPE_E_UNSUPPORTED,
		      "%s: dm-crypt has its key, which nobody takes away", l->name);
	return envelope_cure(e, "envelopectl close %s", l->name);
}

static int lock_every(struct lock *l, struct envelope_error *e)
{
	int r = device_each(take_one, l, e);

	wipe_taken(l);
	return r ? r : stock_each(l->op, cannot_lock, l, e);
}

/* What is written to disk can be dropped. No disk keeps a key by that it takes its time */
static void write_caches(struct lock *l)
{
	struct envelope_error e = {};
	int r;

	op_step(l->op, "writing what the page cache holds");
	r = caches_write(&e);
	if (r > 0)
		op_warn(l->warnings,
			"what the page cache holds stays there: a disk did not take it within %d s",
			CACHES_PATIENCE_S);
	else if (r)
		op_warn(l->warnings, "what the page cache holds is not written: %s", e.message);
}

static int drop_caches(struct lock *l, struct envelope_error *e)
{
	int r = caches_drop(e);

	if (r <= 0)
		return r;
	op_warn(l->warnings, "the page cache is not dropped within %d s: a disk does not answer",
		CACHES_PATIENCE_S);
	return 0;
}

static int lock_all(struct lock *l, struct envelope_error *e)
{
	struct device_info info;
	int r;

	if (l->drop_caches)
		write_caches(l);
	r = *l->name ? find_one(l, &info, e) : lock_every(l, e);
	if (!r && *l->name) {
		take_one(l->name, &info, l);
		wipe_taken(l);
	}
	if (!r && l->drop_caches)
		r = drop_caches(l, e);
	return r ? r : -(int)l->e->code;
}

int op_lock(struct op *op, struct json_object **result, struct envelope_error *e)
{
	struct envelope_error first = {};
	struct lock l = { .op = op, .e = &first };
	int r = read_parameters(&l, e);

	if (r)
		return r;
	l.taken = json_object_new_array();
	l.locked = json_object_new_array();
	l.warnings = json_object_new_array();
	r = lock_all(&l, e);
	json_object_put(l.taken);
	if (r) {
		if (first.code != ENVELOPE_OK)
			*e = first;
		json_object_put(l.locked);
		json_object_put(l.warnings);
		return r;
	}
	*result = json_object_new_object();
	json_object_object_add(*result, "locked", l.locked);
	json_object_object_add(*result, "warnings", l.warnings);
	return 0;
}
