// SPDX-License-Identifier: GPL-2.0-or-later
/* What a command asks of envelope-keyd, as members of the call. */
#include <blkid.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "command.h"
#include "file.h"

void add_text(struct json_object *parameters, const char *name, const char *value)
{
	if (value)
		json_object_object_add(parameters, name, json_object_new_string(value));
}

void add_list(struct json_object *parameters, const char *name, const struct arguments *arguments,
	      int option)
{
	struct json_object *array;

	if (!arguments->values[option])
		return;
	array = json_object_new_array();
	for (int i = 0; i < arguments->n_given; i++)
		if (arguments->given[i].option == option)
			json_object_array_add(array,
					      json_object_new_string(arguments->given[i].value));
	json_object_object_add(parameters, name, array);
}

void add_flag(struct json_object *parameters, const char *name, bool set)
{
	if (set)
		json_object_object_add(parameters, name, json_object_new_boolean(true));
}

int parse_number(const char *text, unsigned int *number, struct envelope_error *e)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || !isdigit((unsigned char)*text) || value > UINT32_MAX)
		return envelope_fail(e, ENVELOPE_E_USAGE, "\"%.40s\" is not a number", text);
	*number = (unsigned int)value;
	return 0;
}

int add_number(struct json_object *parameters, const char *name, const char *value,
	       struct envelope_error *e)
{
	unsigned int number;
	int r;

	if (!value)
		return 0;
	r = parse_number(value, &number, e);
	if (r == 0)
		json_object_object_add(parameters, name, json_object_new_uint64(number));
	return r;
}

/* A path may hold an equals sign too */
static bool is_tag(const char *spec)
{
	static const char *const tags[] = { "UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=" };

	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		if (!strncmp(spec, tags[i], strlen(tags[i])))
			return true;
	return false;
}

/* The name that a user knows a mapping by: /dev/dm-1 says nothing, and may be another's tomorrow */
static void name_mapping(char **path)
{
	char attribute[sizeof("/sys/dev/block/4294967295:4294967295/dm/name")];
	char *name, *mapped;
	struct stat st;

	if (stat(*path, &st) < 0 || !S_ISBLK(st.st_mode))
		return;
	snprintf(attribute, sizeof(attribute), "/sys/dev/block/%u:%u/dm/name", major(st.st_rdev),
		 minor(st.st_rdev));
	if (envelope_file_read(attribute, NAME_MAX, &name, NULL) < 0)
		return;
	name[strcspn(name, "\n")] = '\0';
	if (asprintf(&mapped, "/dev/mapper/%s", name) < 0)
		mapped = NULL;
	free(name);
	if (!mapped || access(mapped, F_OK) < 0) {
		free(mapped);
		return;
	}
	free(*path);
	*path = mapped;
}

int device_path(const char *spec, char **path, struct envelope_error *e)
{
	char *found = is_tag(spec) ? blkid_evaluate_tag(spec, NULL, NULL) : strdup(spec);

	if (!found)
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: no such device", spec);
	*path = realpath(found, NULL);
	if (!*path)
		envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: %s", found, strerror(errno));
	free(found);
	if (!*path)
		return -ENVELOPE_E_NOT_FOUND;
	name_mapping(path);
	return 0;
}

int add_device(struct json_object *parameters, const char *spec, struct envelope_error *e)
{
	char *path;
	int r = device_path(spec, &path, e);

	if (r < 0)
		return r;
	add_text(parameters, "device", path);
	free(path);
	return 0;
}

/* Which need not be there yet */
static int absolute(const char *path, char *out, size_t room, struct envelope_error *e)
{
	char here[PATH_MAX] = "";
	int n;

	if (*path != '/' && !getcwd(here, sizeof(here)))
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: %s", path, strerror(errno));
	n = snprintf(out, room, "%s%s%s", here, *here ? "/" : "", path);
	if (!*path || n >= (int)room)
		return envelope_fail(e, ENVELOPE_E_USAGE, "%s: no path of a header", path);
	return 0;
}

int add_disk(struct json_object *parameters, const struct arguments *arguments, int header,
	     struct envelope_error *e)
{
	char path[PATH_MAX];
	int r = add_device(parameters, arguments->words[0], e);

	if (r < 0 || !arguments->values[header])
		return r;
	r = absolute(arguments->values[header], path, sizeof(path), e);
	if (r == 0)
		add_text(parameters, "header", path);
	return r;
}
