// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker.h"

#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "device.h"
#include "health.h"
#include "keyring.h"
#include "lease.h"
#include "manager.h"
#include "op.h"
#include "reload.h"
#include "rights.h"
#include "session.h"
#include "unwraps.h"
#include "worker.h"

/* A handler fills @reply->error; false when the answer follows later */
typedef bool (*handler)(struct session *s, const struct broker_request *request,
			struct broker_reply *reply);

static bool alive(struct session *s, const struct broker_request *request,
		  struct broker_reply *reply)
{
	return true;
}

static bool lock_disk(struct session *s, const struct broker_request *request,
		      struct broker_reply *reply)
{
	struct session *other;

	LIST_FOREACH(other, &s->manager->sessions, link)
	{
		if (other != s && !memcmp(other->disk, request->disk, sizeof(other->disk))) {
			envelope_fail(&reply->error, ENVELOPE_E_BUSY,
				      "%s is under way on this disk", other->method->name);
			envelope_cure(&reply->error, "wait until it is done");
			return true;
		}
	}
	memcpy(s->disk, request->disk, sizeof(s->disk));
	return true;
}

static bool lock_name(struct session *s, const struct broker_request *request,
		      struct broker_reply *reply)
{
	struct session *other;

	if (envelope_name_check(request->name, &reply->error) ||
	    !rights_on_device(s, request->name, &reply->error))
		return true;
	LIST_FOREACH(other, &s->manager->sessions, link)
	{
		if (other != s && !strcmp(other->name, request->name)) {
			envelope_fail(&reply->error, ENVELOPE_E_BUSY, "%s: %s is under way",
				      request->name, other->method->name);
			envelope_cure(&reply->error, "wait until it is done");
			return true;
		}
	}
	snprintf(s->name, sizeof(s->name), "%s", request->name);
	return true;
}

static void on_worker_reply(struct worker_call *call, const struct envelope_worker_reply *worker)
{
	struct session *s = (void *)((char *)call - offsetof(struct session, call));
	struct broker_reply reply = { .worker = *worker };

	s->calling = false;
	session_reply(s, &reply);
}

static bool worker_op_is(const struct broker_request *request, enum envelope_worker_op first,
			 enum envelope_worker_op last, struct broker_reply *reply)
{
	if (request->worker.op >= first && request->worker.op <= last)
		return true;
	envelope_fail(&reply->error, ENVELOPE_E_PERMISSION,
		      "not a call that this request may make");
	return false;
}

static bool names_kek(const struct broker_request *request, struct broker_reply *reply)
{
	if (envelope_kek_name_valid(request->kek) &&
	    request->worker.wrapped_size <= ENVELOPE_WRAPPED_MAX)
		return true;
	envelope_fail(&reply->error, ENVELOPE_E_USAGE, "no such name of a KEK");
	return false;
}

/* µs for the next answer: of what is left to it, but enough to be told that there is none */
static uint64_t patience_left(const struct session *s)
{
	uint64_t all = (SESSION_CALLS_S - WORKER_GRACE_S) * SECOND;

	return s->waited + SECOND < all ? all - s->waited : SECOND;
}

static bool call_worker(struct session *s, const struct broker_request *request,
			struct broker_reply *reply)
{
	if (!names_kek(request, reply))
		return true;
	memset(&s->call, 0, sizeof(s->call));
	/* Whoever asks for all versions, one by one, counts the time himself */
	if (request->worker.op != ENVELOPE_WORKER_VERSION)
		s->call.patience = patience_left(s);
	s->call.request = request->worker;
	s->call.share = s->secrets->share;
	s->call.done = on_worker_reply;
	if (!s->unwrapped && request->worker.op == ENVELOPE_WORKER_UNWRAP)
		s->unwrapped = manager_now();
	if (worker_call(s->manager, request->kek, &s->call, &reply->error))
		return true;
	s->calling = true;
	return false;
}

static bool kek_declared(struct session *s, const struct broker_request *request,
			 struct broker_reply *reply)
{
	if (!worker_declare(s->manager, &request->declared, &reply->error) &&
	    s->method == &method_reload)
		health_declare(s->manager, &request->declared);
	return true;
}

