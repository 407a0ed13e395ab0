/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KEKs as sessions see them: declared by a file, held by a worker. */
#ifndef KEYD_KEK_H
#define KEYD_KEK_H

#include "kek-config.h"
#include "op.h"
#include "policy.h"

/** kek_declared() - what the host says of a KEK; KEK_UNDECLARED with the stanza to add */
int kek_declared(struct op *op, const char *name, struct envelope_kek_config *config,
		 struct envelope_error *e);

/** kek_attributes() - ask the KEK's provider for its current version and state */
int kek_attributes(struct op *op, const char *name, struct envelope_worker_reply *reply,
		   struct envelope_error *e);

/** kek_current() - is each share of a slot or set by the version that its KEK wraps by now? */
int kek_current(struct op *op, const struct envelope_token *token, bool *current,
		struct envelope_error *e);

/** kek_ensure() - as kek_attributes(), but create the KEK `default` where it is not there yet */
int kek_ensure(struct op *op, const char *name, bool *created, struct envelope_worker_reply *reply,
	       struct envelope_error *e);

/** kek_ensure_all() - of all of a policy; a dry run creates none */
int kek_ensure_all(struct op *op, const struct policy *policy, bool dry_run,
		   struct envelope_error *e);

#endif
