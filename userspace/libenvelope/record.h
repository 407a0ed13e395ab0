/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inventory: by which versions of which KEKs the volumes open that this host has had. It tells
 * who still needs a version; nothing is opened by it, and nothing trusted.
 */
#ifndef ENVELOPE_RECORD_H
#define ENVELOPE_RECORD_H

#include "error.h"
#include "token.h"

#define ENVELOPE_PATH_TEXT 255 /* characters of a path that a request names */
#define ENVELOPE_HOST_TEXT 64  /* characters */

/* And one that is about to be written */
#define ENVELOPE_RECORD_SLOTS_MAX (ENVELOPE_SLOTS_MAX + 1)

/**
 * struct envelope_record_slot - a slot, without what is wrapped
 * @salt: of the token, which no other has
 * @set:  encryption set that it has its shares from; "": none
 */
struct envelope_record_slot {
	unsigned int slot, threshold, n_shares;
	char created[ENVELOPE_TIME_TEXT + 1];
	uint8_t salt[sizeof(((struct envelope_token *)NULL)->salt)];
	char set[ENVELOPE_KEK_NAME_MAX + 1];
	struct {
		char kek[ENVELOPE_KEK_NAME_MAX + 1];
		char version[ENVELOPE_KEK_VERSION_MAX + 1];
	} shares[ENVELOPE_SHARES_MAX];
};

/**
 * struct envelope_record - UUID.json: what the header of a volume said when it was last seen
 *
 * {"type":"envelope-record","format":1,"uuid":…,"device":"/dev/vdb","header":"","host":…,
 *  "seen":…,"slots":[{"slot":0,"created":…,"salt":"base64, 32 bytes","threshold":1,"set":"",
 *  "shares":[{"kek":"default","version":"1"}]}]}
 *
 * @device, @header: as they were named then; @header is "" where it is on the device
 * @host:	     whose record this is
 */
struct envelope_record {
	char uuid[ENVELOPE_UUID_TEXT + 1];
	char device[ENVELOPE_PATH_TEXT + 1], header[ENVELOPE_PATH_TEXT + 1];
	char host[ENVELOPE_HOST_TEXT + 1];
	char seen[ENVELOPE_TIME_TEXT + 1];
	unsigned int n_slots;
	struct envelope_record_slot slots[ENVELOPE_RECORD_SLOTS_MAX];
};

/** envelope_record_slot() - what a record has of a slot; of no set */
void envelope_record_slot(const struct envelope_token *token, struct envelope_record_slot *slot);

/** envelope_record_parse() - the text of a record; limits as in the token. CONFIG */
int envelope_record_parse(const char *text, size_t size, struct envelope_record *record,
			  struct envelope_error *e);

/** envelope_record_read() - NOT_FOUND where there is none; CONFIG where damaged */
int envelope_record_read(const char *directory, const char *uuid, struct envelope_record *record,
			 struct envelope_error *e);

/** envelope_record_write() - atomically; 0600 */
int envelope_record_write(const char *directory, const struct envelope_record *record,
			  struct envelope_error *e);

/** envelope_record_remove() - one that is not there is no error */
int envelope_record_remove(const char *directory, const char *uuid, struct envelope_error *e);

/**
 * envelope_record_list() - uuids of all records, sorted
 * @uuids: malloc'ed array of malloc'ed texts, NULL-terminated
 */
int envelope_record_list(const char *directory, char ***uuids, struct envelope_error *e);

#endif
