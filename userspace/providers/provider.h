/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a provider of key-encryption keys implements. It runs in a worker process
 * of its own, one for each KEK in use, and never in envelope-keyd.
 *
 * A worker has one thread and one event loop, from which all functions of a provider are called,
 * and its completions come. Up to ENVELOPE_WORKER_CELLS calls are under way at once, and end in
 * any order. Nobody waits: a function begins a call and returns; what it waits for, it waits for as
 * sources of the loop.
 *
 * A provider whose work is short and local does it all before it returns. One that can only block,
 * as a PKCS#11 module does, may do so too: the loop stands still meanwhile, so that its calls are
 * carried out one by one. Whether one of them takes too long cannot be seen from here then:
 * envelope-keyd kills the worker a second after the call's deadline, and starts another.
 */
#ifndef ENVELOPE_PROVIDER_H
#define ENVELOPE_PROVIDER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "error.h"
#include "kek-config.h"
#include "secret.h"
#include "token.h"
#include "worker-protocol.h"

struct envelope_provider_key; /* an opened KEK, the provider's own */

/** struct envelope_wrapped - a share as a provider wrapped it */
struct envelope_wrapped {
	char version[ENVELOPE_KEK_VERSION_MAX + 1];
	char algorithm[ENVELOPE_ALGORITHM_MAX + 1];
	uint8_t data[ENVELOPE_WRAPPED_MAX];
	size_t size;
};

/**
 * struct envelope_kek_version - what a provider tells of one version
 *
 * Times are as envelope_time_now() writes them; empty where the provider has none.
 */
struct envelope_kek_version {
	char version[ENVELOPE_KEK_VERSION_MAX + 1];
	char created[ENVELOPE_TIME_TEXT + 1];
	char not_before[ENVELOPE_TIME_TEXT + 1];
	char expires[ENVELOPE_TIME_TEXT + 1];
	enum envelope_provider_state state;
};

/**
 * struct envelope_kek_attributes - what a provider tells of a KEK
 *
 * It comes zeroed: what a provider does not know, it leaves so.
 */
struct envelope_kek_attributes {
	enum envelope_provider_state state; /* of the current version */
	unsigned int versions;
	struct envelope_kek_version current; /* the newest enabled, else the newest */
	enum envelope_recoverability recoverability;
	char date[ENVELOPE_TIME_TEXT + 1]; /* of the server's clock, by which it judges */
	int unbacked;			   /* no backup holds it as it is */
};

/**
 * struct envelope_provider_call - one thing that a KEK is asked, and what comes of it
 *
 * It is the worker's. A provider has the use of it from the function that begins the call until
 * the call is done or cancelled, and touches it no more after that.
 */
struct envelope_provider_call {
	/* What is asked */
	uint64_t deadline; /* µs of CLOCK_BOOTTIME: then the worker cancels it */
	char version[ENVELOPE_KEK_VERSION_MAX + 1]; /* set_enabled: one, or empty for all */
	bool enabled;				    /* set_enabled */
	unsigned int index;			    /* version: which, counted from 0 */

	/* What is asked, or what comes of it */
	uint8_t *share; /* ENVELOPE_SHARE_BYTES, locked. wrap: read; unwrap: filled */
	struct envelope_wrapped wrapped; /* unwrap: read; wrap: filled */

	/* What comes of it: it begins zeroed */
	struct envelope_kek_version found; /* create, rotate: the new one; version */
	struct envelope_kek_attributes attributes;
	bool changed; /* set_enabled: was one of them otherwise before? */
	/*
	 * unwrap: how the KEK stands, on failure too. It begins UNREACHABLE. For every kind of
	 * call: while it is THROTTLED, that is what is said of a call whose deadline comes.
	 */
	enum envelope_provider_state state;
	/*
	 * Filled on failure, with the KEK's name in the message. KEK_UNAVAILABLE: no answer, or
	 * none that can be used; KEK_REFUSED: one that says no.
	 */
	struct envelope_error error;

	/**
	 * @done: the call is over; to be called exactly once, within the function that begins the
	 * call or later from the loop, unless the call is cancelled
	 * @r: 0, or a negative enum envelope_code with @error filled
	 *
	 * The answer is sent, and the share wiped, before it returns. It calls no function of the
	 * provider.
	 */
	void (*done)(struct envelope_provider_call *call, int r);
	void *data; /* for the provider alone: what it keeps of the call */
};

/* A function that begins a call. @key and @call are good until the call is done or cancelled. */
typedef void envelope_provider_begin(struct envelope_provider_key *key,
				     struct envelope_provider_call *call);

/** struct envelope_provider - one kind of provider */
struct envelope_provider {
	const char *name; /* `provider=` in keks.d */

	/**
	 * @open: get ready, in a worker that has all rights of its user still
	 * @config: good as long as the KEK is open
	 * @event:  the worker's loop, for sources of the provider's own; the same
	 *
	 * What cannot be done later any more is done here (see sandbox.c), such as to load a
	 * library; and nothing that waits for others.
	 * Return: 0, or a negative enum envelope_code with @e filled.
	 */
	int (*open)(const struct envelope_kek_config *config, sd_event *event,
		    struct envelope_provider_key **key, struct envelope_error *e);

	/**
	 * @directory: where its calls read and write files
	 *
	 * A full path in @config: they see nothing else of the file system, so that libraries
	 * must have read by @open what they need. NULL where they need no files.
	 */
	const char *(*directory)(const struct envelope_kek_config *config);

	/*
	 * Make the KEK, or add a version: call->found. EXISTS, KEK_NOT_FOUND.
	 * These two and set_enabled: a provider where this is done by other means refuses:
	 * UNSUPPORTED, with these means.
	 */
	envelope_provider_begin *create, *rotate;
	envelope_provider_begin *set_enabled; /* call->changed; in force when it is done */
	envelope_provider_begin *attributes;  /* call->attributes; KEK_NOT_FOUND */
	envelope_provider_begin *version;     /* call->found; KEK_NOT_FOUND: no such index */
	envelope_provider_begin *wrap;	      /* call->wrapped, by the current version */
	/* call->share; SEAL_BROKEN where it is not what that version wrapped */
	envelope_provider_begin *unwrap;

	/**
	 * @cancel: nobody waits for this call any more, which is under way
	 *
	 * When it returns, the provider works on the call no more and has no reference to it;
	 * it has wiped what copies of the share it had. It calls @done for no call, and does not
	 * block. NULL in a provider whose calls are all done when the function that begins them
	 * returns.
	 */
	void (*cancel)(struct envelope_provider_key *key, struct envelope_provider_call *call);

	/** @close: free @key, with its sources of the loop; no call is under way */
	void (*close)(struct envelope_provider_key *key);
};

extern const struct envelope_provider envelope_provider_service;

#endif
