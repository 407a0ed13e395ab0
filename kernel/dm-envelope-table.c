// SPDX-License-Identifier: GPL-2.0-only
/*
 * Table lines and key strings as text. Nothing here opens a device or looks for
 * a key, so that every kind of bad line can be tested by itself.
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <keys/encrypted-type.h>
#include <keys/user-type.h>

#include "compat/hex.h"
#include "dm-envelope.h"

/* Arguments before the options */
enum {
	ARG_CIPHER,
	ARG_KEY,
	ARG_IV_OFFSET,
	ARG_DEVICE,
	ARG_START,
	ARG_OPTIONS,
};

static struct key_type *find_key_type(const char *name, size_t length)
{
	static const struct {
		const char *name;
		struct key_type *type;
	} types[] = {
		{ "logon", &key_type_logon },
		{ "user", &key_type_user },
#if IS_ENABLED(CONFIG_ENCRYPTED_KEYS)
		{ "encrypted", &key_type_encrypted },
#endif
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (strlen(types[i].name) == length && !strncmp(types[i].name, name, length))
			return types[i].type;
	return NULL;
}

/* "<bytes>:": returns what follows, NULL where it is no number */
static const char *parse_key_size(const char *text, unsigned int *size)
{
	size_t length = strcspn(text, ":");
	char digits[4];

	if (length >= sizeof(digits) || text[length] != ':')
		return NULL;
	memcpy(digits, text, length);
	digits[length] = '\0';
	return kstrtouint(digits, 10, size) ? NULL : text + length + 1;
}

static bool looks_like_hex_key(const char *text)
{
	while (isxdigit(*text))
		text++;
	return !*text;
}

/**
 * envelope_keyspec_parse() - parse ":<bytes>:<type>:<description>"
 * @spec:  filled; to be freed with envelope_keyspec_free()
 * @text:  the key string; the description may hold colons
 * @error: set to what is wrong with it
 *
 * Return: 0 or -errno, with nothing to free.
 */
int envelope_keyspec_parse(struct envelope_keyspec *spec, const char *text, char **error)
{
	const char *type, *description;

	*error = "The key must be given as :<bytes>:<type>:<description>";
	if (text[0] != ':') {
		if (looks_like_hex_key(text))
			*error = "Key bytes go into a keyring, :<bytes>:logon:<name> here";
		return -EINVAL;
	}

	type = parse_key_size(text + 1, &spec->size);
	description = type ? strchr(type, ':') : NULL;
	if (!description || !description[1])
		return -EINVAL;

	if (spec->size != 32 && spec->size != 64) {
		*error = "The key must be of 32 or 64 bytes";
		return -EINVAL;
	}
	spec->type = find_key_type(type, description - type);
	if (!spec->type) {
		*error = "The key type must be logon, user or encrypted";
		return -EINVAL;
	}

	spec->text = kstrdup(type, GFP_KERNEL);
	if (!spec->text) {
		*error = "Out of memory";
		return -ENOMEM;
	}
	spec->description = spec->text + (description + 1 - type);
	*error = NULL;
	return 0;
}

/**
 * envelope_keyspec_free() - free what envelope_keyspec_parse() allocated
 * @spec: may be all zeros
 */
void envelope_keyspec_free(struct envelope_keyspec *spec)
{
	kfree(spec->text);
	spec->text = NULL;
}

static const char * const on_key_loss_names[] = {
	[ENVELOPE_ERROR] = "error",
	[ENVELOPE_QUEUE] = "queue",
};

/**
 * envelope_on_key_loss_name() - "error" or "queue"
 * @policy: the policy
 */
const char *envelope_on_key_loss_name(enum envelope_on_key_loss policy)
{
	return on_key_loss_names[policy];
}

/**
 * envelope_on_key_loss_parse() - the inverse
 * @text:   the name
 * @policy: set
 *
 * Return: 0 or -EINVAL.
 */
int envelope_on_key_loss_parse(const char *text, enum envelope_on_key_loss *policy)
{
	int i = match_string(on_key_loss_names, ARRAY_SIZE(on_key_loss_names), text);

	if (i < 0)
		return -EINVAL;
	*policy = i;
	return 0;
}

static int parse_allow_discards(struct envelope_table *table, const char *value)
{
	table->allow_discards = true;
	return 0;
}

static int parse_iv_large_sectors(struct envelope_table *table, const char *value)
{
	table->iv_large_sectors = true;
	return 0;
}

static int parse_sector_size(struct envelope_table *table, const char *value)
{
	if (kstrtouint(value, 10, &table->sector_size) || !is_power_of_2(table->sector_size) ||
	    table->sector_size < SECTOR_SIZE || table->sector_size > 4096)
		return -EINVAL;
	table->sector_shift = ilog2(table->sector_size) - SECTOR_SHIFT;
	return 0;
}

static int parse_key_check(struct envelope_table *table, const char *value)
{
	table->has_key_check = true;
	if (strlen(value) != 2 * ENVELOPE_CHECK_SIZE)
		return -EINVAL;
	return hex2bin(table->key_check, value, ENVELOPE_CHECK_SIZE);
}

/**
 * envelope_lease_parse() - parse the seconds of a lease
 * @text:    the number
 * @most:    that there may be
 * @seconds: set, unless the number is wrong
 *
 * Return: 0 or -EINVAL.
 */
int envelope_lease_parse(const char *text, unsigned int most, unsigned int *seconds)
{
	unsigned int number;

	if (kstrtouint(text, 10, &number) || !number || number > most)
		return -EINVAL;
	*seconds = number;
	return 0;
}

static int parse_lease(struct envelope_table *table, const char *value)
{
	return envelope_lease_parse(value, UINT_MAX, &table->lease);
}

static int parse_on_key_loss(struct envelope_table *table, const char *value)
{
	return envelope_on_key_loss_parse(value, &table->on_key_loss);
}

static int parse_queue_timeout(struct envelope_table *table, const char *value)
{
	unsigned int *seconds = &table->queue_timeout;

	if (kstrtouint(value, 10, seconds))
		return -EINVAL;
	return *seconds && *seconds <= ENVELOPE_QUEUE_TIMEOUT_MAX ? 0 : -EINVAL;
}

/* A name that ends in a colon takes a value. */
static const struct {
	const char *name;
	int (*parse)(struct envelope_table *table, const char *value);
	char *error;
} options[] = {
	{ "allow_discards", parse_allow_discards, NULL },
	{ "iv_large_sectors", parse_iv_large_sectors, NULL },
	{ "sector_size:", parse_sector_size, "sector_size must be 512, 1024, 2048 or 4096" },
	{ "key_check:", parse_key_check, "key_check must be 16 hexadecimal digits" },
	{ "lease:", parse_lease, "lease must be a number of seconds" },
	{ "on_key_loss:", parse_on_key_loss, "on_key_loss must be error or queue" },
	{ "queue_timeout:", parse_queue_timeout, "queue_timeout must be 1 to 604800 seconds" },
};

static int find_option(const char *text)
{
	size_t length;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		length = strlen(options[i].name);
		if (options[i].name[length - 1] == ':' ? !strncmp(text, options[i].name, length) :
							 !strcmp(text, options[i].name))
			return i;
	}
	return -EINVAL;
}

