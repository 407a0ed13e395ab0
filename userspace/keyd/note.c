// SPDX-License-Identifier: GPL-2.0-or-later
#include "note.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#define CONTENT_MAX (ENVELOPE_UUID_TEXT + 1 + NOTE_TEXT_MAX)

static const char *const suffixes[] = {
	[NOTE_LOCKED] = "locked", [NOTE_ASLEEP] = "asleep", [NOTE_RECOVERY] = "recovery",
	[NOTE_SLOT] = "slot",	  [NOTE_STOCK] = "crypt",   [NOTE_HEADER] = "header",
};

static void path_of(const struct manager *m, enum note note, const char *name, char *path,
		    size_t room)
{
	snprintf(path, room, "%s/%s.%s", m->options->runtime_dir, name, suffixes[note]);
}

bool note_leave(const struct manager *m, enum note note, const char *name, const char *uuid,
		const char *text)
{
	char path[PATH_MAX], content[CONTENT_MAX + 1];
	int n = snprintf(content, sizeof(content), "%s\n%s", uuid, text);

	path_of(m, note, name, path, sizeof(path));
	return n <= CONTENT_MAX && envelope_file_replace(path, content, (size_t)n, 0600) == 0;
}

bool note_is_anywhere(const struct manager *m, enum note note)
{
	DIR *directory = opendir(m->options->runtime_dir);
	const struct dirent *entry;
	bool found = false;

	if (!directory)
		return errno != ENOENT; /* who knows */
	while (!found && (entry = readdir(directory))) {
		const char *dot = strrchr(entry->d_name, '.');

		found = dot && !strcmp(dot + 1, suffixes[note]);
	}
	closedir(directory);
	return found;
}

/* The text behind the uuid, in @content; NULL where there is none of this volume */
static const char *find(const struct manager *m, enum note note, const char *name, const char *uuid,
			char **content)
{
	size_t length = strlen(uuid);
	char path[PATH_MAX];

	path_of(m, note, name, path, sizeof(path));
	if (envelope_file_read(path, CONTENT_MAX, content, NULL))
		*content = NULL;
	if (!*content || strncmp(*content, uuid, length) || (*content)[length] != '\n')
		return NULL;
	return *content + length + 1;
}

bool note_is_there(const struct manager *m, enum note note, const char *name, const char *uuid)
{
	char *content;
	bool there = find(m, note, name, uuid, &content);

	free(content);
	return there;
}

void note_text(const struct manager *m, enum note note, const char *name, const char *uuid,
	       char text[static NOTE_TEXT_MAX + 1])
{
	char *content;

	snprintf(text, NOTE_TEXT_MAX + 1, "%s", find(m, note, name, uuid, &content) ?: "");
	free(content);
}

int note_slot(const struct manager *m, const char *name, const char *uuid)
{
	char text[NOTE_TEXT_MAX + 1], *end;
	unsigned long slot;

	note_text(m, NOTE_SLOT, name, uuid, text);
	slot = strtoul(text, &end, 10);
	return end != text && !*end && slot < ENVELOPE_SLOTS_MAX ? (int)slot : -1;
}

void note_remove(const struct manager *m, enum note note, const char *name)
{
	char path[PATH_MAX];

	path_of(m, note, name, path, sizeof(path));
	envelope_file_remove(path);
}
