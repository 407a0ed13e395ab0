// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many volumes of the inventory, several at once. Each is a call of its own; what is shared, JSON
 * objects above all, is touched with the lock held only.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

struct many {
	pthread_mutex_t lock;
	struct context call; /* its steps would be those of several at once */
	bool json, dry_run;
	const char *set;
	struct json_object *parameters, *volumes, *results;
	size_t next, n, done, changed, failed;
	enum envelope_code first; /* that failed */
};

static bool is_of(struct json_object *volume, const char *set)
{
	struct json_object *slots;
	size_t n = member_array(volume, "slots", &slots);

	for (size_t i = 0; set && i < n; i++)
		if (!strcmp(member(json_object_array_get_idx(slots, i), "set"), set))
			return true;
	return !set;
}

/* The disk may be another one by now at the path where it was, or this one at another path */
static int find_disk(struct json_object *volume, struct json_object *parameters,
		     struct envelope_error *e)
{
	const char *uuid = member(volume, "uuid");
	char tag[64];

	snprintf(tag, sizeof(tag), "UUID=%s", uuid);
	add_text(parameters, "uuid", uuid);
	if (json_object_object_get(volume, "header"))
		add_text(parameters, "header", member(volume, "header"));
	else if (add_device(parameters, tag, NULL) == 0)
		return 0;
	return add_device(parameters, member(volume, "device"), e);
}

static struct json_object *copy(struct json_object *object)
{
	struct json_object *new = NULL;

	json_object_deep_copy(object, &new, NULL);
	return new;
}

/* Return: parameters of the next call; NULL where there is none any more */
static struct json_object *take(struct many *m, struct json_object **volume, int *r,
				struct envelope_error *e)
{
	struct json_object *parameters = NULL;

	pthread_mutex_lock(&m->lock);
	while (m->next < m->n && !parameters) {
		*volume = json_object_array_get_idx(m->volumes, m->next++);
		if (!is_of(*volume, m->set))
			continue;
		parameters = copy(m->parameters);
		if (parameters)
			*r = find_disk(*volume, parameters, e);
	}
	pthread_mutex_unlock(&m->lock);
	return parameters;
}

static void tell(struct many *m, struct json_object *volume, const char *device,
		 struct json_object *reply, const struct envelope_error *e)
{
	struct json_object *result = json_object_new_object(), *due = NULL;

	if (reply)
		json_object_object_get_ex(reply, "due", &due);
	add_text(result, "uuid", member(volume, "uuid"));
	add_text(result, "device", device);
	json_object_object_add(result, "due", json_object_get(due));
	json_object_object_add(result, "changed",
			       json_object_new_boolean(reply && member_true(reply, "changed")));
	if (!reply) {
		add_text(result, "code", envelope_error_name(e->code));
		add_text(result, "problem", e->message);
		add_text(result, "cure", envelope_error_cure(e));
	}
	json_object_array_add(m->results, result);
	if (m->json)
		return;
	if (!reply)
		output_error(e);
	else
		print_rewrap(device, reply, m->dry_run, false);
	fflush(stdout);
}

static void finish(struct many *m, struct json_object *volume, struct json_object *parameters,
		   struct json_object *reply, const struct envelope_error *e)
{
	struct json_object *device;

	pthread_mutex_lock(&m->lock);
	if (!json_object_object_get_ex(parameters, "device", &device))
		json_object_object_get_ex(volume, "device", &device);
	m->done++;
	m->changed += reply && member_true(reply, "changed");
	if (!reply && !m->failed++)
		m->first = e->code;
	tell(m, volume, json_object_get_string(device), reply, e);
	pthread_mutex_unlock(&m->lock);
}

static void *work(void *data)
{
	struct json_object *volume, *parameters;
	struct envelope_error e = {};
	struct many *m = data;
	int r = 0;

	while ((parameters = take(m, &volume, &r, &e))) {
		struct json_object *reply = NULL;

		if (r == 0)
			r = client_call(&m->call, "Rewrap", parameters, &reply, &e);
		finish(m, volume, parameters, r ? NULL : reply, &e);
		json_object_put(reply);
		json_object_put(parameters);
	}
	return NULL;
}

/* Where no thread can be had, one is enough */
static void work_at_once(struct many *m, unsigned int jobs)
{
	pthread_t threads[REWRAP_JOBS_MAX];
	unsigned int n = 0;

	while (n + 1 < jobs && !pthread_create(&threads[n], NULL, work, m))
		n++;
	work(m);
	while (n)
		pthread_join(threads[--n], NULL);
}

static int conclude(struct context *context, const struct many *m, struct envelope_error *e)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "volumes", m->results);
	output_json(context, object);
	json_object_put(object);
	if (!context->json)
		printf("volumes: %zu, rewrapped: %zu, failed: %zu\n", m->done, m->changed,
		       m->failed);
	if (!m->failed)
		return 0;
	envelope_fail(e, m->first, "volumes that could not be rewrapped: %zu of %zu", m->failed,
		      m->done);
	return envelope_cure(e, "see above for each, mend it, and repeat this: what is done stays");
}

int rewrap_many(struct context *context, const char *set, struct json_object *parameters,
		unsigned int jobs, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *inventory = NULL;
	struct many m = { .lock = PTHREAD_MUTEX_INITIALIZER,
			  .call = *context,
			  .json = context->json,
			  .dry_run = json_object_object_get(parameters, "dry_run"),
			  .set = set,
			  .parameters = parameters };
	int r = client_call(context, "Inventory", NULL, &inventory, e);

	if (r < 0)
		return r;
	m.call.json = true;
	m.n = member_array(inventory, "volumes", &m.volumes);
	m.results = json_object_new_array();
	work_at_once(&m, jobs);
	output_warnings(inventory);
	return conclude(context, &m, e);
}
