// SPDX-License-Identifier: GPL-2.0-or-later
#include "table.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void table_dm_uuid(const char *uuid, const char *name, char out[static TABLE_UUID_MAX + 1])
{
	size_t n = strlen(TABLE_UUID_PREFIX);

	memcpy(out, TABLE_UUID_PREFIX, n);
	for (; *uuid && n < TABLE_UUID_MAX; uuid++)
		if (*uuid != '-')
			out[n++] = *uuid;
	snprintf(out + n, TABLE_UUID_MAX + 1 - n, "-%s", name);
}

static bool uuid_after(const char *prefix, const char *dm_uuid,
		       char out[static ENVELOPE_UUID_TEXT + 1])
{
	const char *digits = dm_uuid + strlen(prefix);
	int n = 0;

	if (strncmp(dm_uuid, prefix, strlen(prefix)) || strspn(digits, "0123456789abcdef") != 32 ||
	    digits[32] != '-')
		return false;
	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			out[n++] = '-';
		out[n++] = digits[i];
	}
	out[n] = '\0';
	return true;
}

bool table_volume_uuid(const char *dm_uuid, char out[static ENVELOPE_UUID_TEXT + 1])
{
	return uuid_after(TABLE_UUID_PREFIX, dm_uuid, out);
}

bool table_stock_uuid(const char *dm_uuid, char out[static ENVELOPE_UUID_TEXT + 1])
{
	return uuid_after(TABLE_STOCK_PREFIX, dm_uuid, out);
}

static int fits(int written, size_t room)
{
	return written < 0 || (size_t)written >= room ? -EINVAL : 0;
}

int table_key_description(const struct table *table, char *out, size_t room)
{
	return fits(snprintf(out, room, "envelope:%s:%s:%" PRIu64, table->uuid, table->name,
			     table->key_number),
		    room);
}

int table_key(const struct table *table, char *out, size_t room)
{
	char description[TABLE_KEY_MAX];
	int r = table_key_description(table, description, sizeof(description));

	if (r)
		return r;
	return fits(snprintf(out, room, ":%u:logon:%s", table->key_size, description), room);
}

static bool terminated(const char *text, size_t room)
{
	return memchr(text, '\0', room);
}

static bool is_major_minor(const char *text)
{
	size_t major = strspn(text, "0123456789");
	size_t minor = text[major] == ':' ? strspn(text + major + 1, "0123456789") : 0;

	return major && minor && !text[major + 1 + minor];
}

static bool is_sector_size(uint32_t size)
{
	return size == 512 || size == 1024 || size == 2048 || size == 4096;
}

int table_check(const struct table *table)
{
	if (!terminated(table->name, sizeof(table->name)) ||
	    !terminated(table->uuid, sizeof(table->uuid)) ||
	    !terminated(table->device, sizeof(table->device)) ||
	    !terminated(table->key_check, sizeof(table->key_check)))
		return -EINVAL;
	if (envelope_name_check(table->name, NULL) || !is_major_minor(table->device) ||
	    strlen(table->uuid) != ENVELOPE_UUID_TEXT ||
	    strspn(table->uuid, "0123456789abcdef-") != ENVELOPE_UUID_TEXT)
		return -EINVAL;
	if (*table->key_check &&
	    (strlen(table->key_check) != 16 || strspn(table->key_check, "0123456789abcdef") != 16))
		return -EINVAL;
	if ((table->key_size != 32 && table->key_size != 64) ||
	    !is_sector_size(table->sector_size) || !table->length ||
	    table->length % (table->sector_size / 512))
		return -EINVAL;
	return table->queue_timeout && !table->queue ? -EINVAL : 0;
}

struct option_words {
	char text[TABLE_LINE_MAX];
	size_t size;
	unsigned int count;
};

__attribute__((format(printf, 2, 3))) static void add(struct option_words *o, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(o->text + o->size, sizeof(o->text) - o->size, fmt, args);
	va_end(args);
	o->size += n > 0 ? n : 0;
	if (o->size >= sizeof(o->text))
		o->size = sizeof(o->text) - 1;
	o->count++;
}

int table_format(const struct table *table, char *out, size_t room)
{
	struct option_words options = {};
	char key[TABLE_KEY_MAX];

	if (table_check(table) || table_key(table, key, sizeof(key)))
		return -EINVAL;
	if (table->allow_discards)
		add(&options, " allow_discards");
	if (table->sector_size != 512)
		add(&options, " sector_size:%u", table->sector_size);
	if (*table->key_check)
		add(&options, " key_check:%s", table->key_check);
	if (table->lease)
		add(&options, " lease:%u", table->lease);
	if (table->queue)
		add(&options, " on_key_loss:queue");
	if (table->queue_timeout)
		add(&options, " queue_timeout:%u", table->queue_timeout);
	return fits(snprintf(out, room, "%s %s 0 %s %" PRIu64 " %u%s", ENVELOPE_CIPHER, key,
			     table->device, table->offset, options.count, options.text),
		    room);
}

