// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy.h"

#include <stdio.h>
#include <string.h>

void policy_of(const struct envelope_token *token, struct policy *policy)
{
	memset(policy, 0, sizeof(*policy));
	policy->threshold = token->threshold;
	policy->n = token->n_shares;
	for (unsigned int i = 0; i < token->n_shares; i++)
		memcpy(policy->keks[i], token->shares[i].kek, sizeof(policy->keks[i]));
}

/* One KEK with two shares would be two that agree */
static bool names(const struct policy *policy, const char *kek)
{
	for (unsigned int i = 0; i < policy->n; i++)
		if (!strcmp(policy->keks[i], kek))
			return true;
	return false;
}

bool policy_is(const struct policy *policy, const struct envelope_token *token)
{
	if (policy->threshold != token->threshold || policy->n != token->n_shares)
		return false;
	for (unsigned int i = 0; i < token->n_shares; i++)
		if (!names(policy, token->shares[i].kek))
			return false;
	return true;
}

static int add(struct policy *policy, struct json_object *value, struct envelope_error *e)
{
	const char *kek = json_object_get_string(value);

	if (!json_object_is_type(value, json_type_string) ||
	    strlen(kek) != (size_t)json_object_get_string_len(value) ||
	    !envelope_kek_name_valid(kek))
		return envelope_fail(e, ENVELOPE_E_USAGE, "%.80s cannot be the name of a KEK",
				     kek ? kek : "null");
	if (names(policy, kek))
		return envelope_fail(e, ENVELOPE_E_USAGE, "KEK %s is named twice", kek);
	if (policy->n == ENVELOPE_SHARES_MAX)
		return envelope_fail(e, ENVELOPE_E_USAGE, "a slot has at most %d KEKs",
				     ENVELOPE_SHARES_MAX);
	strcpy(policy->keks[policy->n++], kek);
	return 0;
}

int policy_read(const struct op *op, struct policy *policy, struct envelope_error *e)
{
	struct json_object *keks = NULL;
	uint32_t threshold = 1;
	int r = op_array(op, "keks", &keks, e);

	memset(policy, 0, sizeof(*policy));
	for (size_t i = 0; !r && keks && i < json_object_array_length(keks); i++)
		r = add(policy, json_object_array_get_idx(keks, i), e);
	if (!r)
		r = op_number(op, "threshold", ENVELOPE_SHARES_MAX, &threshold, e);
	if (!r)
		r = op_text(op, "set", false, policy->set, sizeof(policy->set), e);
	if (!r && *policy->set && policy->n)
		r = envelope_fail(e, ENVELOPE_E_USAGE, "a volume has the KEKs of its set");
	if (r)
		return r;
	policy->threshold = threshold;
	if (policy->n && (!threshold || threshold > policy->n))
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "a threshold of %u cannot be reached by %u KEKs", threshold,
				     policy->n);
	return 0;
}

void policy_default(struct policy *policy)
{
	if (!policy->n && !*policy->set)
		strcpy(policy->keks[policy->n++], ENVELOPE_DEFAULT_KEK);
}

void policy_text(const struct policy *policy, char *out, size_t room)
{
	size_t used;

	if (policy->recovery || *policy->set) {
		snprintf(out, room, "%s%s", policy->recovery ? "a recovery key" : "set ",
			 policy->set);
		return;
	}
	if (policy->n == 1)
		used = snprintf(out, room, "KEK ");
	else if (policy->threshold == 1)
		used = snprintf(out, room, "any of KEKs ");
	else
		used = snprintf(out, room, "%u of KEKs ", policy->threshold);
	for (unsigned int i = 0; i < policy->n && used < room; i++)
		used += snprintf(out + used, room - used, "%s%s", i ? ", " : "", policy->keks[i]);
}
