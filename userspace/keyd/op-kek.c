// SPDX-License-Identifier: GPL-2.0-or-later
/* The KEKs: what their providers say of them, and the few changes that they take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker-client.h"
#include "file.h"
#include "kek.h"
#include "log.h"
#include "op.h"
#include "worker.h"

#define VERSIONS_SHOWN 1000
#define PATIENCE_S     30 /* with providers, of all KEKs that a request shows */

/* @end: µs of boot time, after which the provider is asked no more */
static int add_versions(struct op *op, const char *name, unsigned int n, uint64_t end,
			struct json_object *array, struct envelope_error *e)
{
	struct envelope_worker_request request = { .op = ENVELOPE_WORKER_VERSION };
	struct envelope_worker_reply reply;

	for (; request.index < n && request.index < VERSIONS_SHOWN; request.index++) {
		struct json_object *version;
		int r;

		if (manager_now() >= end)
			return envelope_fail(e, ENVELOPE_E_KEK_UNAVAILABLE,
					     "KEK %s: its provider told of %u of its %u versions "
					     "within %d s",
					     name, request.index, n, PATIENCE_S);
		r = broker_kek(op, BROKER_KEK_READ, name, &request, &reply, e);
		if (r)
			return r;
		version = json_object_new_object();
		op_add_text(version, "version", reply.version);
		op_add_text(version, "created", text_or_null(reply.created));
		op_add_text(version, "not_before", text_or_null(reply.not_before));
		op_add_text(version, "expires", text_or_null(reply.expires));
		op_add_text(version, "state", envelope_provider_state_name(reply.state));
		json_object_array_add(array, version);
	}
	return 0;
}

/* @told: NULL where its provider tells nothing */
static struct json_object *describe(const char *name, const char *provider, const char *state,
				    const struct envelope_worker_reply *told,
				    struct json_object *versions, const char *problem)
{
	struct json_object *kek = json_object_new_object();

	op_add_text(kek, "name", name);
	op_add_text(kek, "provider", provider);
	op_add_text(kek, "state", state);
	op_add_text(kek, "current", told ? told->version : NULL);
	json_object_object_add(kek, "versions", versions);
	op_add_text(kek, "recoverability",
		    told ? envelope_recoverability_name(told->recoverability) : NULL);
	op_add_text(kek, "date", told ? text_or_null(told->date) : NULL);
	op_add_text(kek, "problem", problem);
	return kek;
}

/* Return: µs of boot time */
static uint64_t end_of_patience(void)
{
	return manager_now() + PATIENCE_S * SECOND;
}

static int show(struct op *op, const char *name, uint64_t end, struct json_object **kek,
		struct envelope_error *e)
{
	struct json_object *versions;
	struct envelope_worker_reply attributes;
	struct envelope_kek_config config;
	int r = kek_declared(op, name, &config, e);

	if (!r && manager_now() >= end)
		r = envelope_fail(e, ENVELOPE_E_KEK_UNAVAILABLE,
				  "KEK %s was not asked: those before it took %d s", name,
				  PATIENCE_S);
	if (!r)
		r = kek_attributes(op, name, &attributes, e);
	if (r)
		return r;
	versions = json_object_new_array();
	r = add_versions(op, name, attributes.versions, end, versions, e);
	if (r) {
		json_object_put(versions);
		return r;
	}
	*kek = describe(name, config.provider, envelope_provider_state_name(attributes.state),
			&attributes, versions,
			attributes.unbacked ? "no backup holds it as it is" : NULL);
	return 0;
}

static int read_name(struct op *op, char name[static ENVELOPE_KEK_NAME_MAX + 1],
		     struct envelope_error *e)
{
	static const char *const known[] = { "name", NULL };
	int r = op_known(op, known, e);

	return r ? r : op_text(op, "name", true, name, ENVELOPE_KEK_NAME_MAX + 1, e);
}

static int show_result(struct op *op, const char *name, struct json_object **result,
		       struct envelope_error *e)
{
	struct json_object *kek;
	int r = show(op, name, end_of_patience(), &kek, e);

	if (r)
		return r;
	*result = json_object_new_object();
	json_object_object_add(*result, "kek", kek);
	return 0;
}

int op_kek_show(struct op *op, struct json_object **result, struct envelope_error *e)
{
	char name[ENVELOPE_KEK_NAME_MAX + 1];
	int r = read_name(op, name, e);

	return r ? r : show_result(op, name, result, e);
}

/* One KEK that cannot be shown is shown with its problem */
static struct json_object *list_entry(struct op *op, const char *name, uint64_t end)
{
	struct envelope_kek_config config = {};
	struct envelope_error e = {};
	struct json_object *kek;
	int r = show(op, name, end, &kek, &e);

	if (!r)
		return kek;
	kek_declared(op, name, &config, NULL);
	return describe(name, config.provider,
			r == -ENVELOPE_E_KEK_NOT_FOUND ? "absent" : "unreachable", NULL,
			json_object_new_array(), e.message);
}