static bool kek_read(struct session *s, const struct broker_request *request,
		     struct broker_reply *reply)
{
	return !worker_op_is(request, ENVELOPE_WORKER_ATTRIBUTES, ENVELOPE_WORKER_VERSION, reply) ||
	       call_worker(s, request, reply);
}

static bool kek_use(struct session *s, const struct broker_request *request,
		    struct broker_reply *reply)
{
	return !worker_op_is(request, ENVELOPE_WORKER_WRAP, ENVELOPE_WORKER_UNWRAP, reply) ||
	       !rights_on_kek(s, request->kek, request->worker.op, &reply->error) ||
	       call_worker(s, request, reply);
}

static bool unwrap(struct session *s, const struct broker_request *request,
		   struct broker_reply *reply)
{
	if (worker_op_is(request, ENVELOPE_WORKER_UNWRAP, ENVELOPE_WORKER_UNWRAP, reply) &&
	    names_kek(request, reply) &&
	    rights_on_kek(s, request->kek, request->worker.op, &reply->error))
		unwraps_begin(s, request, reply);
	return true;
}

static bool unwrap_end(struct session *s, const struct broker_request *request,
		       struct broker_reply *reply)
{
	unwraps_forget(s);
	return true;
}

static bool doubt(struct session *s, const struct broker_request *request,
		  struct broker_reply *reply)
{
	cache_purge(s->manager, request->kek, NULL);
	return true;
}

static bool set(struct session *s, const struct broker_request *request, struct broker_reply *reply)
{
	cache_declare(s->manager, &request->opened.token, &reply->error);
	return true;
}

static bool kek_change(struct session *s, const struct broker_request *request,
		       struct broker_reply *reply)
{
	return !worker_op_is(request, ENVELOPE_WORKER_CREATE, ENVELOPE_WORKER_DISABLE, reply) ||
	       !rights_on_kek(s, request->kek, request->worker.op, &reply->error) ||
	       call_worker(s, request, reply);
}

static bool holds_name(const struct session *s, const char *name, struct envelope_error *e)
{
	if (*s->name && !strcmp(s->name, name))
		return true;
	envelope_fail(e, ENVELOPE_E_PERMISSION,
		      "this request does not hold the mapping it changes");
	return false;
}

/* Hands the session's DEK to the keyring under a description that was never used before */
static int add_key_of(struct session *s, struct table *table, int32_t *id, struct envelope_error *e)
{
	char description[TABLE_KEY_MAX];
	int r;

	table->key_number = ++s->manager->key_number;
	if (table_check(table) || table_key_description(table, description, sizeof(description)))
		r = envelope_fail(e, ENVELOPE_E_FAILED, "%s: its table is out of range", s->name);
	else
		r = keyring_add(description, s->secrets->dek, table->key_size, id, e);
	envelope_secret_wipe(s->secrets->dek, sizeof(s->secrets->dek));
	return r;
}

static struct device *remember(struct session *s, const struct table *table, int32_t key,
			       const struct broker_opened *opened, struct envelope_error *e)
{
	struct device *device = device_add(s->manager, table->name, table->uuid);

	if (!device) {
		envelope_fail(e, ENVELOPE_E_FAILED, "out of memory");
		return NULL;
	}
	keyring_remove(device->key);
	device->key = key;
	device->key_number = table->key_number;
	device->managed = true;
	*device->problem = '\0';
	device->pin = opened->pin;
	lease_opened(device, opened, s->unwrapped);
	lease_began(device, table);
	return device;
}

/* First the device itself, then all that depend on what was proved on the way */
static void judge(struct device *device)
{
	struct manager *m = device->manager;

	lease_judge(device);
	health_tell(m);
}

static bool activate(struct session *s, const struct broker_request *request,
		     struct broker_reply *reply)
{
	struct table table = request->table;
	int32_t key = 0;

	if (!holds_name(s, table.name, &reply->error) || add_key_of(s, &table, &key, &reply->error))
		return true;
	if (device_load(&table, &reply->error) ||
	    !remember(s, &table, key, &request->opened, &reply->error)) {
		keyring_remove(key);
		return true;
	}
	s->table = table;
	s->activated = true;
	return true;
}

