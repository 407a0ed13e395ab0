/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notes on mappings, for an envelope-keyd that comes after this one: what neither the kernel nor
 * the headers know. Files NAME.NOTE in the runtime directory, which waits for no disk; no secrets.
 */
#ifndef KEYD_NOTE_H
#define KEYD_NOTE_H

#include "manager.h"

enum note {
	NOTE_LOCKED,   /* somebody said lock */
	NOTE_ASLEEP,   /* it was locked for the machine's sleep */
	NOTE_RECOVERY, /* it was opened by its recovery key */
	NOTE_SLOT,     /* which slot opened it */
	NOTE_STOCK,    /* dm-crypt has it, see stock.h */
	NOTE_HEADER,   /* where its header is, if not on its disk */
};

#define NOTE_TEXT_MAX 255 /* characters */

/**
 * note_leave() - of the mapping @name, of the volume @uuid
 * @text: what it says beyond that; ""
 *
 * Return: false where it cannot be left.
 */
bool note_leave(const struct manager *m, enum note note, const char *name, const char *uuid,
		const char *text);

/** note_is_there() - and of this volume: a mapping of the name may have been another's */
bool note_is_there(const struct manager *m, enum note note, const char *name, const char *uuid);

/** note_is_anywhere() - is there one of its kind, on whatever mapping? */
bool note_is_anywhere(const struct manager *m, enum note note);

/** note_text() - what it says beyond that; "" where it is not there, or of another volume */
void note_text(const struct manager *m, enum note note, const char *name, const char *uuid,
	       char text[static NOTE_TEXT_MAX + 1]);

/** note_slot() - the number of the slot that opened it; -1 where that is not known */
int note_slot(const struct manager *m, const char *name, const char *uuid);

void note_remove(const struct manager *m, enum note note, const char *name);

#endif
