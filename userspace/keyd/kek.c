// SPDX-License-Identifier: GPL-2.0-or-later
#include "kek.h"

#include <string.h>

#include "broker-client.h"
#include "recovery.h"
#include "worker.h"

static int remembered(struct op *op, const char *name, struct envelope_kek_config *config,
		      struct envelope_error *e)
{
	const struct envelope_kek_config *found = worker_config(op->manager, name);

	if (!found)
		return envelope_fail(e, ENVELOPE_E_KEK_UNDECLARED,
				     "KEK %s: this host does not declare it", name);
	*config = *found;
	return 0;
}

int kek_declared(struct op *op, const char *name, struct envelope_kek_config *config,
		 struct envelope_error *e)
{
	int r;

	if (!envelope_kek_name_valid(name)) {
		envelope_fail(e, ENVELOPE_E_USAGE, "%.80s cannot be the name of a KEK", name);
		return envelope_cure(e, "use letters, digits, dot, dash and underscore, at most %d",
				     ENVELOPE_KEK_NAME_MAX);
	}
	if (op->remembered)
		return remembered(op, name, config, e);
	r = envelope_kek_config_load(op->manager->options->keks_dir, name, config, e);
	return r ? r : broker_kek_declared(op, config, e);
}

int kek_attributes(struct op *op, const char *name, struct envelope_worker_reply *reply,
		   struct envelope_error *e)
{
	struct envelope_worker_request request = { .op = ENVELOPE_WORKER_ATTRIBUTES };
	struct envelope_kek_config config;
	int r = kek_declared(op, name, &config, e);

	return r ? r : broker_kek(op, BROKER_KEK_READ, name, &request, reply, e);
}

int kek_ensure(struct op *op, const char *name, bool *created, struct envelope_worker_reply *reply,
	       struct envelope_error *e)
{
	struct envelope_worker_request request = { .op = ENVELOPE_WORKER_CREATE };
	int r = kek_attributes(op, name, reply, e);

	*created = false;
	if (r != -ENVELOPE_E_KEK_NOT_FOUND || strcmp(name, ENVELOPE_DEFAULT_KEK))
		return r;
	op_step(op, "creating KEK %s", name);
	r = broker_kek(op, BROKER_KEK_CHANGE, name, &request, reply, e);
	*created = !r;
	if (r == -ENVELOPE_E_EXISTS) /* another session was faster */
		r = 0;
	if (!r) {
		memset(e, 0, sizeof(*e));
		r = kek_attributes(op, name, reply, e);
	}
	return r;
}

int kek_ensure_all(struct op *op, const struct policy *policy, bool dry_run,
		   struct envelope_error *e)
{
	struct envelope_worker_reply current;
	bool created;
	int r = 0;

	for (unsigned int i = 0; i < policy->n && !r; i++)
		r = dry_run ? kek_attributes(op, policy->keks[i], &current, e)
			    : kek_ensure(op, policy->keks[i], &created, &current, e);
	return r;
}

int kek_current(struct op *op, const struct envelope_token *token, bool *current,
		struct envelope_error *e)
{
	struct envelope_worker_reply attributes;
	int r;

	*current = true;
	for (unsigned int i = 0; i < token->n_shares; i++) {
		if (envelope_recovery_is(&token->shares[i]))
			continue; /* it has one version, and is not here */
		r = kek_attributes(op, token->shares[i].kek, &attributes, e);
		if (r)
			return r;
		if (strcmp(attributes.version, token->shares[i].version))
			*current = false;
	}
	return 0;
}
