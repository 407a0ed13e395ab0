// SPDX-License-Identifier: GPL-2.0-or-later
#include "tab.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#define BLANKS " \t\r"

struct place {
	const char *path;
	unsigned int line;
	struct envelope_error *e;
};

int envelope_name_check(const char *name, struct envelope_error *e)
{
	size_t length = strlen(name);

	if (length == 0 || length > ENVELOPE_NAME_MAX)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "the name of a mapping has 1 to %d characters",
				     ENVELOPE_NAME_MAX);
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("#+-.:=@_", *p))
			return envelope_fail(
				e, ENVELOPE_E_USAGE,
				"the name of a mapping is made of letters, digits and #+-.:=@_");
	if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "control"))
		return envelope_fail(e, ENVELOPE_E_USAGE, "a mapping cannot be called %s", name);
	return 0;
}

/* A table's line would take it for a comment, a command line for an option */
bool envelope_name_valid(const char *name)
{
	return *name != '#' && *name != '-' && envelope_name_check(name, NULL) == 0;
}

static int bad(const struct place *place, const char *what, const char *text)
{
	return envelope_fail(place->e, ENVELOPE_E_CONFIG, "%s:%u: %s \"%.80s\"", place->path,
			     place->line, what, text);
}

static int set_seconds(unsigned int *out, const char *value)
{
	unsigned long seconds;
	char *end;

	errno = 0;
	seconds = strtoul(value, &end, 10);
	if (errno || *end || !isdigit((unsigned char)*value) || seconds < 1 || seconds > UINT32_MAX)
		return -EINVAL;
	*out = (unsigned int)seconds;
	return 0;
}

static bool *flag(struct envelope_tab_entry *entry, const char *option)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "readonly", &entry->readonly }, { "discard", &entry->discard },
		{ "noauto", &entry->noauto },	  { "nofail", &entry->nofail },
		{ "_netdev", &entry->netdev },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (!strcmp(option, flags[i].name))
			return flags[i].flag;
	return NULL;
}

static int parse_option(const struct place *place, struct envelope_tab_entry *entry,
			const char *option)
{
	const char *value = strchr(option, '=');
	size_t length = value ? (size_t)(value - option) : strlen(option);
	bool *set = flag(entry, option);

	if (set) {
		*set = true;
		return 0;
	}
	if (value && length == strlen("on-key-loss") && !strncmp(option, "on-key-loss", length)) {
		if (strcmp(value + 1, "error") && strcmp(value + 1, "queue"))
			return bad(place, "on-key-loss must be error or queue, not", value + 1);
		snprintf(entry->on_key_loss, sizeof(entry->on_key_loss), "%.7s", value + 1);
		return 0;
	}
	if (value && length == strlen("target") && !strncmp(option, "target", length)) {
		entry->stock = !strcmp(value + 1, "crypt");
		if (!entry->stock && strcmp(value + 1, "envelope"))
			return bad(place, "target must be envelope or crypt, not", value + 1);
		return 0;
	}
	if (value && length == strlen("queue-timeout") && !strncmp(option, "queue-timeout", length))
		return set_seconds(&entry->queue_timeout, value + 1) < 0
			       ? bad(place, "queue-timeout must be seconds, not", value + 1)
			       : 0;
	if (value && length == strlen("header") && !strncmp(option, "header", length)) {
		if (value[1] != '/' || strlen(value + 1) >= sizeof(entry->header))
			return bad(place, "header must be a full path, not", value + 1);
		strcpy(entry->header, value + 1);
		return 0;
	}
	if (value && length == strlen("volume-key") && !strncmp(option, "volume-key", length)) {
		bad(place, "this version does not support the option", option);
		return envelope_cure(place->e, "remove the option, or use a newer version");
	}
	return bad(place, "unknown option", option);
}

