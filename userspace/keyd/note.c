// SPDX-License-Identifier: GPL-2.0-or-later
#include "note.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

static void path_of(const struct manager *m, enum note note, const char *name, char *path,
		    size_t room)
{
	static const char *const suffixes[] = {
		[NOTE_LOCKED] = "locked",
		[NOTE_ASLEEP] = "asleep",
		[NOTE_RECOVERY] = "recovery",
		[NOTE_STOCK] = "crypt",
	};

	snprintf(path, room, "%s/%s.%s", m->options->runtime_dir, name, suffixes[note]);
}

bool note_leave(const struct manager *m, enum note note, const char *name, const char *uuid)
{
	char path[PATH_MAX];

	path_of(m, note, name, path, sizeof(path));
	return envelope_file_replace(path, uuid, strlen(uuid), 0600) == 0;
}

bool note_is_there(const struct manager *m, enum note note, const char *name, const char *uuid)
{
	char path[PATH_MAX], *text;
	bool same;

	path_of(m, note, name, path, sizeof(path));
	if (envelope_file_read(path, ENVELOPE_UUID_TEXT, &text, NULL))
		return false;
	same = !strcmp(text, uuid);
	free(text);
	return same;
}

void note_remove(const struct manager *m, enum note note, const char *name)
{
	char path[PATH_MAX];

	path_of(m, note, name, path, sizeof(path));
	envelope_file_remove(path);
}