static int number(const char *text, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno || *end ? -EINVAL : 0;
}

static int number32(const char *text, uint32_t *out)
{
	uint64_t value;

	if (number(text, &value) || value > UINT32_MAX)
		return -EINVAL;
	*out = value;
	return 0;
}

/* ":<bytes>:logon:envelope:<uuid>:<name>:<n>": a name may hold colons, so n is what is last */
static int parse_key(const char *text, struct table *table)
{
	char size[4] = "";
	size_t digits = strcspn(text + (*text == ':'), ":");
	const char *last = strrchr(text, ':');

	if (*text != ':' || digits >= sizeof(size) || !last ||
	    strncmp(text + 1 + digits, ":logon:envelope:", 16))
		return -EINVAL;
	memcpy(size, text + 1, digits);
	return number32(size, &table->key_size) || number(last + 1, &table->key_number) ? -EINVAL
											: 0;
}

static int parse_option(const char *text, struct table *table)
{
	const char *value = strchr(text, ':');

	value = value ? value + 1 : "";
	if (!strcmp(text, "allow_discards"))
		table->allow_discards = true;
	else if (!strncmp(text, "sector_size:", 12))
		return number32(value, &table->sector_size);
	else if (!strncmp(text, "key_check:", 10))
		return fits(snprintf(table->key_check, sizeof(table->key_check), "%s", value),
			    sizeof(table->key_check));
	else if (!strncmp(text, "lease:", 6))
		return number32(value, &table->lease);
	else if (!strcmp(text, "on_key_loss:queue"))
		table->queue = true;
	else if (!strncmp(text, "queue_timeout:", 14))
		return number32(value, &table->queue_timeout);
	else
		return -EINVAL;
	return 0;
}

int table_parse(const char *line, struct table *table)
{
	char text[TABLE_LINE_MAX], *word[16], *at = NULL;
	unsigned int n = 0;
	uint64_t zero, count = 0;

	if (fits(snprintf(text, sizeof(text), "%s", line), sizeof(text)))
		return -EINVAL;
	for (char *w = strtok_r(text, " ", &at); w && n < 16; w = strtok_r(NULL, " ", &at))
		word[n++] = w;
	if (n < 5 || strcmp(word[0], ENVELOPE_CIPHER) || parse_key(word[1], table) ||
	    number(word[2], &zero) || zero || number(word[4], &table->offset) ||
	    (n > 5 && (number(word[5], &count) || count != n - 6)) ||
	    fits(snprintf(table->device, sizeof(table->device), "%s", word[3]),
		 sizeof(table->device)))
		return -EINVAL;
	table->sector_size = 512;
	table->lease = table->queue_timeout = 0;
	table->queue = table->allow_discards = false;
	*table->key_check = '\0';
	for (unsigned int i = 6; i < n; i++)
		if (parse_option(word[i], table))
			return -EINVAL;
	return 0;
}

static const char *field(const char *word, const char *name)
{
	size_t length = strlen(name);

	return !strncmp(word, name, length) && word[length] == ':' ? word + length + 1 : NULL;
}

static int parse_field(const char *word, struct table_status *s)
{
	const struct {
		const char *name;
		uint64_t *out;
	} numbers[] = {
		{ "since", &s->since },	  { "key_generation", &s->generation },
		{ "held", &s->held },	  { "reads", &s->reads },
		{ "writes", &s->writes }, { "discards", &s->discards },
		{ "errors", &s->errors }, { "restored", &s->restored },
	};
	const char *value;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		value = field(word, numbers[i].name);
		if (value)
			return number(value, numbers[i].out);
	}
	value = field(word, "lease");
	if (value)
		return strchr(value, '/') ? number(strchr(value, '/') + 1, &s->lease_left) : 0;
	value = field(word, "reason");
	if (value)
		return fits(snprintf(s->reason, sizeof(s->reason), "%s", value), sizeof(s->reason));
	value = field(word, "cipher");
	if (value)
		return fits(snprintf(s->cipher, sizeof(s->cipher), "%s", value), sizeof(s->cipher));
	return 0; /* fields of a newer target are none of our business */
}

int table_status_parse(const char *line, struct table_status *status)
{
	char text[TABLE_LINE_MAX], *at = NULL, *word;

	memset(status, 0, sizeof(*status));
	if (fits(snprintf(text, sizeof(text), "%s", line), sizeof(text)))
		return -EINVAL;
	word = strtok_r(text, " ", &at);
	if (!word || (strcmp(word, "active") && strcmp(word, "fencing") && strcmp(word, "fenced")))
		return -EINVAL;
	status->fenced = strcmp(word, "active");
	while ((word = strtok_r(NULL, " ", &at)))
		if (parse_field(word, status))
			return -EINVAL;
	return 0;
}
