/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device-mapper, as far as our devices need it, over libdevmapper. */
#ifndef ENVELOPE_DM_H
#define ENVELOPE_DM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "tab.h"
#include "token.h"

#define DM_PARAMS_MAX 512

/** struct dm_line - one table line of target envelope, as numbers and names */
struct dm_line {
	char name[ENVELOPE_NAME_MAX + 1]; /* of the mapping */
	char uuid[ENVELOPE_UUID_TEXT + 1]; /* of the volume */
	unsigned int handover;		   /* <n> of the key description */
	unsigned int major, minor;	   /* of the disk below */
	uint64_t start;			   /* of the data on it, in 512-byte sectors */
	uint64_t length;		   /* in 512-byte sectors */
	unsigned int key_size;		   /* bytes */
	unsigned int sector_size;	   /* bytes */
	char key_check[17];
	bool readonly;
	bool allow_discards;
	bool queue; /* on_key_loss:queue */
	unsigned int queue_timeout; /* seconds, 0 for none */
	unsigned int lease;	    /* seconds, 0 for none */
};

/** struct dm_state - what the kernel says of one of our devices */
struct dm_state {
	struct dm_line line;
	bool suspended;
	bool has_table;
	char state[16];	 /* active, fenced */
	char reason[16]; /* why fenced */
	unsigned int generation;
	char cipher[64];
	uint64_t reads, writes, discards, errors;
};

/* dm-line.c: text, no kernel */

/** dm_line_params() - the parameters of a table line, for @line */
int dm_line_params(const struct dm_line *line, char *params, size_t room);

/** dm_line_parse() - the inverse, as far as the kernel prints it; -EINVAL where it is not ours */
int dm_line_parse(const char *params, struct dm_line *line);

/** dm_status_parse() - an INFO line; -EINVAL where it is not ours */
int dm_status_parse(const char *text, struct dm_state *state);

/** dm_key_description() - envelope:<uuid>:<name>:<n> */
void dm_key_description(const struct dm_line *line, char *text, size_t room);

/** dm_device_uuid() - CRYPT-ENVELOPE-<uuid without dashes>-<name> */
void dm_device_uuid(const struct dm_line *line, char *text, size_t room);

/** dm_volume_of() - the volume's uuid of such a DM UUID; false where it is not ours */
bool dm_volume_of(const char *dm_uuid, char uuid[static ENVELOPE_UUID_TEXT + 1]);

/* dm.c */

/** dm_open_library() - quiet, and in step with udev where it runs */
void dm_open_library(void);

/** dm_list() - every device of ours; @states is malloc'ed */
int dm_list(struct dm_state **states, size_t *n, struct envelope_error *e);

/** dm_find() - one of ours by name; NOT_FOUND where there is none, or it is not ours */
int dm_find(const char *name, struct dm_state *state, struct envelope_error *e);

/* Table loads look for the key in the keyrings of the caller. @cookie: see dm_cookie(). */
int dm_create(const struct dm_line *line, uint32_t cookie, struct envelope_error *e);
int dm_reload(const struct dm_line *line, struct envelope_error *e);
int dm_key_set(const struct dm_line *line, struct envelope_error *e);

/* These may wait for the disk. */
int dm_suspend(const char *name, bool noflush, struct envelope_error *e);
int dm_resume(const char *name, uint32_t cookie, struct envelope_error *e);
int dm_remove(const char *name, uint32_t cookie, struct envelope_error *e);

/**
 * dm_cookie() - something to wait for udev with; 0 where there is no udev
 *
 * Every cookie must be given to dm_wait(), also when what it was made for failed.
 */
uint32_t dm_cookie(void);
void dm_wait(uint32_t cookie);

/** dm_disk_path() - /dev/NAME of a disk by its numbers */
void dm_disk_path(unsigned int major, unsigned int minor, char *path, size_t room);

#endif
