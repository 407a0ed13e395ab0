/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/envelopetab: what `envelopectl open --all` opens. See envelopetab(5). */
#ifndef ENVELOPE_TAB_H
#define ENVELOPE_TAB_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#define ENVELOPE_TAB	      "/etc/envelopetab"
#define ENVELOPE_TAB_LIMIT    (1 << 20) /* bytes */
#define ENVELOPE_TAB_LINE_MAX 4096	/* bytes */
#define ENVELOPE_TAB_ENTRIES  4096
#define ENVELOPE_NAME_MAX     80 /* so that CRYPT-ENVELOPE-<uuid>-<name> fits a DM UUID */

struct envelope_tab_entry {
	char name[ENVELOPE_NAME_MAX + 1];
	char device[256];
	unsigned int line;
	bool readonly;
	bool discard;
	bool noauto;
	bool nofail;
	bool netdev;
	char header[256];	    /* full path; "": on the device */
	bool stock;		    /* target=crypt: by dm-crypt */
	char on_key_loss[8];	    /* "error", "queue", "" for the default */
	unsigned int queue_timeout; /* seconds, 0 for none */
};

struct envelope_tab {
	struct envelope_tab_entry *entries;
	size_t n;
};

/** envelope_name_check() - may a mapping be called so? 0 or -ENVELOPE_E_USAGE */
int envelope_name_check(const char *name, struct envelope_error *e);

/** envelope_name_valid() - the same, and neither like a comment nor like an option */
bool envelope_name_valid(const char *name);

/**
 * envelope_tab_parse() - the text of an envelopetab
 * @path: for messages, which all begin with PATH:LINE
 * @tab:  to be freed with envelope_tab_free(), not after an error
 */
int envelope_tab_parse(const char *text, const char *path, struct envelope_tab *tab,
		       struct envelope_error *e);

/** envelope_tab_read() - the same of a file */
int envelope_tab_read(const char *path, struct envelope_tab *tab, struct envelope_error *e);
void envelope_tab_free(struct envelope_tab *tab);

#endif
