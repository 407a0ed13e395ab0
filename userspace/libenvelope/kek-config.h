/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/envelope/keks.d/NAME.conf: what the host says of a KEK. */
#ifndef ENVELOPE_KEK_CONFIG_H
#define ENVELOPE_KEK_CONFIG_H

#include <stdbool.h>

#include "access.h"
#include "error.h"
#include "provider-state.h"
#include "token.h"

#define ENVELOPE_KEKS_DIRECTORY	    "/etc/envelope/keks.d"
#define ENVELOPE_KEYSTORE_DIRECTORY "/var/lib/envelope/keystore"
#define ENVELOPE_DEFAULT_KEK	    "default"
#define ENVELOPE_LEASE_MIN	    5	  /* seconds */
#define ENVELOPE_LEASE_DEFAULT	    3600  /* seconds */
#define ENVELOPE_LEASE_MAX	    86400 /* seconds */
#define ENVELOPE_CHECK_DEFAULT	    60	  /* seconds */
#define ENVELOPE_CHECK_MAX	    3600  /* seconds */
#define ENVELOPE_ROTATION_DEFAULT   3600
#define ENVELOPE_ROTATION_MAX	    2592000

/** enum envelope_loss - what becomes of devices when a KEK is not well */
enum envelope_loss {
	ENVELOPE_LOSS_LEASE, /* their lease runs out */
	ENVELOPE_LOSS_FENCE, /* they are fenced now */
};

/** enum envelope_resume - which fenced devices get their key again when the KEK is well again */
enum envelope_resume {
	ENVELOPE_RESUME_NONE,
	ENVELOPE_RESUME_HELD, /* those whose requests wait */
	ENVELOPE_RESUME_ALL,
};

/**
 * struct envelope_kek_config - one KEK as declared
 *
 * INI, read by libinih::
 *
 *   [kek]
 *   provider = service
 *   lease = 3600
 *   on_disabled = fence
 *
 *   [access]
 *   use = gid:operators
 *   administer = uid:1000
 *
 *   [service]
 *   keystore = /var/lib/envelope/keystore
 */
struct envelope_kek_config {
	char name[ENVELOPE_KEK_NAME_MAX + 1];
	char provider[32];
	unsigned int lease;	     /* seconds a device opened by this KEK runs without renewal */
	unsigned int check_interval; /* seconds from one proof that the KEK is well to the next */
	/* seconds from one question for its newest version to the next; 0: volumes stay behind */
	unsigned int rotation_interval;
	enum envelope_loss on_state[ENVELOPE_PROVIDER_STATES];
	enum envelope_resume resume;
	bool lock_on_sleep;
	bool cache; /* what it unwraps of encryption sets is kept, see keyd/cache.h */
	struct envelope_access use, administer; /* who may, beside root */
	char keystore[256];			/* service: directory */
};

/** envelope_kek_config_default() - what holds where the file says nothing */
void envelope_kek_config_default(struct envelope_kek_config *config, const char *name);

/**
 * envelope_kek_config_load() - read DIRECTORY/NAME.conf
 *
 * The KEK named `default` needs no file: it is the service's own. An unknown section
 * or key, a key given twice, or a line of 200 characters or more is an error with file
 * and line; a file over 64 KiB is one too.
 *
 * Return: 0, -ENVELOPE_E_KEK_UNDECLARED with the stanza to add as cure, or -ENVELOPE_E_CONFIG.
 */
int envelope_kek_config_load(const char *directory, const char *name,
			     struct envelope_kek_config *config, struct envelope_error *e);

/**
 * envelope_kek_config_parse() - the text of such a file
 * @path:   for messages
 * @config: holds the defaults
 */
int envelope_kek_config_parse(const char *text, const char *path,
			      struct envelope_kek_config *config, struct envelope_error *e);

/**
 * envelope_kek_config_list() - names of all declared KEKs, `default` among them, sorted
 * @names: malloc'ed array of malloc'ed names, NULL-terminated
 */
int envelope_kek_config_list(const char *directory, char ***names, struct envelope_error *e);

/**
 * envelope_kek_config_write() - declare a KEK: NAME.conf, atomically
 *
 * Return: 0, -ENVELOPE_E_EXISTS where it is there, -ENVELOPE_E_CONFIG where it could not
 * be read back, -ENVELOPE_E_IO.
 */
int envelope_kek_config_write(const char *directory, const struct envelope_kek_config *config,
			      struct envelope_error *e);

#endif
