// SPDX-License-Identifier: GPL-2.0-or-later
#include "kek-config.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "recovery.h"

#define CONFIG_LIMIT (64 << 10) /* bytes */
#define SUFFIX	     ".conf"

struct reading {
	struct envelope_kek_config *config;
	const char *rest; /* of the text */
	int line;	  /* counted from 1 */
	unsigned int given;
	char why[256]; /* the first bad line, which ends the reading */
};

/* By the numbers that stand for them */
static const char *const losses[] = { "lease", "fence", NULL };
static const char *const resumes[] = { "none", "held", "all", NULL };
static const char *const answers[] = { "no", "yes", NULL };

static bool set_text(char *out, size_t room, const char *value)
{
	return *value && snprintf(out, room, "%s", value) < (int)room;
}

static bool set_number(unsigned int *out, const char *value, unsigned long min, unsigned long max)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(value, &end, 10);
	if (errno || *end || *value < '0' || *value > '9' || number < min || number > max)
		return false;
	*out = (unsigned int)number;
	return true;
}

/* @words: NULL-terminated; -1 where @value is none of them */
static int find_word(const char *const *words, const char *value)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], value))
			return i;
	return -1;
}

static bool set_provider(struct envelope_kek_config *config, const char *value, unsigned int state)
{
	return set_text(config->provider, sizeof(config->provider), value);
}

static bool set_lease(struct envelope_kek_config *config, const char *value, unsigned int state)
{
	return set_number(&config->lease, value, ENVELOPE_LEASE_MIN, ENVELOPE_LEASE_MAX);
}

static bool set_interval(struct envelope_kek_config *config, const char *value, unsigned int state)
{
	return set_number(&config->check_interval, value, 1, ENVELOPE_CHECK_MAX);
}

static bool set_rotation(struct envelope_kek_config *config, const char *value, unsigned int state)
{
	return set_number(&config->rotation_interval, value, 0, ENVELOPE_ROTATION_MAX);
}

static bool set_loss(struct envelope_kek_config *config, const char *value, unsigned int state)
{
	int loss = find_word(losses, value);

	if (loss >= 0)
		config->on_state[state] = (enum envelope_loss)loss;
	return loss >= 0;
}

static bool set_resume(struct envelope_kek_config *config, const char *value, unsigned int state)
{
	int resume = find_word(resumes, value);

	if (resume >= 0)
		config->resume = (enum envelope_resume)resume;
	return resume >= 0;
}

static bool set_lock_on_sleep(struct envelope_kek_config *config, const char *value,
			      unsigned int state)
{
	int yes = find_word(answers, value);

	config->lock_on_sleep = yes > 0;
	return yes >= 0;
}

static bool set_cache(struct envelope_kek_config *config, const char *value, unsigned int state)
{
	int yes = find_word(answers, value);

	config->cache = yes > 0;
	return yes >= 0;
}

static bool set_keystore(struct envelope_kek_config *config, const char *value, unsigned int state)
{
	return *value == '/' && set_text(config->keystore, sizeof(config->keystore), value);
}

enum {
	USE,
	ADMINISTER,
};

static struct envelope_access *access_of(struct envelope_kek_config *config, unsigned int which)
{
	return which == USE ? &config->use : &config->administer;
}

static bool set_access(struct envelope_kek_config *config, const char *value, unsigned int which)
{
	char why[8];

	return envelope_access_parse(value, access_of(config, which), why, sizeof(why));
}

#define LOSS "lease or fence", set_loss

static const struct {
	const char *section, *name, *expected;
	bool (*set)(struct envelope_kek_config *config, const char *value, unsigned int state);
	unsigned int state;
} keys[] = {
	{ "kek", "provider", "the name of a provider", set_provider, 0 },
	{ "kek", "lease", "5 to 86400 seconds", set_lease, 0 },
	{ "kek", "check_interval", "1 to 3600 seconds", set_interval, 0 },
	{ "kek", "rotation_interval", "0 to 2592000 seconds", set_rotation, 0 },
	{ "kek", "on_throttled", LOSS, ENVELOPE_PROVIDER_THROTTLED },
	{ "kek", "on_unreachable", LOSS, ENVELOPE_PROVIDER_UNREACHABLE },
	{ "kek", "on_denied", LOSS, ENVELOPE_PROVIDER_DENIED },
	{ "kek", "on_disabled", LOSS, ENVELOPE_PROVIDER_DISABLED },
	{ "kek", "on_expired", LOSS, ENVELOPE_PROVIDER_EXPIRED },
	{ "kek", "on_not_yet_valid", LOSS, ENVELOPE_PROVIDER_NOT_YET_VALID },
	{ "kek", "on_deleted", LOSS, ENVELOPE_PROVIDER_DELETED },
	{ "kek", "resume", "none, held or all", set_resume, 0 },
	{ "kek", "lock_on_sleep", "yes or no", set_lock_on_sleep, 0 },
	{ "kek", "cache", "yes or no", set_cache, 0 },
	{ "access", "use", "users, groups and units", set_access, USE },
	{ "access", "administer", "users, groups and units", set_access, ADMINISTER },
	{ "service", "keystore", "the full path of a directory", set_keystore, 0 },
};

