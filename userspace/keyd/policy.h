/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By which KEKs a slot opens, and by how many of them. */
#ifndef KEYD_POLICY_H
#define KEYD_POLICY_H

#include "op.h"

struct policy {
	unsigned int threshold, n;
	char keks[ENVELOPE_SHARES_MAX][ENVELOPE_KEK_NAME_MAX + 1];
	char set[ENVELOPE_KEK_NAME_MAX +
		 1];		 /* whose KEKs and secret it has, and no others; "": none */
	const uint8_t *recovery; /* a recovery key, which is all of it; or NULL */
};

/** policy_of() - that of a slot */
void policy_of(const struct envelope_token *token, struct policy *policy);

/** policy_is() - is that of a slot this one? In whichever order it has the KEKs; not of a set */
bool policy_is(const struct policy *policy, const struct envelope_token *token);

/**
 * policy_read() - parameters `keks`, no name twice, and `threshold`; or `set`
 *
 * All may be missing: no KEKs (@policy->n is 0), and any one of them. USAGE
 */
int policy_read(const struct op *op, struct policy *policy, struct envelope_error *e);

/** policy_default() - the KEK `default`, where there is neither a KEK nor a set */
void policy_default(struct policy *policy);

/** policy_text() - for people: "KEK a", "any of KEKs a, b", "2 of KEKs a, b, c", "set d" */
void policy_text(const struct policy *policy, char *out, size_t room);

#endif
