// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager.h"
#include "note.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"
#include "crypto.h"
#include "device.h"
#include "file.h"
#include "hook.h"
#include "jump.h"
#include "kek-config.h"
#include "keyring.h"
#include "lease.h"
#include "log.h"
#include "notify.h"
#include "reload.h"
#include "secret.h"
#include "server.h"
#include "session.h"
#include "set.h"
#include "takeover.h"
#include "volume.h"
#include "worker.h"

#define STOP_PATIENCE_S 20

uint64_t manager_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * SECOND + now.tv_nsec / 1000;
}

uint64_t manager_jittered(uint64_t usec)
{
	return usec - usec / 10 * (unsigned int)(rand() % 1000) / 1000;
}

int manager_timer(struct manager *m, sd_event_source **source, uint64_t usec,
		  sd_event_time_handler_t call, void *data)
{
	*source = sd_event_source_disable_unref(*source);
	return sd_event_add_time_relative(m->event, source, CLOCK_BOOTTIME, usec, SECOND / 100,
					  call, data);
}

struct device *device_find(struct manager *m, const char *name)
{
	struct device *device;

	LIST_FOREACH(device, &m->devices, link)
	if (!strcmp(device->name, name))
		return device;
	return NULL;
}

struct device *device_add(struct manager *m, const char *name, const char *uuid)
{
	struct device *device = device_find(m, name);

	if (!device) {
		device = calloc(1, sizeof(*device));
		if (!device)
			return NULL;
		device->manager = m;
		device->slot = -1;
		snprintf(device->name, sizeof(device->name), "%s", name);
		LIST_INSERT_HEAD(&m->devices, device, link);
		jump_watch_devices(m);
	}
	snprintf(device->uuid, sizeof(device->uuid), "%s", uuid);
	return device;
}

static void device_free(struct device *device)
{
	sd_event_source_disable_unref(device->retry);
	lease_forget(device);
	LIST_REMOVE(device, link);
	free(device);
}

void device_forget(struct device *device)
{
	keyring_remove(device->key);
	lease_unlock(device);
	note_remove(device->manager, NOTE_RECOVERY, device->name);
	note_remove(device->manager, NOTE_SLOT, device->name);
	note_remove(device->manager, NOTE_HEADER, device->name);
	device_free(device);
}

void manager_quit_if_idle(struct manager *m)
{
	if (m->stopping && LIST_EMPTY(&m->sessions))
		sd_event_exit(m->event, 0);
}

static int on_patience_lost(sd_event_source *source, uint64_t usec, void *data)
{
	struct manager *m = data;
	struct session *s;

	LIST_FOREACH(s, &m->sessions, link)
	session_abort(s, "envelope-keyd is stopping");
	return sd_event_exit(m->event, 0);
}

/* Devices go on without us; what changes a disk is let finish. */
static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	static sd_event_source *patience;
	struct manager *m = data;

	if (m->stopping)
		return 0;
	log_line(LOG_INFO, NULL, "Stopping; open devices stay open");
	notify("STOPPING=1");
	m->stopping = true;
	server_close(m);
	manager_timer(m, &patience, STOP_PATIENCE_S * SECOND, on_patience_lost, m);
	manager_quit_if_idle(m);
	return 0;
}

/* A worker is started before it is needed: later the disk of its program may not answer */
static void start_workers(struct manager *m)
{
	struct envelope_error e = {};
	char **names = NULL;

	if (envelope_kek_config_list(m->options->keks_dir, &names, &e)) {
		log_line(LOG_ERR, NULL, "%s", e.message);
		return;
	}
	for (char **name = names; *name; name++) {
		struct envelope_kek_config config;

		if (envelope_kek_config_load(m->options->keks_dir, *name, &config, &e) ||
		    worker_declare(m, &config, &e))
			log_line(LOG_ERR, &(struct log_fields) { .kek = *name }, "%s", e.message);
		free(*name);
	}
	free(names);
}

/* What a set's volumes have in common is unwrapped once for all of them */
static void declare_sets(struct manager *m)
{
	struct envelope_error e = {};
	char **names = NULL;

	if (envelope_set_list(m->sets_dir, &names, &e)) {
		log_line(LOG_ERR, NULL, "%s", e.message);
		return;
	}
	for (char **name = names; *name; name++) {
		struct envelope_token set;

		if (envelope_set_load(m->sets_dir, *name, &set, &e) || cache_declare(m, &set, &e))
			log_line(LOG_ERR, NULL, "%s", e.message);
		free(*name);
	}
	free(names);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	reload_begin(data);
	return 0;
}

