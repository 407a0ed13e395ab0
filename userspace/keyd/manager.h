/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main process: one event loop that never waits for a disk or a provider. It owns
 * the clients, the workers, the sessions, the devices and the process keyring.
 */
#ifndef KEYD_MANAGER_H
#define KEYD_MANAGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "error.h"
#include "pin.h"
#include "table.h"
#include "token.h"

#define SECOND 1000000ULL /* in the microseconds of sd-event */

struct client;
struct health;
struct session;
struct worker;

struct options {
	const char *socket;
	const char *state_dir;
	const char *runtime_dir;
	const char *keks_dir;
	const char *provider; /* program */
	const char *user;     /* of the workers; its group may ask for the status */
	const char *hook;     /* program to run when something happens to a device */
};

/** enum device_loss - why a device has no key */
enum device_loss {
	DEVICE_HAS_KEY,
	DEVICE_WITHDRAWN, /* too few of its KEKs may be used */
	DEVICE_RAN_OUT,	  /* its lease; or the kernel took it for reasons of its own */
	DEVICE_LOCKED,	  /* somebody said lock */
	DEVICE_ASLEEP,	  /* locked until the machine wakes */
};

/** struct device - what the main process knows of a mapping beyond the kernel's own state */
struct device {
	LIST_ENTRY(device) link;
	char name[TABLE_NAME_MAX + 1];
	char uuid[ENVELOPE_UUID_TEXT + 1];
	int32_t key;	     /* serial number in the process keyring; 0: none */
	uint64_t key_number; /* n of its description */
	bool managed;	     /* its key is the one in the process keyring */
	/* What its key depends on, see lease.h */
	int slot;    /* opened by; -1: unknown */
	char *token; /* of that slot, as text: there may be a thousand devices */
	unsigned int threshold, n_shares;
	struct health *shares[ENVELOPE_SHARES_MAX]; /* NULL: of a KEK that is not declared */
	char keks[ENVELOPE_SHARES_MAX][ENVELOPE_KEK_NAME_MAX + 1];
	uint32_t table_lease;  /* seconds, the longest that the kernel grants; 0: none */
	uint32_t wished_lease; /* the shortest of its KEKs */
	uint32_t lease;	       /* the shorter of these */
	uint64_t shortened;    /* the lease was, by a new declaration; µs of boot time */
	uint64_t lease_end;    /* as the kernel was told, µs of boot time; 0: none, or no key */
	bool queue;	       /* requests wait when it has no key */
	enum device_loss loss;
	bool waking;	   /* it was asleep, and gets its key as soon as its KEKs give it */
	unsigned int mark; /* what is said of its lease next */
	sd_event_source *timer;
	/* Giving it a key, see takeover.h */
	char problem[512]; /* why it has none of this process */
	bool behind;	   /* its volume is to be rewrapped, see follow.h */
	bool wanted;	   /* as soon as there is a session for that */
	bool taking;	   /* a session is at it */
	sd_event_source *retry;
	unsigned int attempts;
	struct envelope_pin pin; /* that it was opened by; uuid "": unknown */
	struct manager *manager;
};

struct manager {
	const struct options *options;
	sd_event *event;
	uid_t uid; /* of the workers */
	gid_t gid;
	int listener;
	int zygote; /* socket, see zygote.h; -1: none */
	bool stopping;
	bool reloading, reload_again; /* see reload.h */
	bool following;		      /* a session is at it, see follow.h */
	uint64_t key_number;	      /* the highest n given to a key so far */
	uint64_t jumped; /* that this machine is not where it was, was noticed; µs of boot time */
	uint64_t restored; /* seconds of boot time of the last restore that is no news */
	sd_event_source *jump_timer;
	bool watches_devices; /* see jump.h */
	char volumes_dir[256], headers_dir[256], keystore_dir[256], sets_dir[256],
		inventory_dir[256];
	LIST_HEAD(, client) clients;
	unsigned int n_clients;
	LIST_HEAD(, session) sessions;
	unsigned int n_sessions;
	LIST_HEAD(, worker) workers;
	LIST_HEAD(, device) devices;
	LIST_HEAD(, health) healths;
	LIST_HEAD(, cached) cache; /* see cache.h */
	LIST_HEAD(, set_share) set_shares;
};

/** manager_run() - set everything up and serve until SIGTERM; 0 or -errno, logged */
int manager_run(const struct options *options);

/** manager_quit_if_idle() - end the loop when stopping and no session is left */
void manager_quit_if_idle(struct manager *m);

/** manager_now() - µs of boot time, which goes on while the machine sleeps */
uint64_t manager_now(void);

/** manager_timer() - call @call once in @usec; @source replaces an earlier one */
int manager_timer(struct manager *m, sd_event_source **source, uint64_t usec,
		  sd_event_time_handler_t call, void *data);

/** manager_jittered() - up to a tenth earlier: hosts that began together do not ask together */
uint64_t manager_jittered(uint64_t usec);

/** device_find() - NULL where the main process knows nothing of this name */
struct device *device_find(struct manager *m, const char *name);

/** device_add() - a new or empty entry; NULL when out of memory */
struct device *device_add(struct manager *m, const char *name, const char *uuid);

/** device_forget() - drop the entry and its key */
void device_forget(struct device *device);

#endif