static bool set_key(struct session *s, const struct broker_request *request,
		    struct broker_reply *reply)
{
	char text[TABLE_KEY_MAX], message[TABLE_KEY_MAX + 16];
	struct device *device = device_find(s->manager, request->table.name);
	struct table table = request->table;
	int32_t key = 0;

	if (*s->device && device && lease_is_locked(device)) {
		envelope_fail(&reply->error, ENVELOPE_E_CANCELED, "%s was locked meanwhile",
			      table.name);
		return true;
	}
	if (!holds_name(s, table.name, &reply->error) || add_key_of(s, &table, &key, &reply->error))
		return true;
	if (table_key(&table, text, sizeof(text))) {
		envelope_fail(&reply->error, ENVELOPE_E_FAILED, "%s: a key too long", table.name);
		keyring_remove(key);
		return true;
	}
	snprintf(message, sizeof(message), "key set %s", text);
	if (device_message(table.name, message, &reply->error))
		device = NULL;
	else
		device = remember(s, &table, key, &request->opened, &reply->error);
	if (device)
		judge(device);
	else
		keyring_remove(key);
	return true;
}

static bool opened(struct session *s, const struct broker_request *request,
		   struct broker_reply *reply)
{
	struct device *device = device_find(s->manager, request->name);

	if (device && request->opened.token.n_shares) {
		if (*request->opened.pin.uuid)
			device->pin = request->opened.pin;
		lease_opened(device, &request->opened, s->unwrapped);
		judge(device);
	}
	return true;
}

/* What is under way for this device must not give it its key again */
static void abort_others(struct session *s, const char *name)
{
	struct session *other, *next;

	for (other = LIST_FIRST(&s->manager->sessions); other; other = next) {
		next = LIST_NEXT(other, link);
		if (other != s && !strcmp(other->name, name))
			session_abort(other, "its device was locked");
	}
}

static bool lock(struct session *s, const struct broker_request *request,
		 struct broker_reply *reply)
{
	struct device *device = device_find(s->manager, request->name);

	if (!device) {
		envelope_fail(&reply->error, ENVELOPE_E_NOT_FOUND,
			      "%s: envelope-keyd has no such mapping", request->name);
		return true;
	}
	abort_others(s, device->name);
	lease_lock(device, request->asleep ? DEVICE_ASLEEP : DEVICE_LOCKED, &reply->error);
	return true;
}

static bool woken(struct session *s, const struct broker_request *request,
		  struct broker_reply *reply)
{
	struct device *device;

	if (!holds_name(s, request->name, &reply->error))
		return true;
	/* From here on the daemon itself tries, by every KEK: that is not for everybody */
	device = device_find(s->manager, request->name);
	if (device && !s->who.uid)
		lease_wake(device);
	return true;
}

static bool reload(struct session *s, const struct broker_request *request,
		   struct broker_reply *reply)
{
	struct table table = request->table;
	struct device *device;

	if (!holds_name(s, table.name, &reply->error))
		return true;
	device = device_find(s->manager, table.name);
	if (!device || !device->managed) {
		envelope_fail(&reply->error, ENVELOPE_E_FAILED,
			      "%s: envelope-keyd has not taken it over", table.name);
		envelope_cure(&reply->error, "envelopectl status %s says why", table.name);
		return true;
	}
	table.key_number = device->key_number;
	s->table = table;
	s->reloaded = true;
	device_load(&table, &reply->error);
	return true;
}

static bool forget(struct session *s, const struct broker_request *request,
		   struct broker_reply *reply)
{
	struct device *device;

	if (!holds_name(s, request->name, &reply->error))
		return true;
	device = device_find(s->manager, request->name);
	if (device)
		device_forget(device);
	s->activated = false;
	return true;
}

static bool problem(struct session *s, const struct broker_request *request,
		    struct broker_reply *reply)
{
	struct device *device = device_find(s->manager, s->device);

	if (device)
		snprintf(device->problem, sizeof(device->problem), "%s", request->error.message);
	return true;
}

static bool done(struct session *s, const struct broker_request *request,
		 struct broker_reply *reply)
{
	struct device *device = device_find(s->manager, s->table.name);

	memset(s->disk, 0, sizeof(s->disk));
	*s->name = '\0';
	if (s->activated && device)
		judge(device); /* its table is at work now, and takes messages */
	return true;
}

