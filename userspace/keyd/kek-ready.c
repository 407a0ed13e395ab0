// SPDX-License-Identifier: GPL-2.0-or-later
#include "kek-ready.h"

#include "device-use.h"

static void warn(const char *device, const struct stat *st,
		 const struct envelope_kek_config *config,
		 const struct envelope_worker_reply *current, struct json_object *warnings)
{
	struct stat store;

	if (current->unbacked)
		op_warn(warnings,
			"no backup holds the key store %s as it is: should it be lost, so may be "
			"%s; copy it to a safe place (envelope-keyd(8) tells how)",
			config->keystore, device);
	if (S_ISBLK(st->st_mode) && !stat(config->keystore, &store) &&
	    device_same_disk(store.st_dev, st->st_rdev))
		op_warn(warnings,
			"the key store %s lies on the disk of %s: whoever has the disk has the "
			"key too",
			config->keystore, device);
}

int kek_ready(struct op *op, const struct policy *policy, const char *device, const struct stat *st,
	      bool *created, struct json_object *warnings, struct envelope_error *e)
{
	struct envelope_worker_reply current;
	struct envelope_kek_config config;
	bool made;
	int r = 0;

	for (unsigned int i = 0; i < policy->n && !r; i++) {
		r = kek_declared(op, policy->keks[i], &config, e);
		if (!r)
			r = kek_ensure(op, policy->keks[i], &made, &current, e);
		if (r)
			return r;
		*created |= made;
		warn(device, st, &config, &current, warnings);
	}
	return 0;
}
