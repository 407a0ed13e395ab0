/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts that device-mapper and we exchange: names, UUIDs, table and status lines. */
#ifndef KEYD_TABLE_H
#define KEYD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "tab.h"
#include "token.h"

#define TABLE_TARGET	     "envelope"
#define TABLE_UUID_PREFIX    "CRYPT-ENVELOPE-"
#define TABLE_STOCK_PREFIX   "CRYPT-LUKS2-" /* cryptsetup's */
#define TABLE_UUID_MAX	     128	    /* characters, device-mapper's limit */
#define TABLE_NAME_MAX	     ENVELOPE_NAME_MAX
#define TABLE_LINE_MAX	     512
#define TABLE_KEY_MAX	     160
#define TABLE_QUEUE_TIME_MAX (7 * 24 * 3600) /* seconds */

/** struct table - what a mapping is made of; no secrets */
struct table {
	char name[TABLE_NAME_MAX + 1];
	char uuid[ENVELOPE_UUID_TEXT + 1]; /* of the volume */
	char device[32];		   /* major:minor */
	uint64_t length;		   /* 512-byte sectors */
	uint64_t offset;		   /* of the data, 512-byte sectors */
	uint64_t key_number;		   /* the n of the key's description */
	uint32_t key_size;		   /* bytes */
	uint32_t sector_size;		   /* bytes */
	uint32_t lease;			   /* seconds; 0: none */
	uint32_t queue_timeout;		   /* seconds; 0: none */
	bool queue;			   /* on_key_loss:queue */
	bool allow_discards;
	bool readonly;	    /* not part of the line */
	char key_check[17]; /* hexadecimal; empty: none */
};

/** struct table_status - the target's INFO line */
struct table_status {
	bool fenced;
	char reason[32];
	char cipher[64];
	uint64_t since;	     /* of this state or key, seconds of boot time */
	uint64_t lease_left; /* seconds; 0 without a lease too */
	uint64_t generation;
	uint64_t held; /* requests that wait for a key */
	uint64_t reads, writes, discards, errors;
	uint64_t restored; /* the machine was, from a snapshot: seconds of boot time; 0: never */
};

/** table_dm_uuid() - CRYPT-ENVELOPE-<uuid without dashes>-<name>; "" as @name for the prefix */
void table_dm_uuid(const char *uuid, const char *name, char out[static TABLE_UUID_MAX + 1]);

/** table_volume_uuid() - the volume's uuid in a DM UUID; false when it is none of ours */
bool table_volume_uuid(const char *dm_uuid, char out[static ENVELOPE_UUID_TEXT + 1]);

/** table_stock_uuid() - the same of a mapping of cryptsetup's */
bool table_stock_uuid(const char *dm_uuid, char out[static ENVELOPE_UUID_TEXT + 1]);

/** table_key_description() - envelope:<uuid>:<name>:<n> */
int table_key_description(const struct table *table, char *out, size_t room);

/** table_key() - the key as tables and messages name it: :<bytes>:logon:<description> */
int table_key(const struct table *table, char *out, size_t room);

/** table_check() - are all numbers and texts in range? Return: 0 or -EINVAL. */
int table_check(const struct table *table);

/** table_format() - the parameters of a table line; 0, or -EINVAL where something is out of range
 */
int table_format(const struct table *table, char *out, size_t room);

/**
 * table_parse() - the inverse
 * @table: its name, uuid, length and readonly are left alone
 *
 * Return: 0, or -EINVAL where the line is not as keyd writes it.
 */
int table_parse(const char *line, struct table *table);

/** table_status_parse() - read the INFO line; 0 or -EINVAL */
int table_status_parse(const char *line, struct table_status *status);

#endif
