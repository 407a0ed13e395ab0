/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encryption sets: volumes whose slots have the same wrapped shares, so that one unwrap opens all
 * of them. A set is a slot token of no volume: it seals 32 random bytes, so that whatever is edited
 * in it is noticed. See on-disk-format.rst.
 */
#ifndef ENVELOPE_SET_H
#define ENVELOPE_SET_H

#include "error.h"
#include "token.h"

/** envelope_set_geometry() - what a set is sealed with; a fresh uuid where @uuid is NULL */
int envelope_set_geometry(const char *uuid, struct envelope_geometry *geometry,
			  struct envelope_error *e);

/** envelope_set_load() - DIRECTORY/NAME.json; NOT_FOUND, CONFIG where damaged */
int envelope_set_load(const char *directory, const char *name, struct envelope_token *token,
		      struct envelope_error *e);

/** envelope_set_write() - atomically, 0600; EXISTS where it is there */
int envelope_set_write(const char *directory, const char *name, const struct envelope_token *token,
		       struct envelope_error *e);

/** envelope_set_replace() - the same, of one that is there */
int envelope_set_replace(const char *directory, const char *name,
			 const struct envelope_token *token, struct envelope_error *e);

/**
 * envelope_set_list() - names of all sets, sorted
 * @names: malloc'ed array of malloc'ed names, NULL-terminated
 */
int envelope_set_list(const char *directory, char ***names, struct envelope_error *e);

#endif
