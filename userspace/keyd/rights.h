/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asks, and what the KEKs of this host let whom do. Root may do all; others what the
 * declaration of a KEK says, as the main process had it told at the last load: it looks no name
 * up. Every use of a KEK that somebody asks for is said in the log, allowed or refused.
 */
#ifndef KEYD_RIGHTS_H
#define KEYD_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "access.h"
#include "error.h"
#include "kek-config.h"

#define IDENTITY_GROUPS_MAX 1024

struct method;
struct session;

/** enum right - bits: who may, beside root */
enum right {
	RIGHT_NONE = 0,
	RIGHT_GROUP = 1,      /* who is in the group */
	RIGHT_USE = 2,	      /* whom the declaration of the KEK that it is about lets use it */
	RIGHT_ADMINISTER = 4, /* the same */
};

/** struct identity - who connected, as the kernel knows it from that moment */
struct identity {
	uid_t uid;
	gid_t gid;
	pid_t pid; /* once @unit is told, for the log only: it may be another's by now */
	char unit[ENVELOPE_UNIT_MAX + 1]; /* of the system's manager; empty: none, or who knows */
	uint32_t n_groups;
	gid_t groups[IDENTITY_GROUPS_MAX];
};

/** identity_of_peer() - of a socket; 0 or -errno */
int identity_of_peer(int fd, struct identity *who);

bool identity_in_group(const struct identity *who, gid_t group);

/** rights_declared() - say in the log what of this declaration this kernel cannot judge */
void rights_declared(const struct envelope_kek_config *config);

/** rights_refused() - say in the log that a request was refused as such */
void rights_refused(const struct method *method, const struct identity *who);

/** rights_on_kek() - may @session have its worker do @op, an enum envelope_worker_op? PERMISSION */
bool rights_on_kek(const struct session *session, const char *kek, uint32_t op,
		   struct envelope_error *e);

/** rights_on_device() - may it touch this mapping? It may, where one of its KEKs gives the right */
bool rights_on_device(const struct session *session, const char *name, struct envelope_error *e);

#endif