int op_kek_list(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { NULL };
	uint64_t end = end_of_patience();
	struct json_object *keks;
	char **names = NULL;
	int r = op_known(op, known, e);

	if (!r)
		r = envelope_kek_config_list(op->manager->options->keks_dir, &names, e);
	if (r)
		return r;
	keks = json_object_new_array();
	for (char **name = names; *name; name++) {
		json_object_array_add(keks, list_entry(op, *name, end));
		free(*name);
	}
	free(names);
	*result = json_object_new_object();
	json_object_object_add(*result, "keks", keks);
	return 0;
}

/* Declares a KEK of the service's own key store; *@written tells whether it did */
static int declare(struct op *op, const char *name, bool *written, struct envelope_error *e)
{
	const char *directory = op->manager->options->keks_dir;
	struct envelope_kek_config config;
	int r = kek_declared(op, name, &config, e);

	*written = false;
	if (r != -ENVELOPE_E_KEK_UNDECLARED)
		return r;
	r = envelope_kek_config_load(directory, ENVELOPE_DEFAULT_KEK, &config, e);
	if (r)
		return r;
	snprintf(config.name, sizeof(config.name), "%s", name);
	snprintf(config.provider, sizeof(config.provider), "service");
	memset(&config.use, 0, sizeof(config.use)); /* rights are given, not inherited */
	memset(&config.administer, 0, sizeof(config.administer));
	r = envelope_kek_config_write(directory, &config, e);
	*written = !r;
	return r ? r : kek_declared(op, name, &config, e);
}

static int change(struct op *op, const char *name, enum envelope_worker_op what,
		  struct envelope_error *e)
{
	struct envelope_worker_request request = { .op = what };
	struct envelope_worker_reply reply;
	int r = broker_kek(op, BROKER_KEK_CHANGE, name, &request, &reply, e);

	if (!r)
		log_line(LOG_NOTICE, &(struct log_fields) { .id = LOG_ID_KEK, .kek = name },
			 "KEK %s has version %s now", name, reply.version);
	return r;
}

int op_kek_create(struct op *op, struct json_object **result, struct envelope_error *e)
{
	char name[ENVELOPE_KEK_NAME_MAX + 1], path[512];
	bool written = false;
	int r = read_name(op, name, e);

	if (!r)
		r = declare(op, name, &written, e);
	if (r)
		return r;
	r = change(op, name, ENVELOPE_WORKER_CREATE, e);
	if (r && written) {
		snprintf(path, sizeof(path), "%s/%s.conf", op->manager->options->keks_dir, name);
		envelope_file_remove(path);
	}
	return r ? r : show_result(op, name, result, e);
}

int op_kek_rotate(struct op *op, struct json_object **result, struct envelope_error *e)
{
	struct envelope_kek_config config;
	char name[ENVELOPE_KEK_NAME_MAX + 1];
	int r = read_name(op, name, e);

	if (!r)
		r = kek_declared(op, name, &config, e);
	if (!r)
		r = change(op, name, ENVELOPE_WORKER_ROTATE, e);
	return r ? r : show_result(op, name, result, e);
}

static void log_enabled(const char *name, const char *version, bool enabled, bool changed)
{
	log_line(LOG_NOTICE, &(struct log_fields) { .id = LOG_ID_KEK, .kek = name },
		 "KEK %s, %s%s: %s%s", name, *version ? "version " : "all versions", version,
		 changed ? "" : "already ", enabled ? "enabled" : "disabled");
}

/* Empty where there is none */
static int read_version(struct op *op, char version[static ENVELOPE_KEK_VERSION_MAX + 1],
			const char *kek, struct envelope_error *e)
{
	int r = op_text(op, "version", false, version, ENVELOPE_KEK_VERSION_MAX + 1, e);

	if (r || !*version || envelope_word_valid(version))
		return r;
	envelope_fail(e, ENVELOPE_E_USAGE, "%.80s cannot be the version of a KEK", version);
	return envelope_cure(e, "see which it has: envelopectl kek show %s", kek);
}

static int set_enabled(struct op *op, enum envelope_worker_op what, struct json_object **result,
		       struct envelope_error *e)
{
	static const char *const known[] = { "name", "version", NULL };
	struct envelope_worker_request request = { .op = what };
	char name[ENVELOPE_KEK_NAME_MAX + 1];
	struct envelope_worker_reply reply;
	struct envelope_kek_config config;
	int r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "name", true, name, sizeof(name), e);
	op->remembered = !r && worker_config(op->manager, name);
	if (!r)
		r = kek_declared(op, name, &config, e);
	if (!r)
		r = read_version(op, request.version, name, e);
	if (!r)
		r = broker_kek(op, BROKER_KEK_CHANGE, name, &request, &reply, e);
	if (r)
		return r;
	log_enabled(name, request.version, what == ENVELOPE_WORKER_ENABLE, reply.changed);
	r = show_result(op, name, result, e);
	if (!r)
		op_add_bool(*result, "changed", reply.changed);
	return r;
}

int op_kek_disable(struct op *op, struct json_object **result, struct envelope_error *e)
{
	return set_enabled(op, ENVELOPE_WORKER_DISABLE, result, e);
}

int op_kek_enable(struct op *op, struct json_object **result, struct envelope_error *e)
{
	return set_enabled(op, ENVELOPE_WORKER_ENABLE, result, e);
}
