// SPDX-License-Identifier: GPL-2.0-or-later
#include "outlook.h"

#include <stdio.h>
#include <string.h>

#include "health.h"
#include "lease.h"
#include "op.h"
#include "quorum.h"

static bool is_waiting_for_keks(const struct device *device)
{
	return !lease_is_locked(device) && !lease_is_fixed(device) && device->n_shares &&
	       lease_may_resume(device);
}

void outlook_text(const struct device *device, const struct table_status *status, char *out,
		  size_t room)
{
	char why[512];

	lease_why(device, why, sizeof(why));
	if (status->fenced && device->loss == DEVICE_ASLEEP)
		snprintf(out, room, "it gets its key when the machine wakes");
	else if (status->fenced && is_waiting_for_keks(device))
		snprintf(out, room, "it gets its key when its KEKs are well%s%s", *why ? ": " : "",
			 why);
	else if (status->fenced)
		snprintf(out, room, "it has no key until: envelopectl unlock %s", device->name);
	else if (lease_is_fixed(device))
		snprintf(out, room,
			 "it was opened by its recovery key: it is fenced in %llu s, unless its "
			 "KEKs "
			 "open it: envelopectl unlock %s",
			 (unsigned long long)status->lease_left, device->name);
	else if (!device->lease)
		snprintf(out, room, "it has no lease: it stays active when no KEK answers");
	else if (device->managed && lease_well(device) >= device->threshold)
		snprintf(out, room, "its lease is renewed while its KEKs are well");
	else
		snprintf(out, room, "it is fenced in %llu s, unless its KEKs are well by then%s%s",
			 (unsigned long long)status->lease_left, *why ? ": " : "", why);
}

static struct json_object *check_of(const struct health *h)
{
	struct json_object *check = json_object_new_object();
	const struct envelope_share *share = &h->sample.shares[h->share];
	uint64_t now = manager_now();

	op_add_text(check, "kek", share->kek);
	op_add_text(check, "version", share->version);
	op_add_text(check, "state", envelope_provider_state_name(h->verdict.state));
	op_add_text(check, "problem", *h->problem ? h->problem : NULL);
	if (h->proved)
		op_add_number(check, "proved", (now - h->proved) / SECOND);
	else
		op_add_text(check, "proved", NULL);
	op_add_number(check, "next", h->next > now ? (h->next - now) / SECOND : 0);
	return check;
}

struct json_object *outlook_checks(const struct device *device)
{
	struct json_object *checks = json_object_new_array();

	for (unsigned int i = 0; device && i < device->n_shares; i++)
		if (device->shares[i])
			json_object_array_add(checks, check_of(device->shares[i]));
	return checks;
}

static struct json_object *names_of(const struct device *device, const struct quorum *q,
				    unsigned int shares)
{
	struct json_object *names = json_object_new_array();

	for (unsigned int i = 0; i < q->n; i++)
		if (shares & 1U << i && q->kek[i] == i)
			json_object_array_add(names, json_object_new_string(device->keks[i]));
	return names;
}

struct json_object *outlook_fences(const struct device *device)
{
	struct json_object *sets = json_object_new_array();
	struct quorum q;

	if (!device || lease_is_fixed(device))
		return sets;
	quorum_of(&q, device->threshold, device->n_shares, device->keks);
	for (unsigned int shares = 1; shares < 1U << q.n; shares++)
		if (quorum_breaks(&q, shares))
			json_object_array_add(sets, names_of(device, &q, shares));
	return sets;
}