/* Return: 0, which tells libinih the same */
static int __attribute__((format(printf, 2, 3))) bad(struct reading *reading, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reading->why, sizeof(reading->why), fmt, ap);
	va_end(ap);
	return 0;
}

static int bad_access(struct reading *reading, const char *name, const char *value)
{
	struct envelope_access ignored;
	char why[160];

	envelope_access_parse(value, &ignored, why, sizeof(why));
	return bad(reading, "[access] %s: %s", name, why);
}

/* libinih's callback: 1 when the key is good */
static int set_key(void *data, const char *section, const char *name, const char *value)
{
	struct reading *reading = data;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (strcmp(section, keys[i].section) || strcmp(name, keys[i].name))
			continue;
		if (reading->given & 1U << i)
			return bad(reading, "[%s] %s is given twice", section, name);
		reading->given |= 1U << i;
		if (keys[i].set(reading->config, value, keys[i].state))
			return 1;
		if (keys[i].set == set_access)
			return bad_access(reading, name, value);
		return bad(reading, "[%s] %s must be %s, not \"%.60s\"", section, name,
			   keys[i].expected, value);
	}
	return bad(reading, "[%.40s] %.60s is not known", section, name);
}

static bool section_known(const char *line)
{
	return *line != '[' || !strncmp(line, "[kek]", 5) || !strncmp(line, "[access]", 8) ||
	       !strncmp(line, "[service]", 9);
}

/*
 * libinih's fgets(). It would read the end of a long line as a line of its own, an indented
 * line as more of the value above it, and an empty section as nothing at all.
 */
static char *next_line(char *out, int room, void *data)
{
	struct reading *reading = data;
	const char *line;
	size_t length;

	if (!*reading->rest || reading->why[0])
		return NULL;
	reading->line++;
	line = reading->rest + strspn(reading->rest, " \t");
	length = strcspn(line, "\n");
	reading->rest = line + length + (line[length] == '\n');
	if (length + 1 > (size_t)room)
		bad(reading, "the line is longer than %d characters", room - 1);
	else if (!section_known(line))
		bad(reading, "%.*s is not a known section", (int)length, line);
	if (reading->why[0])
		return NULL;
	memcpy(out, line, length);
	out[length] = '\0';
	return out;
}

int envelope_kek_config_parse(const char *text, const char *path,
			      struct envelope_kek_config *config, struct envelope_error *e)
{
	struct reading reading = { .config = config, .rest = text };
	int malformed = ini_parse_stream(next_line, &reading, set_key, &reading);

