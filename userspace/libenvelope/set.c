// SPDX-License-Identifier: GPL-2.0-or-later
#include "set.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"

#define SUFFIX ".json"

int envelope_set_geometry(const char *uuid, struct envelope_geometry *geometry,
			  struct envelope_error *e)
{
	*geometry = (struct envelope_geometry) { .key_size = 32, .sector_size = 512 };
	if (uuid)
		snprintf(geometry->uuid, sizeof(geometry->uuid), "%s", uuid);
	else if (envelope_uuid_make(geometry->uuid) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no random numbers for a uuid");
	return 0;
}

static int path_of(const char *directory, const char *name, char path[static PATH_MAX],
		   struct envelope_error *e)
{
	if (!envelope_kek_name_valid(name)) {
		envelope_fail(e, ENVELOPE_E_USAGE, "\"%.80s\" cannot be the name of a set", name);
		return envelope_cure(e, "use letters, digits, dot, dash and underscore, at most %d",
				     ENVELOPE_KEK_NAME_MAX);
	}
	snprintf(path, PATH_MAX, "%s/%s" SUFFIX, directory, name);
	return 0;
}

static int damaged(const char *path, const char *why, struct envelope_error *e)
{
	envelope_fail(e, ENVELOPE_E_CONFIG, "%s: %s", path, why);
	return envelope_cure(e, "restore the file from a backup; its volumes open without it");
}

int envelope_set_load(const char *directory, const char *name, struct envelope_token *token,
		      struct envelope_error *e)
{
	char path[PATH_MAX], *text;
	size_t size;
	int r = path_of(directory, name, path, e);

	if (r)
		return r;
	r = envelope_file_read(path, ENVELOPE_TOKEN_TEXT_MAX, &text, &size);
	if (r == -ENOENT) {
		envelope_fail(e, ENVELOPE_E_NOT_FOUND, "there is no encryption set %s", name);
		return envelope_cure(e, "see which there are: envelopectl set list");
	}
	if (r < 0)
		return damaged(path, strerror(-r), e);
	r = envelope_token_parse(text, size, token, NULL);
	free(text);
	return r ? damaged(path, "not an encryption set, or damaged", e) : 0;
}

int envelope_set_replace(const char *directory, const char *name,
			 const struct envelope_token *token, struct envelope_error *e)
{
	char path[PATH_MAX], *text;
	int r = path_of(directory, name, path, e);

	if (r)
		return r;
	text = envelope_token_format(token);
	if (!text)
		return envelope_fail(e, ENVELOPE_E_FAILED, "out of memory");
	r = envelope_file_replace(path, text, strlen(text), 0600);
	free(text);
	return r < 0 ? envelope_fail_file(e, path, -r) : 0;
}

int envelope_set_write(const char *directory, const char *name, const struct envelope_token *token,
		       struct envelope_error *e)
{
	char path[PATH_MAX];
	struct stat st;
	int r = path_of(directory, name, path, e);

	if (!r && lstat(path, &st) == 0)
		r = envelope_fail(e, ENVELOPE_E_EXISTS, "there is an encryption set %s already",
				  name);
	return r ? r : envelope_set_replace(directory, name, token, e);
}

int envelope_set_list(const char *directory, char ***names, struct envelope_error *e)
{
	int r = envelope_file_list(directory, SUFFIX, envelope_kek_name_valid, names);

	if (r < 0)
		return envelope_fail(e, ENVELOPE_E_CONFIG, "%s: %s", directory, strerror(-r));
	return 0;
}
