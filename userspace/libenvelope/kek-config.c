// SPDX-License-Identifier: GPL-2.0-or-later
#include "kek-config.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"

#define CONFIG_LIMIT (64 << 10) /* bytes */
#define SUFFIX	     ".conf"

struct reading {
	struct envelope_kek_config *config;
	char unknown[128];
};

static int set_text(char *out, size_t room, const char *value)
{
	return snprintf(out, room, "%s", value) < (int)room && *value;
}

static int set_lease(unsigned int *lease, const char *value)
{
	char *end;
	unsigned long seconds;

	errno = 0;
	seconds = strtoul(value, &end, 10);
	if (errno || *end || *value < '0' || *value > '9' || seconds < ENVELOPE_LEASE_MIN ||
	    seconds > ENVELOPE_LEASE_MAX)
		return 0;
	*lease = (unsigned int)seconds;
	return 1;
}

/* libinih's callback: 0 makes it note the line as bad */
static int set_key(void *data, const char *section, const char *name, const char *value)
{
	struct reading *reading = data;
	struct envelope_kek_config *config = reading->config;

	if (!strcmp(section, "kek") && !strcmp(name, "provider"))
		return set_text(config->provider, sizeof(config->provider), value);
	if (!strcmp(section, "kek") && !strcmp(name, "lease"))
		return set_lease(&config->lease, value);
	if (!strcmp(section, "service") && !strcmp(name, "keystore"))
		return *value == '/' && set_text(config->keystore, sizeof(config->keystore), value);
	if (!reading->unknown[0])
		snprintf(reading->unknown, sizeof(reading->unknown), "[%.40s] %.60s", section,
			 name);
	return 0;
}

int envelope_kek_config_parse(const char *text, const char *path,
			      struct envelope_kek_config *config, struct envelope_error *e)
{
	struct reading reading = { .config = config };
	int line = ini_parse_string(text, set_key, &reading);

	if (line > 0 && reading.unknown[0])
		envelope_fail(e, ENVELOPE_E_CONFIG, "%s:%d: %s is not known", path, line,
			      reading.unknown);
	else if (line)
		envelope_fail(e, ENVELOPE_E_CONFIG, "%s:%d: malformed", path, line);
	else if (!config->provider[0])
		envelope_fail(e, ENVELOPE_E_CONFIG, "%s: [kek] provider is missing", path);
	else if (strcmp(config->provider, "service"))
		envelope_fail(e, ENVELOPE_E_UNSUPPORTED,
			      "%s: provider \"%s\": this version knows only \"service\"", path,
			      config->provider);
	else
		return 0;
	return e ? -(int)e->code : -ENVELOPE_E_CONFIG;
}

static void set_defaults(struct envelope_kek_config *config, const char *name)
{
	memset(config, 0, sizeof(*config));
	snprintf(config->name, sizeof(config->name), "%s", name);
	snprintf(config->keystore, sizeof(config->keystore), "%s", ENVELOPE_KEYSTORE_DIRECTORY);
	config->lease = ENVELOPE_LEASE_DEFAULT;
}

static int undeclared(const char *path, const char *name, struct envelope_error *e)
{
	envelope_fail(e, ENVELOPE_E_KEK_UNDECLARED, "KEK %s: this host does not declare it", name);
	return envelope_cure(
		e, "if you trust it, write %s with: [kek] and below it: provider = service", path);
}

int envelope_kek_config_load(const char *directory, const char *name,
			     struct envelope_kek_config *config, struct envelope_error *e)
{
	char path[PATH_MAX];
	char *text;
	int r;

	if (!envelope_kek_name_valid(name))
		return envelope_fail(e, ENVELOPE_E_USAGE, "\"%.80s\" cannot be the name of a KEK",
				     name);
	set_defaults(config, name);
	snprintf(path, sizeof(path), "%s/%s" SUFFIX, directory, name);
	r = envelope_file_read(path, CONFIG_LIMIT, &text, NULL);
	if (r == -ENOENT && !strcmp(name, ENVELOPE_DEFAULT_KEK)) {
		snprintf(config->provider, sizeof(config->provider), "service");
		return 0;
	}
	if (r == -ENOENT)
		return undeclared(path, name, e);
	if (r < 0)
		return envelope_fail(e, ENVELOPE_E_CONFIG, "%s: %s", path, strerror(-r));
	r = envelope_kek_config_parse(text, path, config, e);
	free(text);
	return r;
}

static int is_config(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	char name[ENVELOPE_KEK_NAME_MAX + 1];

	if (length <= strlen(SUFFIX) || length > ENVELOPE_KEK_NAME_MAX + strlen(SUFFIX) ||
	    strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX))
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(length - strlen(SUFFIX)), entry->d_name);
	return envelope_kek_name_valid(name) && strcmp(name, ENVELOPE_DEFAULT_KEK);
}

int envelope_kek_config_list(const char *directory, char ***names, struct envelope_error *e)
{
	struct dirent **entries = NULL;
	int n = scandir(directory, &entries, is_config, alphasort);

	if (n < 0 && errno != ENOENT)
		return envelope_fail(e, ENVELOPE_E_CONFIG, "%s: %s", directory, strerror(errno));
	if (n < 0)
		n = 0;
	*names = calloc((size_t)n + 2, sizeof(**names));
	if (*names)
		(*names)[0] = strdup(ENVELOPE_DEFAULT_KEK);
	for (int i = 0; i < n; i++) {
		if (*names)
			(*names)[i + 1] = strndup(entries[i]->d_name,
						  strlen(entries[i]->d_name) - strlen(SUFFIX));
		free(entries[i]);
	}
	free(entries);
	return *names ? 0 : envelope_fail(e, ENVELOPE_E_FAILED, "out of memory");
}

int envelope_kek_config_write(const char *directory, const struct envelope_kek_config *config,
			      struct envelope_error *e)
{
	char path[PATH_MAX], text[1024];
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "%s/%s" SUFFIX, directory, config->name);
	if (lstat(path, &st) == 0)
		return envelope_fail(e, ENVELOPE_E_EXISTS, "%s is already there", path);
	snprintf(text, sizeof(text),
		 "[kek]\nprovider = %s\nlease = %u\n\n[service]\nkeystore = %s\n", config->provider,
		 config->lease, config->keystore);
	r = envelope_file_replace(path, text, strlen(text), 0644);
	if (r < 0)
		return envelope_fail(e, ENVELOPE_E_IO, "%s: %s", path, strerror(-r));
	return 0;
}
