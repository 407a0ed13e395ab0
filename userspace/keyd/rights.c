// SPDX-License-Identifier: GPL-2.0-or-later
#include "rights.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "manager.h"
#include "op.h"
#include "session.h"
#include "worker.h"

int identity_of_peer(int fd, struct identity *who)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	memset(who, 0, sizeof(*who));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return -errno;
	who->uid = peer.uid;
	who->gid = peer.gid;
	who->pid = peer.pid;
	size = sizeof(who->groups);
	/* Of more groups than there is room for, none counts */
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, who->groups, &size))
		who->n_groups = size / sizeof(*who->groups);
	return 0;
}

bool identity_in_group(const struct identity *who, gid_t group)
{
	for (uint32_t i = 0; i < who->n_groups; i++)
		if (who->groups[i] == group)
			return true;
	return who->gid == group;
}

static void audit(const struct identity *who, const char *kek, bool allowed, const char *what)
{
	char identity[32] = "envelope-keyd";

	if (who)
		snprintf(identity, sizeof(identity), "uid:%u", who->uid);
	log_line(allowed ? LOG_INFO : LOG_WARNING,
		 &(struct log_fields) { .id = LOG_ID_ACCESS, .kek = kek, .identity = identity },
		 "%s for %s, process %d: %s", what, identity, who ? (int)who->pid : 0,
		 allowed ? "allowed" : "refused");
}

void rights_refused(const struct method *method, const struct identity *who)
{
	audit(who, NULL, false, method->name);
}

static bool granted(const struct session *s, const char *kek)
{
	const struct envelope_kek_config *config = worker_config(s->manager, kek);
	const struct identity *who = &s->who;
	unsigned int rights = s->method->rights;

	if (!config)
		return false;
	return (rights & RIGHT_USE && envelope_access_names(&config->use, who->uid, who->gid,
							    who->groups, who->n_groups)) ||
	       (rights & RIGHT_ADMINISTER &&
		envelope_access_names(&config->administer, who->uid, who->gid, who->groups,
				      who->n_groups));
}

/* What is done for a device that is taken over, nobody asks for but envelope-keyd itself */
static bool may_all(const struct session *s)
{
	return s->own || s->who.uid == 0;
}

bool rights_on_kek(const struct session *s, const char *kek, uint32_t op, struct envelope_error *e)
{
	static const char *const names[ENVELOPE_WORKER_OPS] = {
		[ENVELOPE_WORKER_CREATE] = "create", [ENVELOPE_WORKER_ROTATE] = "rotate",
		[ENVELOPE_WORKER_ENABLE] = "enable", [ENVELOPE_WORKER_DISABLE] = "disable",
		[ENVELOPE_WORKER_WRAP] = "wrap by",  [ENVELOPE_WORKER_UNWRAP] = "unwrap by",
	};
	const char *name = op < ENVELOPE_WORKER_OPS && names[op] ? names[op] : "ask";
	bool allowed = may_all(s) || granted(s, kek);
	char what[160];

	snprintf(what, sizeof(what), "%s: %s KEK %s", s->method->name, name, kek);
	audit(s->own ? NULL : &s->who, kek, allowed, what);
	if (allowed)
		return true;
	envelope_fail(e, ENVELOPE_E_PERMISSION, "KEK %s: uid %u may not %s it", kek, s->who.uid,
		      name);
	envelope_cure(e,
		      "run the command as root, or have root add uid:%u to [access] in %s/%s.conf",
		      s->who.uid, s->manager->options->keks_dir, kek);
	return false;
}

bool rights_on_device(const struct session *s, const char *name, struct envelope_error *e)
{
	const struct device *device = device_find(s->manager, name);

	if (may_all(s))
		return true;
	for (unsigned int i = 0; device && i < device->n_shares; i++)
		if (granted(s, device->keks[i]))
			return true;
	rights_refused(s->method, &s->who);
	envelope_fail(e, ENVELOPE_E_PERMISSION, "%s of %s is for root, and for users of its KEKs",
		      s->method->name, name);
	return false;
}