	if (malformed > 0 && (malformed < reading.line || !reading.why[0]))
		return envelope_fail(e, ENVELOPE_E_CONFIG,
				     "%s:%d: neither [section], key = value nor # comment", path,
				     malformed);
	if (malformed < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: out of memory", path);
	if (reading.why[0])
		return envelope_fail(e, ENVELOPE_E_CONFIG, "%s:%d: %s", path, reading.line,
				     reading.why);
	if (!config->provider[0])
		return envelope_fail(e, ENVELOPE_E_CONFIG, "%s: [kek] provider is missing", path);
	if (strcmp(config->provider, "service"))
		return envelope_fail(e, ENVELOPE_E_UNSUPPORTED,
				     "%s: provider \"%s\": this version knows only \"service\"",
				     path, config->provider);
	return 0;
}

void envelope_kek_config_default(struct envelope_kek_config *config, const char *name)
{
	memset(config, 0, sizeof(*config));
	snprintf(config->name, sizeof(config->name), "%s", name);
	snprintf(config->keystore, sizeof(config->keystore), "%s", ENVELOPE_KEYSTORE_DIRECTORY);
	config->lease = ENVELOPE_LEASE_DEFAULT;
	config->check_interval = ENVELOPE_CHECK_DEFAULT;
	config->rotation_interval = ENVELOPE_ROTATION_DEFAULT;
	config->resume = ENVELOPE_RESUME_HELD;
	config->cache = true;
	/* Somebody decided these; a network that fails did not */
	for (unsigned int i = ENVELOPE_PROVIDER_DENIED; i < ENVELOPE_PROVIDER_STATES; i++)
		config->on_state[i] = ENVELOPE_LOSS_FENCE;
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
	size_t size;
	int r;

	if (!envelope_kek_name_valid(name) || !strcmp(name, ENVELOPE_RECOVERY_KEK))
		return envelope_fail(e, ENVELOPE_E_USAGE, "\"%.80s\" cannot be the name of a KEK",
				     name);
	envelope_kek_config_default(config, name);
	snprintf(path, sizeof(path), "%s/%s" SUFFIX, directory, name);
	r = envelope_file_read(path, CONFIG_LIMIT, &text, &size);
	if (r == -ENOENT && !strcmp(name, ENVELOPE_DEFAULT_KEK)) {
		snprintf(config->provider, sizeof(config->provider), "service");
		return 0;
	}
	if (r == -ENOENT)
		return undeclared(path, name, e);
	if (r < 0)
		return envelope_fail(e, ENVELOPE_E_CONFIG, "%s: %s", path, strerror(-r));
	if (strlen(text) != size)
		r = envelope_fail(e, ENVELOPE_E_CONFIG, "%s: not a text", path);
	else
		r = envelope_kek_config_parse(text, path, config, e);
	free(text);
	return r;
}

/* But for the one that needs no file, which comes first */
static int is_other(const char *name)
{
	return envelope_kek_name_valid(name) && strcmp(name, ENVELOPE_DEFAULT_KEK) &&
	       strcmp(name, ENVELOPE_RECOVERY_KEK);
}

int envelope_kek_config_list(const char *directory, char ***names, struct envelope_error *e)
{
	char **others;
	int n = envelope_file_list(directory, SUFFIX, is_other, &others);

	if (n < 0)
		return envelope_fail(e, ENVELOPE_E_CONFIG, "%s: %s", directory, strerror(-n));
	*names = realloc(others, ((size_t)n + 2) * sizeof(*others));
	if (!*names)
		return envelope_fail(e, ENVELOPE_E_FAILED, "out of memory");
	memmove(*names + 1, *names, ((size_t)n + 1) * sizeof(**names));
	(*names)[0] = strdup(ENVELOPE_DEFAULT_KEK);
	return 0;
}

static void format_access(FILE *file, const struct envelope_kek_config *config)
{
	if (config->use.n || config->administer.n)
		fprintf(file, "\n[access]");
	if (config->use.n)
		fprintf(file, "\nuse = ");
	envelope_access_write(&config->use, file);
	if (config->administer.n)
		fprintf(file, "\nadminister = ");
	envelope_access_write(&config->administer, file);
	if (config->use.n || config->administer.n)
		fprintf(file, "\n");
}

/* NULL when out of memory */
static char *format(const struct envelope_kek_config *config)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	fprintf(file, "[kek]\nprovider = %s\nlease = %u\ncheck_interval = %u\n", config->provider,
		config->lease, config->check_interval);
	fprintf(file, "rotation_interval = %u\n", config->rotation_interval);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].set == set_loss)
			fprintf(file, "%s = %s\n", keys[i].name,
				losses[config->on_state[keys[i].state]]);
	fprintf(file, "resume = %s\nlock_on_sleep = %s\ncache = %s\n", resumes[config->resume],
		answers[config->lock_on_sleep], answers[config->cache]);
	format_access(file, config);
	fprintf(file, "\n[service]\nkeystore = %s\n", config->keystore);
	if (!fclose(file))
		return text;
	free(text);
	return NULL;
}

int envelope_kek_config_write(const char *directory, const struct envelope_kek_config *config,
			      struct envelope_error *e)
{
	struct envelope_kek_config back = *config;
	char path[PATH_MAX], *text;
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "%s/%s" SUFFIX, directory, config->name);
	if (lstat(path, &st) == 0)
		return envelope_fail(e, ENVELOPE_E_EXISTS, "%s is already there", path);
	text = format(config);
	if (!text)
		return envelope_fail(e, ENVELOPE_E_FAILED, "out of memory");
	r = envelope_kek_config_parse(text, path, &back, e);
	if (!r) {
		r = envelope_file_replace(path, text, strlen(text), 0644);
		if (r < 0)
			r = envelope_fail_file(e, path, -r);
	}
	free(text);
	return r;
}
