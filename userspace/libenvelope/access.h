/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom the declaration of a KEK names, beside root: users, groups and units of this host. */
#ifndef ENVELOPE_ACCESS_H
#define ENVELOPE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define ENVELOPE_SUBJECTS_MAX 12 /* a line of the declaration holds them as numbers */
#define ENVELOPE_UNIT_MAX     127

enum envelope_subject_kind {
	ENVELOPE_SUBJECT_UID,
	ENVELOPE_SUBJECT_GID,
	ENVELOPE_SUBJECT_UNIT, /* of the system's manager, and no user's */
	ENVELOPE_SUBJECT_KINDS,
};

struct envelope_subject {
	uint32_t kind; /* enum envelope_subject_kind */
	uint32_t id;
	char unit[ENVELOPE_UNIT_MAX + 1];
};

struct envelope_access {
	uint32_t n;
	struct envelope_subject subjects[ENVELOPE_SUBJECTS_MAX];
};

/**
 * envelope_access_parse() - "uid:1000 gid:disk unit:backup.service"
 * @why: what is wrong, where it fails
 *
 * Names are looked up now, which may load code and wait for a network: in a process that may.
 */
bool envelope_access_parse(const char *text, struct envelope_access *access, char *why,
			   size_t room);

/** envelope_access_write() - the same, users and groups as numbers */
void envelope_access_write(const struct envelope_access *access, FILE *file);

/** envelope_access_valid() - may this be believed to be one? */
bool envelope_access_valid(const struct envelope_access *access);

/** envelope_access_units() - does it name a unit? */
bool envelope_access_units(const struct envelope_access *access);

/**
 * envelope_access_names() - is it who has these, or one of these?
 * @unit: empty where it is in none, or in one that nobody can tell for sure
 */
bool envelope_access_names(const struct envelope_access *access, uid_t uid, gid_t gid,
			   const gid_t *groups, size_t n_groups, const char *unit);

#endif