static int parse_options(const struct place *place, struct envelope_tab_entry *entry, char *text)
{
	char *next, *option;

	for (option = strtok_r(text, ",", &next); option; option = strtok_r(NULL, ",", &next)) {
		int r = parse_option(place, entry, option);

		if (r < 0)
			return r;
	}
	if (entry->queue_timeout && strcmp(entry->on_key_loss, "queue"))
		return bad(place, "queue-timeout needs on-key-loss=queue for", entry->name);
	if (entry->stock && !strcmp(entry->on_key_loss, "queue"))
		return bad(place, "on-key-loss=queue is not for target=crypt:", entry->name);
	return 0;
}

/* NULL at the end of the line and at a comment */
static char *next_field(char **rest)
{
	char *field = strtok_r(NULL, BLANKS, rest);

	return field && *field != '#' ? field : NULL;
}

/* Return: 1 for an entry, 0 for a line without one */
static int parse_line(const struct place *place, char *text, struct envelope_tab_entry *entry)
{
	char *rest = text;
	char *name = next_field(&rest);
	char *device = name ? next_field(&rest) : NULL;
	char *options = device ? next_field(&rest) : NULL;
	char *more = options ? next_field(&rest) : NULL;
	int r;

	if (!name)
		return 0;
	memset(entry, 0, sizeof(*entry));
	entry->line = place->line;
	if (!envelope_name_valid(name))
		return bad(place, "this cannot be the name of a mapping:", name);
	if (!device)
		return bad(place, "no device for", name);
	if (more)
		return bad(place, "too many fields:", more);
	if (snprintf(entry->name, sizeof(entry->name), "%s", name) >= (int)sizeof(entry->name) ||
	    snprintf(entry->device, sizeof(entry->device), "%s", device) >=
		    (int)sizeof(entry->device))
		return bad(place, "too long:", device);
	r = options ? parse_options(place, entry, options) : 0;
	return r < 0 ? r : 1;
}

static int add_entry(const struct place *place, struct envelope_tab *tab,
		     const struct envelope_tab_entry *entry)
{
	struct envelope_tab_entry *more;

	for (size_t i = 0; i < tab->n; i++)
		if (!strcmp(tab->entries[i].name, entry->name))
			return bad(place, "a second entry for", entry->name);
	if (tab->n == ENVELOPE_TAB_ENTRIES)
		return bad(place, "too many entries:", entry->name);
	more = realloc(tab->entries, (tab->n + 1) * sizeof(*more));
	if (!more)
		return envelope_fail(place->e, ENVELOPE_E_FAILED, "out of memory");
	tab->entries = more;
	tab->entries[tab->n++] = *entry;
	return 0;
}

int envelope_tab_parse(const char *text, const char *path, struct envelope_tab *tab,
		       struct envelope_error *e)
{
	struct place place = { path, 0, e };
	struct envelope_tab_entry entry;
	char line[ENVELOPE_TAB_LINE_MAX + 1];
	int r = 0;

	memset(tab, 0, sizeof(*tab));
	while (r >= 0 && *text) {
		size_t length = strcspn(text, "\n");

		place.line++;
		if (length > ENVELOPE_TAB_LINE_MAX) {
			r = bad(&place, "a line longer than 4096 bytes:", "");
			break;
		}
		memcpy(line, text, length);
		line[length] = '\0';
		text += length + (text[length] == '\n');
		r = parse_line(&place, line, &entry);
		if (r > 0)
			r = add_entry(&place, tab, &entry);
	}
	if (r < 0)
		envelope_tab_free(tab);
	return r < 0 ? r : 0;
}

int envelope_tab_read(const char *path, struct envelope_tab *tab, struct envelope_error *e)
{
	char *text;
	int r = envelope_file_read(path, ENVELOPE_TAB_LIMIT, &text, NULL);

	if (r == -ENOENT)
		return envelope_fail(e, ENVELOPE_E_NOT_FOUND, "%s: %s", path, strerror(-r));
	if (r < 0)
		return envelope_fail(e, ENVELOPE_E_CONFIG, "%s: %s", path, strerror(-r));
	r = envelope_tab_parse(text, path, tab, e);
	free(text);
	return r;
}

void envelope_tab_free(struct envelope_tab *tab)
{
	free(tab->entries);
	memset(tab, 0, sizeof(*tab));
}