static int parse_options(struct envelope_table *table, unsigned int argc, char **argv,
			 char **error)
{
	unsigned long seen = 0;
	unsigned int i;

	for (i = 0; i < argc; i++) {
		int o = find_option(argv[i]);

		if (o < 0) {
			*error = "Unknown option";
			return -EINVAL;
		}
		if (test_and_set_bit(o, &seen)) {
			*error = "An option is given twice";
			return -EINVAL;
		}
		if (options[o].parse(table, argv[i] + strlen(options[o].name))) {
			*error = options[o].error;
			return -EINVAL;
		}
	}
	if (table->queue_timeout && table->on_key_loss != ENVELOPE_QUEUE) {
		*error = "queue_timeout needs on_key_loss:queue";
		return -EINVAL;
	}
	return 0;
}

static int parse_numbers(struct envelope_table *table, unsigned int argc, char **argv,
			 char **error)
{
	unsigned int count = 0;

	if (kstrtou64(argv[ARG_IV_OFFSET], 10, &table->iv_offset)) {
		*error = "iv_offset must be a number of 512-byte sectors";
		return -EINVAL;
	}
	if (kstrtou64(argv[ARG_START], 10, &table->start) ||
	    table->start != (sector_t)table->start) {
		*error = "The device offset must be a number of 512-byte sectors";
		return -EINVAL;
	}
	if (argc > ARG_OPTIONS &&
	    (kstrtouint(argv[ARG_OPTIONS], 10, &count) || count != argc - ARG_OPTIONS - 1)) {
		*error = "The number of options is wrong";
		return -EINVAL;
	}
	return 0;
}

/**
 * envelope_table_parse() - parse a table line
 * @table: filled; @table->key to be freed with envelope_keyspec_free()
 * @argc:  arguments
 * @argv:  without start, length and target name; @table->device points into it
 * @error: set to what is wrong
 *
 * Return: 0 or -errno, with nothing to free.
 */
int envelope_table_parse(struct envelope_table *table, unsigned int argc, char **argv,
			 char **error)
{
	int r;

	memset(table, 0, sizeof(*table));
	table->sector_size = SECTOR_SIZE;

	if (argc < ARG_OPTIONS) {
		*error = "Too few arguments: <cipher> <key> <iv_offset> <device> <offset>";
		return -EINVAL;
	}
	if (strcmp(argv[ARG_CIPHER], ENVELOPE_CIPHER)) {
		*error = "The cipher must be " ENVELOPE_CIPHER;
		return -EINVAL;
	}
	table->device = argv[ARG_DEVICE];
	r = parse_numbers(table, argc, argv, error);
	if (r)
		return r;
	if (argc > ARG_OPTIONS) {
		r = parse_options(table, argc - ARG_OPTIONS - 1, argv + ARG_OPTIONS + 1, error);
		if (r)
			return r;
	}
	if (table->iv_offset & ((1 << table->sector_shift) - 1)) {
		*error = "iv_offset must be a multiple of sector_size";
		return -EINVAL;
	}
	return envelope_keyspec_parse(&table->key, argv[ARG_KEY], error);
}
