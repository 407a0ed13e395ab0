/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The methods of the interface, as sequential code in a session. */
#ifndef KEYD_OP_H
#define KEYD_OP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "broker.h"
#include "error.h"
#include "json.h"
#include "manager.h"
#include "volume.h"

#define HEADERS_KEPT 3 /* backups of a volume's header */

/** struct op - what a session works on */
struct op {
	const struct manager *manager; /* as it was when the session began */
	struct json_object *parameters;
	int client; /* socket; -1: nobody listens */
	bool more;  /* the client wants progress */
	int passed; /* a descriptor that the client sent along; -1: none */
	int broker; /* socket */
	struct broker_secrets *secrets;
	/*
	 * What was read of the host's files holds, and they are not read again: they may lie on
	 * the very disk that has no key
	 */
	bool remembered;
};

/**
 * struct method - of the interface
 * @rights:  enum right, each of which lets others than root do this
 * @allowed: what its session may ask of the main process, BROKER_BIT()s
 * @run:     puts the result's parameters into @result; 0 or -code
 */
struct method {
	const char *name;
	unsigned int rights;
	uint32_t allowed;
	int (*run)(struct op *op, struct json_object **result, struct envelope_error *e);
};

/** method_find() - NULL where the interface has no such method */
const struct method *method_find(const char *name);

/* Not in the interface */
extern const struct method method_takeover, method_follow, method_reload;

int op_format(struct op *op, struct json_object **result, struct envelope_error *e);
int op_adopt(struct op *op, struct json_object **result, struct envelope_error *e);
int op_release(struct op *op, struct json_object **result, struct envelope_error *e);
int op_open(struct op *op, struct json_object **result, struct envelope_error *e);
int op_clone_fix(struct op *op, struct json_object **result, struct envelope_error *e);
int op_close(struct op *op, struct json_object **result, struct envelope_error *e);
int op_resize(struct op *op, struct json_object **result, struct envelope_error *e);
int op_status(struct op *op, struct json_object **result, struct envelope_error *e);
int op_dump(struct op *op, struct json_object **result, struct envelope_error *e);
int op_rewrap(struct op *op, struct json_object **result, struct envelope_error *e);
int op_set_create(struct op *op, struct json_object **result, struct envelope_error *e);
int op_set_list(struct op *op, struct json_object **result, struct envelope_error *e);
int op_set_rewrap(struct op *op, struct json_object **result, struct envelope_error *e);
int op_set_show(struct op *op, struct json_object **result, struct envelope_error *e);
int op_slot_add(struct op *op, struct json_object **result, struct envelope_error *e);
int op_slot_remove(struct op *op, struct json_object **result, struct envelope_error *e);
int op_follow(struct op *op, struct json_object **result, struct envelope_error *e);
int op_erase(struct op *op, struct json_object **result, struct envelope_error *e);
int op_kek_create(struct op *op, struct json_object **result, struct envelope_error *e);
int op_kek_check(struct op *op, struct json_object **result, struct envelope_error *e);
int op_kek_list(struct op *op, struct json_object **result, struct envelope_error *e);
int op_kek_show(struct op *op, struct json_object **result, struct envelope_error *e);
int op_inventory(struct op *op, struct json_object **result, struct envelope_error *e);
int op_kek_usage(struct op *op, struct json_object **result, struct envelope_error *e);
int op_kek_rotate(struct op *op, struct json_object **result, struct envelope_error *e);
int op_kek_disable(struct op *op, struct json_object **result, struct envelope_error *e);
int op_kek_enable(struct op *op, struct json_object **result, struct envelope_error *e);
int op_lock(struct op *op, struct json_object **result, struct envelope_error *e);
int op_reload(struct op *op, struct json_object **result, struct envelope_error *e);
int op_unlock(struct op *op, struct json_object **result, struct envelope_error *e);

/* op.c: parameters, progress */

/** op_known() - refuse parameters that the method does not have; @names is NULL-terminated */
int op_known(const struct op *op, const char *const *names, struct envelope_error *e);

/* Each leaves @out alone where the parameter is missing or null and not @required. */
int op_text(const struct op *op, const char *name, bool required, char *out, size_t room,
	    struct envelope_error *e);
int op_bool(const struct op *op, const char *name, bool *out, struct envelope_error *e);
int op_number(const struct op *op, const char *name, uint64_t max, uint32_t *out,
	      struct envelope_error *e);

int op_array(const struct op *op, const char *name, struct json_object **out,
	     struct envelope_error *e);

/** op_step() - tell the client what happens next, and the main process that something does */
void op_step(struct op *op, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * struct op_disk - what the parameters `device` and `header` name
 * @header: where its header is, if not on the device; else ""
 * @st:     of the device
 */
struct op_disk {
	char device[256], header[256];
	struct stat st;
};

/** op_header() - what its header is on */
static inline const char *op_header(const struct op_disk *disk)
{
	return *disk->header ? disk->header : disk->device;
}

/** op_disk() - read them, and be the only one that changes that disk; NOT_FOUND, BUSY */
int op_disk(struct op *op, struct op_disk *disk, struct envelope_error *e);

/** op_check_writable() - refuse a disk that is set read-only; IO */
int op_check_writable(const char *device, struct envelope_error *e);

/** op_check_unused() - refuse a disk that a mount, swap or another mapping has; BUSY */
int op_check_unused(const struct op_disk *disk, struct envelope_error *e);

/** op_check_closed() - refuse a volume that is open; BUSY */
int op_check_closed(const struct op_disk *disk, const char *uuid, struct envelope_error *e);

/** op_mapping_named() - the parameter `name`: a mapping, locked */
int op_mapping_named(struct op *op, char name[static TABLE_NAME_MAX + 1], struct envelope_error *e);

/** op_mapping() - the same, where there is no other parameter */
int op_mapping(struct op *op, char name[static TABLE_NAME_MAX + 1], struct envelope_error *e);

/** op_add_text() and its like - add to a JSON object; a NULL @value gives null */
void op_add_text(struct json_object *object, const char *name, const char *value);
void op_add_number(struct json_object *object, const char *name, uint64_t value);
void op_add_bool(struct json_object *object, const char *name, bool value);

static inline const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

/** op_warn() - add a sentence for the user to an array */
void op_warn(struct json_object *warnings, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** op_add_policy() - what a slot and a set have in common: created, threshold, shares */
void op_add_policy(struct json_object *object, const struct envelope_token *token);

/** op_slot() - a slot, of a LUKS2 token, as the interface shows it */
struct json_object *op_slot(int token_id, const struct envelope_token *token);

/** op_slots() - slots as the interface shows them, by their ids */
struct json_object *op_slots(const struct envelope_slot *slots, size_t n);

#endif