static int set_up_events(struct manager *m)
{
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_new(&m->event);
	if (r >= 0)
		r = notify_watchdog(m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGTERM, on_stop, m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGINT, on_stop, m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGHUP, on_reload, m);
	return r;
}

static int find_user(struct manager *m)
{
	const struct passwd *user = getpwnam(m->options->user);

	if (!user || user->pw_uid == 0) {
		log_line(LOG_ERR, NULL, "The user %s %s; systemd-sysusers makes it",
			 m->options->user, user ? "is root" : "does not exist");
		return -ENOENT;
	}
	m->uid = user->pw_uid;
	m->gid = user->pw_gid;
	return 0;
}

static int make_directory(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	int r = envelope_file_mkdir(path, mode);

	if (!r && (chown(path, uid, gid) || chmod(path, mode)))
		r = -errno;
	if (r)
		log_line(LOG_ERR, NULL, "%s: %s", path, strerror(-r));
	return r;
}

static int make_directories(struct manager *m)
{
	const char *state = m->options->state_dir;
	int r;

	snprintf(m->volumes_dir, sizeof(m->volumes_dir), "%s/volumes", state);
	snprintf(m->headers_dir, sizeof(m->headers_dir), "%s/headers", state);
	snprintf(m->keystore_dir, sizeof(m->keystore_dir), "%s/keystore", state);
	snprintf(m->sets_dir, sizeof(m->sets_dir), "%s/sets", state);
	snprintf(m->inventory_dir, sizeof(m->inventory_dir), "%s/inventory", state);
	r = make_directory(m->options->runtime_dir, 0755, 0, 0);
	if (!r)
		r = make_directory(state, 0711, 0, 0);
	if (!r)
		r = make_directory(m->volumes_dir, 0700, 0, 0);
	if (!r)
		r = make_directory(m->headers_dir, 0700, 0, 0);
	if (!r)
		r = make_directory(m->sets_dir, 0700, 0, 0);
	if (!r)
		r = make_directory(m->inventory_dir, 0700, 0, 0);
	if (!r)
		r = make_directory(m->keystore_dir, 0700, m->uid, m->gid);
	return r;
}

/* Two daemons would take each other's sockets and devices. The lock goes with the process. */
static int be_the_only_one(const struct manager *m)
{
	char path[512];
	int fd, r;

	snprintf(path, sizeof(path), "%s/keyd.lock", m->options->runtime_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	r = -errno;
	log_line(LOG_ERR, NULL,
		 r == -EWOULDBLOCK ? "%s: another envelope-keyd is at work" : "%s: %m", path);
	return r;
}

/* From here on neither swap nor a core dump sees this process, nor does it wait for its disks */
static int lock_down(void)
{
	int r = envelope_secret_harden_process();

	if (r) {
		log_line(LOG_ERR, NULL, "Cannot protect this process: %s", strerror(-r));
		return r;
	}
	/* Later what they read may be on a disk that waits for its key */
	envelope_crypto_set_up();
	envelope_volume_set_up();
	if (mlockall(MCL_CURRENT | MCL_FUTURE)) {
		log_line(LOG_ERR, NULL, "Cannot lock memory: %s", strerror(errno));
		return -errno;
	}
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		log_line(LOG_WARNING, NULL, "The kernel knows no I/O flushers: %s",
			 strerror(errno));
	return 0;
}

static void free_all(struct manager *m)
{
	cache_free_all(m);
	/* The mappings hold on to their keys: none is removed because this process ends */
	while (!LIST_EMPTY(&m->devices))
		device_free(LIST_FIRST(&m->devices));
	worker_stop_all(m); /* when nobody waits for an answer any more */
	sd_event_source_disable_unref(m->jump_timer);
	sd_event_unref(m->event);
}

int manager_run(const struct options *options)
{
	static struct manager m = { .listener = -1, .zygote = -1 };
	int r;

	m.options = options;
	srand(getpid() ^ manager_now());
	device_set_up();
	r = find_user(&m);
	if (!r)
		r = make_directories(&m);
	if (!r)
		r = be_the_only_one(&m);
	if (!r)
		r = lock_down();
	if (!r)
		r = set_up_events(&m);
	if (r >= 0) {
		start_workers(&m);
		declare_sets(&m);
		hook_find(options->hook);
		jump_watch(&m);
		takeover_start(&m);
		r = server_listen(&m);
	}
	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(m.event);
	}
	free_all(&m);
	return r < 0 ? r : 0;
}
