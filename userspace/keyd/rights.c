// SPDX-License-Identifier: GPL-2.0-or-later
#include "rights.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "log.h"
#include "manager.h"
#include "op.h"
#include "session.h"
#include "worker.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* since Linux 6.5 */
#endif

static int pidfd_of_peer(int fd)
{
	int pidfd;
	socklen_t size = sizeof(pidfd);

	return getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) ? -errno : pidfd;
}

/* Can this kernel tell for sure in which unit a peer is? */
static bool units_told(void)
{
	int pair[2], pidfd;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return false;
	pidfd = pidfd_of_peer(pair[0]);
	if (pidfd >= 0)
		close(pidfd);
	close(pair[0]);
	close(pair[1]);
	return pidfd >= 0;
}

/* Readable: it has ended, and its number may have been another's since */
static bool lives(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return poll(&end, 1, 0) == 0;
}

/* By the number of the process, which is its own as long as it lives */
static void tell_unit(int fd, struct identity *who)
{
	/* 0: it is of no process that can be seen from here, and would be taken for this one */
	int pidfd = who->pid > 0 ? pidfd_of_peer(fd) : -1;
	char *unit = NULL;

	if (pidfd < 0)
		return;
	if (sd_pid_get_unit(who->pid, &unit) >= 0 && strlen(unit) < sizeof(who->unit) &&
	    lives(pidfd))
		strcpy(who->unit, unit);
	free(unit);
	close(pidfd);
}

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
	tell_unit(fd, who);
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
	const char *unit = who ? who->unit : "";
	char identity[32] = "envelope-keyd";

	if (who)
		snprintf(identity, sizeof(identity), "uid:%u", who->uid);
	log_line(allowed ? LOG_INFO : LOG_WARNING,
		 &(struct log_fields) {
			 .id = LOG_ID_ACCESS, .kek = kek, .identity = identity, .unit = unit },
		 "%s for %s%s%s, process %d: %s", what, identity, *unit ? " in " : "", unit,
		 who ? (int)who->pid : 0, allowed ? "allowed" : "refused");
}

void rights_declared(const struct envelope_kek_config *config)
{
	if (!envelope_access_units(&config->use) && !envelope_access_units(&config->administer))
		return;
	if (!units_told())
		log_line(LOG_WARNING,
			 &(struct log_fields) { .id = LOG_ID_ACCESS, .kek = config->name },
			 "KEK %s: [access] names a unit, which gives nobody a right: only since "
			 "Linux 6.5 can be told for sure who is in it",
			 config->name);
}

void rights_refused(const struct method *method, const struct identity *who)
{
	audit(who, NULL, false, method->name);
}

static bool is_named(const struct envelope_access *access, const struct identity *who)
{
	return envelope_access_names(access, who->uid, who->gid, who->groups, who->n_groups,
				     who->unit);
}

static bool granted(const struct session *s, const char *kek)
{
	const struct envelope_kek_config *config = worker_config(s->manager, kek);
	unsigned int rights = s->method->rights;

	if (!config)
		return false;
	return (rights & RIGHT_USE && is_named(&config->use, &s->who)) ||
	       (rights & RIGHT_ADMINISTER && is_named(&config->administer, &s->who));
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
