// SPDX-License-Identifier: GPL-2.0-or-later
#include "access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/*
 * What the kernel gives for an id that this user namespace does not know: any number of users, of
 * any container, would be named by it
 */
#define OVERFLOW_ID 65534

/* As systemd has them */
#define UNIT_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"

static const char *const kinds[ENVELOPE_SUBJECT_KINDS] = { "uid", "gid", "unit" };

struct why {
	char *text;
	size_t room;
};

static bool __attribute__((format(printf, 2, 3))) wrong(struct why *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, why->room, fmt, ap);
	va_end(ap);
	return false;
}

static bool find_number(const char *name, uint32_t *id)
{
	unsigned long long number;
	char *end;

	if (*name < '0' || *name > '9')
		return false;
	errno = 0;
	number = strtoull(name, &end, 10);
	*id = (uint32_t)number;
	return !errno && !*end && number < UINT32_MAX;
}

static bool find_name(enum envelope_subject_kind kind, const char *name, uint32_t *id)
{
	const struct passwd *user = kind == ENVELOPE_SUBJECT_UID ? getpwnam(name) : NULL;
	const struct group *group = kind == ENVELOPE_SUBJECT_GID ? getgrnam(name) : NULL;

	if (user)
		*id = user->pw_uid;
	else if (group)
		*id = group->gr_gid;
	return user || group;
}

static bool parse_id(const char *word, const char *name, struct envelope_subject *subject,
		     struct why *why)
{
	if (!find_number(name, &subject->id) && !find_name(subject->kind, name, &subject->id))
		return wrong(why, "this host has no %s \"%.60s\"",
			     subject->kind == ENVELOPE_SUBJECT_GID ? "group" : "user", name);
	if (subject->id == OVERFLOW_ID)
		return wrong(why, "%.60s stands for everybody whom this host does not know", word);
	return true;
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t length = strlen(name), wanted = strlen(suffix);

	return length > wanted && !strcmp(name + length - wanted, suffix);
}

/* Whether there is such a unit is not asked: it may come later */
static bool parse_unit(const char *name, struct envelope_subject *subject, struct why *why)
{
	if (!ends_in(name, ".service") && !ends_in(name, ".scope"))
		return wrong(why, "unit:%.60s is to end in .service or .scope", name);
	if (strspn(name, UNIT_CHARACTERS) != strlen(name) || strlen(name) > ENVELOPE_UNIT_MAX)
		return wrong(why, "unit:%.60s is no name of a unit", name);
	snprintf(subject->unit, sizeof(subject->unit), "%s", name);
	return true;
}

static bool parse_subject(const char *word, struct envelope_subject *subject, struct why *why)
{
	const char *name = strchr(word, ':');
	unsigned int kind = 0;

	while (name && kind < ENVELOPE_SUBJECT_KINDS &&
	       (strlen(kinds[kind]) != (size_t)(name - word) ||
		strncmp(kinds[kind], word, strlen(kinds[kind]))))
		kind++;
	if (!name || kind == ENVELOPE_SUBJECT_KINDS)
		return wrong(why, "\"%.60s\" is none of uid:USER, gid:GROUP and unit:NAME", word);
	subject->kind = kind;
	name++;
	return kind == ENVELOPE_SUBJECT_UNIT ? parse_unit(name, subject, why)
					     : parse_id(word, name, subject, why);
}

bool envelope_access_parse(const char *text, struct envelope_access *access, char *reason,
			   size_t room)
{
	struct why why = { reason, room };
	char copy[256], *rest = copy, *word;

	memset(access, 0, sizeof(*access));
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return wrong(&why, "it is too long");
	while ((word = strsep(&rest, " \t"))) {
		if (!*word)
			continue;
		if (access->n == ENVELOPE_SUBJECTS_MAX)
			return wrong(&why, "more than %d are named: make a group of them",
				     ENVELOPE_SUBJECTS_MAX);
		if (!parse_subject(word, &access->subjects[access->n], &why))
			return false;
		access->n++;
	}
	return access->n || wrong(&why, "nobody is named: leave the line out");
}

void envelope_access_write(const struct envelope_access *access, FILE *file)
{
	for (uint32_t i = 0; i < access->n; i++) {
		const struct envelope_subject *subject = &access->subjects[i];

		fprintf(file, "%s%s:", i ? " " : "", kinds[subject->kind]);
		if (subject->kind == ENVELOPE_SUBJECT_UNIT)
			fputs(subject->unit, file);
		else
			fprintf(file, "%u", subject->id);
	}
}

static bool subject_valid(const struct envelope_subject *subject)
{
	return subject->kind < ENVELOPE_SUBJECT_KINDS &&
	       memchr(subject->unit, '\0', sizeof(subject->unit)) &&
	       (subject->kind == ENVELOPE_SUBJECT_UNIT) == !!*subject->unit;
}

bool envelope_access_valid(const struct envelope_access *access)
{
	for (uint32_t i = 0; i < access->n && i < ENVELOPE_SUBJECTS_MAX; i++)
		if (!subject_valid(&access->subjects[i]))
			return false;
	return access->n <= ENVELOPE_SUBJECTS_MAX;
}

bool envelope_access_units(const struct envelope_access *access)
{
	for (uint32_t i = 0; i < access->n; i++)
		if (access->subjects[i].kind == ENVELOPE_SUBJECT_UNIT)
			return true;
	return false;
}

static bool in_group(gid_t wanted, gid_t gid, const gid_t *groups, size_t n_groups)
{
	bool found = gid == wanted;

	for (size_t i = 0; i < n_groups; i++)
		found |= groups[i] == wanted;
	return found;
}

bool envelope_access_names(const struct envelope_access *access, uid_t uid, gid_t gid,
			   const gid_t *groups, size_t n_groups, const char *unit)
{
	bool found = false;

	for (uint32_t i = 0; i < access->n && !found; i++) {
		const struct envelope_subject *subject = &access->subjects[i];

		if (subject->kind == ENVELOPE_SUBJECT_UID)
			found = subject->id == uid;
		else if (subject->kind == ENVELOPE_SUBJECT_GID)
			found = in_group(subject->id, gid, groups, n_groups);
		else
			found = !strcmp(subject->unit, unit);
	}
	return found;
}
