// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "record.h"
#include "set.h"
#include "sets.h"

#define DAY_TEXT (sizeof("2026-01-31") - 1)

/* Which it has its shares from now, or had when they were those of the set */
static void find_set(struct op *op, const struct envelope_token *token,
		     const struct envelope_record *old, char set[static ENVELOPE_KEK_NAME_MAX + 1])
{
	char **names;
	bool has = false;

	*set = '\0';
	if (envelope_set_list(op->manager->sets_dir, &names, NULL))
		return;
	for (unsigned int i = 0; i < old->n_slots; i++)
		if (!memcmp(old->slots[i].salt, token->salt, sizeof(token->salt)))
			strcpy(set, old->slots[i].set);
	for (char **name = names; *name; name++) {
		if (!has && !set_has(op, *name, token, &has, NULL) && has)
			strcpy(set, *name);
		free(*name);
	}
	free(names);
}

/* What is known of it; nothing, where it cannot be read */
static void read_record(struct op *op, const char *uuid, struct envelope_record *record)
{
	if (envelope_record_read(op->manager->inventory_dir, uuid, record, NULL))
		memset(record, 0, sizeof(*record));
}

void inventory_set(struct op *op, const char *uuid, const struct envelope_token *token,
		   char name[static ENVELOPE_KEK_NAME_MAX + 1])
{
	struct envelope_record record;
	struct envelope_token set;

	read_record(op, uuid, &record);
	find_set(op, token, &record, name);
	if (*name && envelope_set_load(op->manager->sets_dir, name, &set, NULL))
		*name = '\0';
}

static void add(struct op *op, const struct envelope_token *token,
		const struct envelope_record *old, struct envelope_record *record)
{
	struct envelope_record_slot *slot = &record->slots[record->n_slots++];

	envelope_record_slot(token, slot);
	find_set(op, token, old, slot->set);
}

static void fill(struct op *op, const struct inventory_entry *entry,
		 const struct envelope_record *old, struct envelope_record *record)
{
	memset(record, 0, sizeof(*record));
	strcpy(record->uuid, entry->uuid);
	snprintf(record->device, sizeof(record->device), "%s", entry->device);
	snprintf(record->header, sizeof(record->header), "%s", entry->header);
	gethostname(record->host, sizeof(record->host) - 1);
	envelope_time_now(record->seen);
	for (size_t i = 0; i < entry->n; i++)
		add(op, &entry->slots[i].token, old, record);
	if (entry->coming)
		add(op, entry->coming, old, record);
}

/* A host may open a thousand volumes at once: what says nothing new within a day is not written */
static bool says_the_same(struct envelope_record *old, const struct envelope_record *new)
{
	if (strncmp(old->seen, new->seen, DAY_TEXT))
		return false;
	strcpy(old->seen, new->seen);
	return !memcmp(old, new, sizeof(*old));
}

void inventory_note(struct op *op, const struct inventory_entry *entry)
{
	struct envelope_record old, record;
	struct envelope_error e;

	read_record(op, entry->uuid, &old);
	fill(op, entry, &old, &record);
	if (!says_the_same(&old, &record) &&
	    envelope_record_write(op->manager->inventory_dir, &record, &e))
		log_line(LOG_WARNING, &(struct log_fields) { .volume = entry->uuid },
			 "%s: volume %s is not in the inventory as it is: %s", entry->device,
			 entry->uuid, e.message);
}

static bool has_salt(const struct envelope_record *record, const uint8_t *salt)
{
	for (unsigned int i = 0; i < record->n_slots; i++)
		if (!memcmp(record->slots[i].salt, salt, sizeof(record->slots[i].salt)))
			return true;
	return false;
}

bool inventory_knows(struct op *op, const char *uuid, const struct envelope_slot *slots, size_t n)
{
	struct envelope_record record;
	bool knows;

	read_record(op, uuid, &record);
	knows = *record.uuid && record.n_slots == n;
	for (size_t i = 0; knows && i < n; i++)
		knows = has_salt(&record, slots[i].token.salt);
	return knows;
}

void inventory_forget(struct op *op, const char *uuid)
{
	struct envelope_error e;

	if (envelope_record_remove(op->manager->inventory_dir, uuid, &e))
		log_line(LOG_WARNING, &(struct log_fields) { .volume = uuid },
			 "volume %s is in the inventory still: %s", uuid, e.message);
}