static const handler handlers[BROKER_OPS] = {
	[BROKER_ALIVE] = alive,
	[BROKER_LOCK_DISK] = lock_disk,
	[BROKER_LOCK_NAME] = lock_name,
	[BROKER_KEK_DECLARED] = kek_declared,
	[BROKER_KEK_READ] = kek_read,
	[BROKER_KEK_USE] = kek_use,
	[BROKER_UNWRAP] = unwrap,
	[BROKER_UNWRAPPED] = unwraps_next,
	[BROKER_UNWRAP_END] = unwrap_end,
	[BROKER_DOUBT] = doubt,
	[BROKER_SET] = set,
	[BROKER_KEK_CHANGE] = kek_change,
	[BROKER_ACTIVATE] = activate,
	[BROKER_RELOAD] = reload,
	[BROKER_SET_KEY] = set_key,
	[BROKER_OPENED] = opened,
	[BROKER_LOCK] = lock,
	[BROKER_WOKEN] = woken,
	[BROKER_FORGET] = forget,
	[BROKER_PROBLEM] = problem,
	[BROKER_DONE] = done,
};

static bool config_valid(const struct envelope_kek_config *config)
{
	return memchr(config->name, '\0', sizeof(config->name)) &&
	       memchr(config->provider, '\0', sizeof(config->provider)) &&
	       memchr(config->keystore, '\0', sizeof(config->keystore)) &&
	       envelope_access_valid(&config->use) && envelope_access_valid(&config->administer) &&
	       config->lease <= ENVELOPE_LEASE_MAX && config->check_interval &&
	       config->check_interval <= ENVELOPE_CHECK_MAX &&
	       config->rotation_interval <= ENVELOPE_ROTATION_MAX;
}

static bool pin_valid(const struct envelope_pin *pin)
{
	for (unsigned int i = 0; i < pin->n_keks && i < ENVELOPE_PIN_KEKS_MAX; i++)
		if (!memchr(pin->keks[i], '\0', sizeof(pin->keks[i])))
			return false;
	return pin->n_keks <= ENVELOPE_PIN_KEKS_MAX && memchr(pin->uuid, '\0', sizeof(pin->uuid)) &&
	       memchr(pin->created, '\0', sizeof(pin->created));
}

static bool opened_valid(const struct broker_opened *opened)
{
	const struct envelope_token *token = &opened->token;

	if (token->n_shares > ENVELOPE_SHARES_MAX || token->threshold > token->n_shares ||
	    (token->n_shares && !token->threshold))
		return false;
	for (unsigned int i = 0; i < token->n_shares; i++) {
		const struct envelope_share *share = &token->shares[i];

		if (!memchr(share->kek, '\0', sizeof(share->kek)) ||
		    !memchr(share->version, '\0', sizeof(share->version)) ||
		    !memchr(share->algorithm, '\0', sizeof(share->algorithm)) ||
		    share->wrapped_size > sizeof(share->wrapped) ||
		    ((opened->declared & 1U << i) && !config_valid(&opened->configs[i])))
			return false;
	}
	return memchr(token->uuid, '\0', sizeof(token->uuid)) && pin_valid(&opened->pin);
}

/* The texts of a request may be used as such only when they end */
static bool terminated(const struct broker_request *request)
{
	return memchr(request->kek, '\0', sizeof(request->kek)) &&
	       memchr(request->name, '\0', sizeof(request->name)) &&
	       memchr(request->table.name, '\0', sizeof(request->table.name)) &&
	       memchr(request->error.message, '\0', sizeof(request->error.message));
}

void broker_handle(struct session *s, const struct broker_request *request)
{
	struct broker_reply reply = {};

	if (request->op >= BROKER_OPS || !(s->method->allowed & BROKER_BIT(request->op)) ||
	    !terminated(request) || request->patience > BROKER_PATIENCE_MAX ||
	    !opened_valid(&request->opened) ||
	    (request->op == BROKER_KEK_DECLARED && !config_valid(&request->declared))) {
		session_abort(s, "it asks for what it may not have");
		return;
	}
	s->waiting = manager_now();
	if (handlers[request->op](s, request, &reply))
		session_reply(s, &reply);
}
