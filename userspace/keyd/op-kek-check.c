// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A KEK is put to the proof, by its provider and never by what is known of it already: its
 * attributes are asked for, fresh random bytes are wrapped and unwrapped. A step that fails keeps
 * none of the others from being tried, so that what is refused tells the rights that are missing.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "broker-client.h"
#include "crypto.h"
#include "kek.h"
#include "log.h"
#include "op.h"
#include "worker.h"

#define EXPIRES_SOON_S (30 * 86400)

enum step {
	ATTRIBUTES,
	WRAP,
	UNWRAP,
	STEPS,
};

static const char *const step_names[STEPS] = { "attributes", "wrap", "unwrap" };

struct check {
	char name[ENVELOPE_KEK_NAME_MAX + 1];
	struct envelope_kek_config config;
	bool outdated; /* envelope-keyd works by another declaration than the file now holds */
	struct {
		bool tried;
		uint64_t usec;
		struct envelope_error e;
	} steps[STEPS];
	struct envelope_worker_reply told, wrapped;
	char date[ENVELOPE_TIME_TEXT + 1]; /* the provider's, or this host's */
};

static int ask(struct op *op, struct check *c, enum step step,
	       const struct envelope_worker_request *request, struct envelope_worker_reply *reply)
{
	enum broker_op kind = step == ATTRIBUTES ? BROKER_KEK_READ : BROKER_KEK_USE;
	uint64_t begin;
	int r;

	op_step(op, "KEK %s: %s", c->name, step_names[step]);
	begin = manager_now();
	r = broker_kek(op, kind, c->name, request, reply, &c->steps[step].e);
	c->steps[step].usec = manager_now() - begin;
	c->steps[step].tried = true;
	return r;
}

/* Times of one form stand in the order of their texts */
static void judge_told(struct check *c)
{
	const struct envelope_worker_reply *told = &c->told;
	struct envelope_error *e = &c->steps[ATTRIBUTES].e;

	if (*told->not_before && strcmp(c->date, told->not_before) < 0) {
		envelope_fail(e, ENVELOPE_E_KEK_REFUSED,
			      "KEK %s: version %s may not be used before %s, and it is %s", c->name,
			      told->version, told->not_before, c->date);
		envelope_cure(e, "wait, or ask whoever controls the key for an earlier time");
	} else if (*told->expires && strcmp(c->date, told->expires) >= 0) {
		envelope_fail(e, ENVELOPE_E_KEK_REFUSED,
			      "KEK %s: version %s expired at %s, and it is %s", c->name,
			      told->version, told->expires, c->date);
		envelope_cure(e, "add a version that has not expired, and rewrap the disks");
	} else if (told->state != ENVELOPE_PROVIDER_OK) {
		envelope_fail(e, ENVELOPE_E_KEK_REFUSED, "KEK %s: its provider says: %s", c->name,
			      envelope_provider_state_name(told->state));
	}
}

static void try_attributes(struct op *op, struct check *c)
{
	struct envelope_worker_request request = { .op = ENVELOPE_WORKER_ATTRIBUTES };
	int r = ask(op, c, ATTRIBUTES, &request, &c->told);

	if (r)
		memset(&c->told, 0, sizeof(c->told));
	if (*c->told.date)
		memcpy(c->date, c->told.date, sizeof(c->date));
	else
		envelope_time_now(c->date);
	if (!r)
		judge_told(c);
}

static int try_wrap(struct op *op, struct check *c, const uint8_t *secret)
{
	struct envelope_worker_request request = { .op = ENVELOPE_WORKER_WRAP };
	int r;

	envelope_secret_copy(op->secrets->share, secret, ENVELOPE_SHARE_BYTES);
	r = ask(op, c, WRAP, &request, &c->wrapped);
	envelope_secret_wipe(op->secrets->share, ENVELOPE_SHARE_BYTES);
	if (!r && !c->wrapped.wrapped_size)
		r = envelope_fail(&c->steps[WRAP].e, ENVELOPE_E_KEK_UNAVAILABLE,
				  "the provider of KEK %s wrapped nothing", c->name);
	return r;
}

static void try_unwrap(struct op *op, struct check *c, const uint8_t *secret)
{
	struct envelope_worker_request request = { .op = ENVELOPE_WORKER_UNWRAP,
						   .wrapped_size = c->wrapped.wrapped_size };
	struct envelope_worker_reply reply;
	struct envelope_error *e = &c->steps[UNWRAP].e;

	memcpy(request.version, c->wrapped.version, sizeof(request.version));
	memcpy(request.algorithm, c->wrapped.algorithm, sizeof(request.algorithm));
	memcpy(request.wrapped, c->wrapped.wrapped, c->wrapped.wrapped_size);
	if (!ask(op, c, UNWRAP, &request, &reply) &&
	    !envelope_secret_equal(op->secrets->share, secret, ENVELOPE_SHARE_BYTES)) {
		envelope_fail(e, ENVELOPE_E_KEK_UNAVAILABLE,
			      "the provider of KEK %s does not unwrap what it wrapped", c->name);
		envelope_cure(e, "format no disk by it before its provider is mended");
	}
	envelope_secret_wipe(op->secrets->share, ENVELOPE_SHARE_BYTES);
}

