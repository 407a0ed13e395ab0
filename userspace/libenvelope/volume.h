/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes: the LUKS2 header by libcryptsetup, our tokens in it, the witness,
 * header backups. Everything here may block on the disk: call it in a helper process.
 * A device may be a block device or an image file; only the former can be held exclusively.
 */
#ifndef ENVELOPE_VOLUME_H
#define ENVELOPE_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "token.h"

#define ENVELOPE_WITNESS_OFFSET (16ULL << 20) /* bytes */
#define ENVELOPE_DATA_OFFSET	(32ULL << 20) /* bytes */
#define ENVELOPE_SUBSYSTEM	"envelope"

struct envelope_volume; /* a loaded header */

struct envelope_slot {
	int token_id; /* LUKS2 token number */
	struct envelope_token token;
};

/** envelope_volume_set_up() - what libcryptsetup reads of files, it reads now */
void envelope_volume_set_up(void);

/**
 * envelope_volume_load() - read the header of @device; refuses what is not ours
 * @header: where it is, if not on the device; NULL or "": there
 */
int envelope_volume_load(const char *device, const char *header, struct envelope_volume **volume,
			 struct envelope_error *e);

/**
 * envelope_volume_load_luks() - the same, and what could become ours: LUKS2 of cryptsetup
 *
 * UNSUPPORTED names what the target could not map, or not as dm-crypt does.
 */
int envelope_volume_load_luks(const char *device, const char *header,
			      struct envelope_volume **volume, struct envelope_error *e);

/** envelope_volume_is_ours() - has it a slot, or our mark? */
bool envelope_volume_is_ours(struct envelope_volume *volume);

void envelope_volume_free(struct envelope_volume *volume);
static inline void envelope_volume_freep(struct envelope_volume **volume)
{
	envelope_volume_free(*volume);
}
#define _cleanup_volume_ __attribute__((cleanup(envelope_volume_freep)))

/** envelope_volume_geometry() - its key size is known once the slots have been read */
const struct envelope_geometry *envelope_volume_geometry(const struct envelope_volume *volume);
const char *envelope_volume_device(const struct envelope_volume *volume);
/** envelope_volume_header() - what its header is on: the device, or another */
const char *envelope_volume_header(const struct envelope_volume *volume);
const char *envelope_volume_label(const struct envelope_volume *volume);

/**
 * envelope_volume_slots() - every slot token, parsed
 * @slots: room for ENVELOPE_SLOTS_MAX
 * @n:     how many there are
 *
 * A token of type envelope that does not parse is an error that names it; so is one of another
 * uuid, where there is none of this one. Two of one slot id are what a rewrap leaves that lost its
 * power half-way: both are good.
 */
int envelope_volume_slots(struct envelope_volume *volume, struct envelope_slot *slots, size_t *n,
			  struct envelope_error *e);

/**
 * envelope_volume_foreign_slots() - those sealed for other uuids, which open nothing here
 *
 * What a new uuid leaves that lost its power half-way.
 */
int envelope_volume_foreign_slots(struct envelope_volume *volume, struct envelope_slot *slots,
				  size_t *n, struct envelope_error *e);

/** envelope_volume_rename() - give it another uuid, and read that back; slots and witness stay */
int envelope_volume_rename(struct envelope_volume *volume, const char *uuid,
			   struct envelope_error *e);

struct envelope_format {
	const char *device;
	const char *header;	  /* NULL: on the device; else its data begins at 0 */
	const char *uuid;	  /* NULL: a new one */
	const char *label;	  /* NULL: none */
	unsigned int sector_size; /* bytes; 0: 4096 unless the disk asks for 512 */
	bool force;		  /* destroy what the device holds */
};

/**
 * envelope_volume_check_device() - may this device be formatted? Changes nothing.
 * @geometry: filled with what the volume will have (64-byte DEK), a fresh uuid included
 *
 * Errors: NOT_FOUND, BUSY (mounted, mapped, swap …; --force does not help), HOLDS_DATA
 * (a filesystem, partition table, LUKS header …, named in the message; or a header where one is
 * to be), TOO_SMALL, IO (read-only device too), USAGE (bad uuid or sector size).
 */
int envelope_volume_check_device(const struct envelope_format *format,
				 struct envelope_geometry *geometry, struct envelope_error *e);

/**
 * envelope_volume_format() - write header, first slot and witness, and read them back
 * @token: sealed for @geometry
 *
 * Nothing is written before the device is opened exclusively. On failure half-way the
 * header written so far is removed.
 */
int envelope_volume_format(const struct envelope_format *format,
			   const struct envelope_geometry *geometry, const uint8_t *dek,
			   const struct envelope_token *token, struct envelope_error *e);

/** envelope_volume_has_header() - is there a trace of a LUKS2 header or of a witness? */
bool envelope_volume_has_header(const char *device);

/** envelope_volume_verify() - does the DEK match the LUKS2 digest? -ENVELOPE_E_WRONG_KEY */
int envelope_volume_verify(struct envelope_volume *volume, const uint8_t *dek,
			   struct envelope_error *e);

/**
 * envelope_volume_has_witness() - is there to be one? Not where key slots of cryptsetup's or the
 * data lie in its place, as in volumes that were adopted, or have their header elsewhere
 */
