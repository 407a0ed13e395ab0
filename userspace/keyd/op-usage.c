// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Usage: who needs which version of a KEK, as far as this host knows: the volumes of its
 * inventory, the header backups that it keeps, its encryption sets.
 */
#include <stdlib.h>
#include <string.h>

#include "kek.h"
#include "op.h"
#include "record.h"
#include "set.h"
#include "volume.h"

struct usage {
	struct op *op;
	char kek[ENVELOPE_KEK_NAME_MAX + 1];
	char version[ENVELOPE_KEK_VERSION_MAX + 1]; /* "": each */
	struct json_object *uses, *warnings;
};

/**
 * struct use - by whom
 * @kind:   "volume", "backup", "set"
 * @name:   of the backup's file, or the set
 * @record: of the volume; NULL: none
 */
struct use {
	const char *kind, *name, *uuid;
	const struct envelope_record *record;
};

static void add(struct usage *usage, const struct use *use, const struct envelope_record_slot *slot,
		const char *version)
{
	const struct envelope_record *record = use->record;
	struct json_object *object = json_object_new_object();

	op_add_text(object, "kind", use->kind);
	op_add_text(object, "version", version);
	op_add_text(object, "name", use->name);
	op_add_text(object, "uuid", use->uuid);
	op_add_number(object, "slot", slot->slot);
	op_add_number(object, "threshold", slot->threshold);
	op_add_number(object, "shares", slot->n_shares);
	op_add_text(object, "set", text_or_null(slot->set));
	op_add_text(object, "device", record ? record->device : NULL);
	op_add_text(object, "header", record ? text_or_null(record->header) : NULL);
	op_add_text(object, "host", record ? record->host : NULL);
	op_add_text(object, "seen", record ? record->seen : NULL);
	json_object_array_add(usage->uses, object);
}

static void add_slot(struct usage *usage, const struct use *use,
		     const struct envelope_record_slot *slot)
{
	for (unsigned int i = 0; i < slot->n_shares; i++) {
		const char *version = slot->shares[i].version;

		if (!strcmp(slot->shares[i].kek, usage->kek) &&
		    (!*usage->version || !strcmp(version, usage->version)))
			add(usage, use, slot, version);
	}
}

static void add_token(struct usage *usage, const struct use *use,
		      const struct envelope_token *token)
{
	struct envelope_record_slot slot;

	envelope_record_slot(token, &slot);
	add_slot(usage, use, &slot);
}

/* What cannot be read may need any version: nobody is to think that nobody does */
static void warn(struct usage *usage, const struct envelope_error *e)
{
	op_warn(usage->warnings, "%s: what it needs is not known", e->message);
}

static void add_volume(struct usage *usage, const char *uuid)
{
	struct envelope_record record;
	struct envelope_error e;

	if (envelope_record_read(usage->op->manager->inventory_dir, uuid, &record, &e))
		warn(usage, &e);
	else
		for (unsigned int i = 0; i < record.n_slots; i++)
			add_slot(usage, &(struct use) { "volume", NULL, uuid, &record },
				 &record.slots[i]);
}

static void add_backup(struct usage *usage, const char *name)
{
	_cleanup_volume_ struct envelope_volume *volume = NULL;
	struct envelope_slot slots[ENVELOPE_SLOTS_MAX];
	struct envelope_error e;
	size_t n = 0;
	int r = envelope_volume_load_backup(usage->op->manager->headers_dir, name, &volume, &e);

	/* One that was made before it was adopted has none */
	if (r == -ENVELOPE_E_NOT_VOLUME)
		return;
	if (!r)
		r = envelope_volume_slots(volume, slots, &n, &e);
	if (r && r != -ENVELOPE_E_NO_SLOT)
		warn(usage, &e);
	for (size_t i = 0; !r && i < n; i++)
		add_token(usage,
			  &(struct use) { "backup", name, envelope_volume_geometry(volume)->uuid,
					  NULL },
			  &slots[i].token);
}

static void add_set(struct usage *usage, const char *name)
{
	struct envelope_token set;
	struct envelope_error e;

	if (envelope_set_load(usage->op->manager->sets_dir, name, &set, &e))
		warn(usage, &e);
	else
		add_token(usage, &(struct use) { "set", name, set.uuid, NULL }, &set);
}

static void each(struct usage *usage, char **names,
		 void (*visit)(struct usage *usage, const char *name))
{
	for (char **name = names; *name; name++) {
		visit(usage, *name);
		free(*name);
	}
	free(names);
}

static int look(struct usage *usage, struct envelope_error *e)
{
	const struct manager *m = usage->op->manager;
	char **names;
	int r = envelope_record_list(m->inventory_dir, &names, e);

	if (!r)
		each(usage, names, add_volume);
	if (!r)
		r = envelope_volume_list_backups(m->headers_dir, &names, e);
	if (r)
		return r;
	op_step(usage->op, "reading header backups");
	each(usage, names, add_backup);
	r = envelope_set_list(m->sets_dir, &names, e);
	if (!r)
		each(usage, names, add_set);
	return r;
}

int op_kek_usage(struct op *op, struct json_object **result, struct envelope_error *e)
{
	static const char *const known[] = { "name", "version", NULL };
	struct usage usage = { .op = op };
	struct envelope_kek_config config;
	int r = op_known(op, known, e);

	if (!r)
		r = op_text(op, "name", true, usage.kek, sizeof(usage.kek), e);
	if (!r)
		r = op_text(op, "version", false, usage.version, sizeof(usage.version), e);
	if (r)
		return r;
	usage.uses = json_object_new_array();
	usage.warnings = json_object_new_array();
	r = look(&usage, e);
	/* That nobody needs what nobody knows is no answer to a name that was mistyped */
	if (!r && !json_object_array_length(usage.uses))
		r = kek_declared(op, usage.kek, &config, e);
	if (r) {
		json_object_put(usage.uses);
		json_object_put(usage.warnings);
		return r;
	}
	*result = json_object_new_object();
	op_add_text(*result, "name", usage.kek);
	json_object_object_add(*result, "uses", usage.uses);
	json_object_object_add(*result, "warnings", usage.warnings);
	return 0;
}
