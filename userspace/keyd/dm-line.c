// SPDX-License-Identifier: GPL-2.0-or-later
/* Table and status lines of the target as text: see Documentation/target.rst. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dm.h"

#define UUID_PREFIX	    "CRYPT-ENVELOPE-"
#define DESCRIPTION_PREFIX "envelope:"

void dm_key_description(const struct dm_line *line, char *text, size_t room)
{
	snprintf(text, room, DESCRIPTION_PREFIX "%s:%s:%u", line->uuid, line->name, line->handover);
}

void dm_device_uuid(const struct dm_line *line, char *text, size_t room)
{
	char digits[ENVELOPE_UUID_TEXT + 1];
	size_t n = 0;

	for (const char *p = line->uuid; *p; p++)
		if (*p != '-')
			digits[n++] = *p;
	digits[n] = '\0';
	snprintf(text, room, UUID_PREFIX "%s-%s", digits, line->name);
}

bool dm_volume_of(const char *dm_uuid, char uuid[static ENVELOPE_UUID_TEXT + 1])
{
	const char *digits = dm_uuid + strlen(UUID_PREFIX);
	size_t at = 0;

	if (strncmp(dm_uuid, UUID_PREFIX, strlen(UUID_PREFIX)) ||
	    strspn(digits, "0123456789abcdef") != 32 || digits[32] != '-')
		return false;
	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			uuid[at++] = '-';
		uuid[at++] = digits[i];
	}
	uuid[at] = '\0';
	return true;
}

int dm_line_params(const struct dm_line *line, char *params, size_t room)
{
	char description[256], options[256] = "";
	unsigned int n = 0;
	int size = 0;

#define OPTION(wanted, ...)                                                                        \
	do {                                                                                       \
		if (wanted) {                                                                      \
			size += snprintf(options + size, sizeof(options) - (size_t)size,           \
					 " " __VA_ARGS__);                                         \
			n++;                                                                       \
		}                                                                                  \
	} while (0)
	OPTION(line->allow_discards, "allow_discards");
	OPTION(true, "sector_size:%u", line->sector_size);
	OPTION(true, "key_check:%s", line->key_check);
	OPTION(line->lease, "lease:%u", line->lease);
	OPTION(line->queue, "on_key_loss:queue");
	OPTION(line->queue_timeout, "queue_timeout:%u", line->queue_timeout);
#undef OPTION
	dm_key_description(line, description, sizeof(description));
	size = snprintf(params, room, ENVELOPE_CIPHER " :%u:logon:%s 0 %u:%u %" PRIu64 " %u%s",
			line->key_size, description, line->major, line->minor, line->start, n,
			options);
	return size < (int)room ? 0 : -E2BIG;
}

/* "logon:envelope:<uuid>:<name>:<n>": the name holds no colon */
static int parse_key(const char *key, struct dm_line *line)
{
	char uuid[ENVELOPE_UUID_TEXT + 1], name[ENVELOPE_NAME_MAX + 1];
	int end = 0;

	if (sscanf(key, ":%u:logon:" DESCRIPTION_PREFIX "%36[0-9a-f-]:%76[^:]:%u%n",
		   &line->key_size, uuid, name, &line->handover, &end) != 4 ||
	    key[end])
		return -EINVAL;
	memcpy(line->uuid, uuid, sizeof(uuid));
	memcpy(line->name, name, sizeof(name));
	return 0;
}

static void parse_option(const char *option, struct dm_line *line)
{
	if (!strcmp(option, "allow_discards"))
		line->allow_discards = true;
	else if (!strcmp(option, "on_key_loss:queue"))
		line->queue = true;
	else
		(void)(sscanf(option, "sector_size:%u", &line->sector_size) ||
		       sscanf(option, "key_check:%16[0-9a-f]", line->key_check) ||
		       sscanf(option, "lease:%u", &line->lease) ||
		       sscanf(option, "queue_timeout:%u", &line->queue_timeout));
}

int dm_line_parse(const char *params, struct dm_line *line)
{
	char text[DM_PARAMS_MAX], key[DM_PARAMS_MAX];
	char *rest, *option;
	int end = 0;

	line->sector_size = 512;
	if (snprintf(text, sizeof(text), "%s", params) >= (int)sizeof(text) ||
	    sscanf(text, ENVELOPE_CIPHER " %511s %*u %u:%u %" SCNu64 "%n", key, &line->major,
		   &line->minor, &line->start, &end) != 4 ||
	    parse_key(key, line) < 0)
		return -EINVAL;
	option = strtok_r(text + end, " ", &rest); /* their number */
	while (option && (option = strtok_r(NULL, " ", &rest)))
		parse_option(option, line);
	return 0;
}

int dm_status_parse(const char *text, struct dm_state *state)
{
	const char *at = strstr(text, " key_generation:");

	if (sscanf(text, "%15s reason:%15s", state->state, state->reason) != 2 || !at ||
	    sscanf(at,
		   " key_generation:%u cipher:%63s reads:%" SCNu64 " writes:%" SCNu64
		   " discards:%" SCNu64 " errors:%" SCNu64,
		   &state->generation, state->cipher, &state->reads, &state->writes,
		   &state->discards, &state->errors) != 6)
		return -EINVAL;
	return 0;
}