bool envelope_volume_has_witness(const struct envelope_volume *volume);

/** envelope_volume_put_witness() - write one, where there is to be one */
int envelope_volume_put_witness(struct envelope_volume *volume, const uint8_t *dek,
				struct envelope_error *e);

/**
 * envelope_volume_witness() - does it match, where there is to be one?
 *
 * One for the uuid of a foreign slot counts, if it was made with the same key.
 *
 * Return: 0, or -ENVELOPE_E_WITNESS_MISMATCH
 */
int envelope_volume_witness(struct envelope_volume *volume, const uint8_t *dek,
			    struct envelope_error *e);

/**
 * envelope_volume_check_room() - would the header have room for this slot too, and for any
 * of them once more, as a rewrap needs it? LIMIT
 */
int envelope_volume_check_room(struct envelope_volume *volume, const struct envelope_token *token,
			       struct envelope_error *e);

/** envelope_volume_put_slot() - write a token, read it back and compare; Return: its number */
int envelope_volume_put_slot(struct envelope_volume *volume, const struct envelope_token *token,
			     struct envelope_error *e);

/** envelope_volume_drop_slot() - drop one token */
int envelope_volume_drop_slot(struct envelope_volume *volume, int token_id,
			      struct envelope_error *e);

/**
 * envelope_volume_replace_slot() - write @token as a new slot, read it back and
 * compare, only then drop the token @old
 */
int envelope_volume_replace_slot(struct envelope_volume *volume, int old,
				 const struct envelope_token *token, struct envelope_error *e);

/* Key slots of cryptsetup's: each opens the volume by a passphrase or key file, and no KEK */

/** envelope_volume_keyslots() - how many there are */
unsigned int envelope_volume_keyslots(struct envelope_volume *volume);

/**
 * envelope_volume_open_keyslot() - the DEK by a passphrase, from whichever it opens
 * @dek: locked memory, ENVELOPE_DEK_MAX bytes; the geometry has its size from here on
 *
 * WRONG_KEY: it opens none.
 */
int envelope_volume_open_keyslot(struct envelope_volume *volume, const uint8_t *passphrase,
				 size_t size, uint8_t *dek, struct envelope_error *e);

/** envelope_volume_take_key() - this is to be its DEK, of so many bytes: is it? WRONG_KEY */
int envelope_volume_take_key(struct envelope_volume *volume, const uint8_t *dek, size_t size,
			     struct envelope_error *e);

/**
 * envelope_volume_add_keyslot() - one more, proved to open
 * Return: its number.
 */
int envelope_volume_add_keyslot(struct envelope_volume *volume, const uint8_t *dek,
				const uint8_t *passphrase, size_t size, struct envelope_error *e);

/** envelope_volume_drop_keyslots() - drop all, read back that none is left */
int envelope_volume_drop_keyslots(struct envelope_volume *volume, struct envelope_error *e);

/** envelope_volume_mark() - let the header say that it is ours, or no more; the label stays */
int envelope_volume_mark(struct envelope_volume *volume, bool ours, struct envelope_error *e);

/** envelope_volume_drop_slots() - drop every slot, read back that none is left */
int envelope_volume_drop_slots(struct envelope_volume *volume, struct envelope_error *e);

/**
 * envelope_volume_erase() - the same, and every key slot of cryptsetup's
 *
 * Overwrites the witness too. Header backups are the caller's.
 */
int envelope_volume_erase(struct envelope_volume *volume, struct envelope_error *e);

/**
 * envelope_volume_backup() - back the header up
 * @directory: created 0700; the backup is UUID-TIME.luks2 in it, sparse where cryptsetup has no
 *             key slot in it, and can be restored by cryptsetup luksHeaderRestore; older ones
 *             beyond @keep are removed
 */
int envelope_volume_backup(struct envelope_volume *volume, const char *directory, unsigned int keep,
			   struct envelope_error *e);

/**
 * envelope_volume_list_backups() - names of all backups in it, of all volumes, sorted
 * @names: without the suffix, UUID-TIME; malloc'ed array of malloc'ed names, NULL-terminated
 */
int envelope_volume_list_backups(const char *directory, char ***names, struct envelope_error *e);

/** envelope_volume_load_backup() - the header in it, by its name in that list */
int envelope_volume_load_backup(const char *directory, const char *name,
				struct envelope_volume **volume, struct envelope_error *e);

/**
 * envelope_volume_forget_backups() - remove every backup of this uuid
 * Return: how many, or -errno where one is still there.
 */
int envelope_volume_forget_backups(const char *directory, const char *uuid);

/**
 * envelope_volume_activate() - map it by stock dm-crypt
 * @dek: proved to be its key
 *
 * The key goes into the kernel's keyring where dm-crypt can have it from there. EXISTS, BUSY
 */
int envelope_volume_activate(struct envelope_volume *volume, const char *name, const uint8_t *dek,
			     bool readonly, bool discards, struct envelope_error *e);

/** envelope_volume_data_sectors() - 512-byte sectors of data the device has room for now */
int envelope_volume_data_sectors(struct envelope_volume *volume, uint64_t *sectors,
				 struct envelope_error *e);

#endif