static int try_all(struct op *op, struct check *c, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);

	if (!secret)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	if (envelope_random(secret, ENVELOPE_SHARE_BYTES))
		return envelope_fail(e, ENVELOPE_E_FAILED, "no random numbers to wrap");
	try_attributes(op, c);
	if (!try_wrap(op, c, secret))
		try_unwrap(op, c, secret);
	return 0;
}

static struct json_object *steps(const struct check *c)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < STEPS; i++) {
		const struct envelope_error *e = &c->steps[i].e;
		struct json_object *step = json_object_new_object();
		double ms = (double)c->steps[i].usec / 1000;
		char text[32];

		snprintf(text, sizeof(text), "%.1f", ms);
		op_add_text(step, "name", step_names[i]);
		op_add_text(step, "state",
			    !c->steps[i].tried			? "skipped"
			    : !e->code				? "ok"
			    : e->code == ENVELOPE_E_KEK_REFUSED ? "refused"
								: "failed");
		json_object_object_add(
			step, "ms", c->steps[i].tried ? json_object_new_double_s(ms, text) : NULL);
		op_add_text(step, "problem", e->code ? e->message : NULL);
		json_object_array_add(array, step);
	}
	return array;
}

static bool expires_soon(const struct check *c)
{
	struct tm now = {}, end = {};

	return *c->told.expires && strptime(c->date, "%Y-%m-%dT%H:%M:%SZ", &now) &&
	       strptime(c->told.expires, "%Y-%m-%dT%H:%M:%SZ", &end) &&
	       timegm(&end) - timegm(&now) < EXPIRES_SOON_S;
}

static void __attribute__((format(printf, 2, 3)))
warn(struct json_object *array, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_array_add(array, json_object_new_string(text));
}

static struct json_object *warnings(const struct op *op, const struct check *c)
{
	struct json_object *array = json_object_new_array();

	if (c->outdated)
		warn(array,
		     "%s/%s.conf was changed since envelope-keyd read it: "
		     "systemctl reload envelope-keyd",
		     op->manager->options->keks_dir, c->name);
	if (c->told.unbacked)
		warn(array,
		     "no backup holds KEK %s as it is: copy its key store to a safe place "
		     "(envelope-keyd(8) tells how)",
		     c->name);
	if (expires_soon(c) && !c->steps[ATTRIBUTES].e.code)
		warn(array, "version %s expires at %s: add another before, and rewrap the disks",
		     c->told.version, c->told.expires);
	if (c->told.recoverability == ENVELOPE_PURGEABLE)
		warn(array, "KEK %s can be destroyed for good once it is deleted", c->name);
	if (c->told.recoverability == ENVELOPE_IRRECOVERABLE)
		warn(array, "KEK %s is gone for good when it is deleted", c->name);
	return array;
}

/* What says most of what is wrong: who cannot wrap need not hear that attributes say so too */
static struct envelope_error *find_problem(struct check *c)
{
	static const enum step order[] = { WRAP, UNWRAP, ATTRIBUTES };

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (c->steps[order[i]].e.code)
			return &c->steps[order[i]].e;
	return NULL;
}

/* What was never made cannot be restored; a provider may know a better way */
static void advise(const struct check *c, struct envelope_error *problem)
{
	const struct envelope_error usual = { .code = ENVELOPE_E_KEK_NOT_FOUND };

	if (problem->code == usual.code &&
	    !strcmp(envelope_error_cure(problem), envelope_error_cure(&usual)))
		envelope_cure(problem,
			      "%s; or make the KEK, if it never was there: "
			      "envelopectl kek create %s",
			      envelope_error_cure(&usual), c->name);
}

static struct json_object *describe(const struct op *op, struct check *c)
{
	struct json_object *result = json_object_new_object();
	struct envelope_error *problem = find_problem(c);

	if (problem)
		advise(c, problem);
	log_line(problem ? LOG_WARNING : LOG_NOTICE,
		 &(struct log_fields) { .id = LOG_ID_KEK, .kek = c->name }, "KEK %s is %s%s",
		 c->name, problem ? "not well: " : "well", problem ? problem->message : "");
	op_add_text(result, "name", c->name);
	op_add_text(result, "provider", c->config.provider);
	op_add_bool(result, "well", !problem);
	op_add_text(result, "version", *c->wrapped.version ? c->wrapped.version : NULL);
	json_object_object_add(result, "steps", steps(c));
	op_add_text(result, "code", problem ? envelope_error_name(problem->code) : NULL);
	op_add_text(result, "problem", problem ? problem->message : NULL);
	op_add_text(result, "cure", problem ? envelope_error_cure(problem) : NULL);
	json_object_object_add(result, "warnings", warnings(op, c));
	return result;
}

int op_kek_check(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { "name", NULL };
	const struct envelope_kek_config *before;
	struct check c = {};
	int r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "name", true, c.name, sizeof(c.name), e);
	before = r ? NULL : worker_config(op->manager, c.name);
	if (!r)
		r = kek_declared(op, c.name, &c.config, e);
	/* A file gives the same bytes whenever it is read: see envelope_kek_config_default() */
	c.outdated = !r && before && memcmp(before, &c.config, sizeof(c.config));
	if (!r)
		r = try_all(op, &c, e);
	if (r)
		return r;
	if (c.steps[WRAP].e.code == ENVELOPE_E_PERMISSION) {
		*e = c.steps[WRAP].e;
		return -(int)e->code;
	}
	*result = describe(op, &c);
	return 0;
}
