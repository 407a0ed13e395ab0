// SPDX-License-Identifier: GPL-2.0-or-later
#include "reload.h"

#include <stdlib.h>

#include "broker-client.h"
#include "health.h"
#include "log.h"
#include "manager.h"
#include "notify.h"
#include "op.h"
#include "session.h"
#include "worker.h"

void reload_begin(struct manager *m)
{
	struct envelope_error e = {};

	notify("RELOADING=1");
	/* What the one under way has not come upon yet is not undeclared: another follows it */
	m->reload_again = m->reloading;
	if (m->reloading)
		return;
	m->reloading = true;
	worker_doubt_all(m);
	if (session_start(m, NULL, &method_reload, NULL, false, &e)) {
		log_line(LOG_ERR, NULL, "%s", e.message);
		reload_ended(m, false);
	}
}

void reload_ended(struct manager *m, bool done)
{
	bool again = m->reload_again;

	m->reloading = m->reload_again = false;
	if (again && !m->stopping)
		return reload_begin(m);
	if (done) {
		worker_end_doubted(m);
		health_check_all(m);
	}
	notify("READY=1");
}

/* In a session */
int op_reload(struct op *op, struct json_object **result, struct envelope_error *e)
{
	const char *directory = op->manager->options->keks_dir;
	char **names = NULL;
	int r = envelope_kek_config_list(directory, &names, e);

	for (char **name = names; !r && *name; name++) {
		struct envelope_kek_config config;
		struct envelope_error bad = {};

		if (envelope_kek_config_load(directory, *name, &config, &bad) ||
		    broker_kek_declared(op, &config, &bad))
			log_line(LOG_ERR, &(struct log_fields) { .kek = *name }, "%s", bad.message);
		free(*name);
	}
	free(names);
	return r;
}
