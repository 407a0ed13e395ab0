/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of envelopectl, and what they share. */
#ifndef ENVELOPE_COMMAND_H
#define ENVELOPE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "json.h"

/** struct context - what the options common to all commands say, and the result */
struct context {
	const char *socket;
	bool json;		    /* the result as JSON on standard output, an error too */
	bool verbose;		    /* steps of long work also without a terminal */
	struct json_object *result; /* to be printed as JSON at the end */
};

/** struct option_spec - an option of one command; the common ones are known everywhere */
struct option_spec {
	const char *name;
	const char *value; /* what its value is called, NULL where it takes none */
	const char *help;
};

#define COMMAND_OPTIONS_MAX 12
#define COMMAND_GIVEN_MAX   64
#define COMMAND_NEEDS_MAX   32	 /* characters of a cell */
#define COMMAND_KEKS_MAX    1024 /* the same */

/** struct arguments - a command line, parsed: values by the position of the option's spec */
struct arguments {
	char **words;
	int n;
	const char *values[COMMAND_OPTIONS_MAX]; /* "" for an option that is given without one */
	struct {
		int option;
		const char *value;
	} given[COMMAND_GIVEN_MAX]; /* one by one, for those that may be given again and again */
	int n_given;
};

/**
 * struct command - one command
 * @run: Return: 0, or a negative enum envelope_code with @e filled.
 */
struct command {
	const char *name;  /* "kek create" */
	const char *words; /* "DEVICE NAME" */
	int min_words, max_words;
	const char *summary;
	const struct option_spec *options; /* ends with a NULL name */
	int (*run)(struct context *context, const struct arguments *arguments,
		   struct envelope_error *e);
};

extern const struct option_spec no_options[];

extern const struct command command_format, command_adopt, command_release, command_clone_fix,
	command_open, command_close, command_resize, command_lock, command_unlock, command_status,
	command_dump, command_rewrap, command_erase, command_set_create, command_set_list,
	command_set_show, command_slot_add, command_slot_remove, command_slot_list,
	command_kek_create, command_kek_list, command_kek_show, command_kek_check,
	command_inventory, command_kek_usage, command_kek_rotate, command_kek_disable,
	command_kek_enable, command_key_check;

/* arguments.c */

/** arguments_parse() - the words and options behind a command's name; USAGE errors */
int arguments_parse(const struct command *command, int argc, char **argv, struct context *context,
		    struct arguments *arguments, bool *help, struct envelope_error *e);

/* parameters.c: members of a call; those that can fail are USAGE or NOT_FOUND errors */

/** add_text() - a NULL @value adds nothing, as with add_number() */
void add_text(struct json_object *parameters, const char *name, const char *value);
void add_flag(struct json_object *parameters, const char *name, bool set);
int add_number(struct json_object *parameters, const char *name, const char *value,
	       struct envelope_error *e);

/** add_list() - all values of an option, as an array; where there is none it adds nothing */
void add_list(struct json_object *parameters, const char *name, const struct arguments *arguments,
	      int option);

/** add_device() - "device": the absolute path of what device_path() finds */
int add_device(struct json_object *parameters, const char *spec, struct envelope_error *e);

/** HEADER_OPTION - of every command that takes a DEVICE; see add_disk() */
#define HEADER_OPTION                                                                              \
	{                                                                                          \
		"header", "FILE", "its header is there, not on the device"                         \
	}

/** add_disk() - "device", the first word, and "header", the value of that option, if given */
int add_disk(struct json_object *parameters, const struct arguments *arguments, int header,
	     struct envelope_error *e);

/** device_path() - a path, UUID=…, LABEL=… to an absolute path, malloc'ed */
int device_path(const char *spec, char **path, struct envelope_error *e);

/** parse_number() - decimal digits only, up to UINT32_MAX */
int parse_number(const char *text, unsigned int *number, struct envelope_error *e);

/* client.c */

/**
 * client_call() - ask envelope-keyd
 * @method:     without the interface
 * @parameters: of the call; NULL for none
 * @reply:      the last reply's parameters, to be put by the caller; control characters
 *              in its texts are replaced: a label comes from a disk that anybody may have made
 */
int client_call(const struct context *context, const char *method, struct json_object *parameters,
		struct json_object **reply, struct envelope_error *e);

/** client_call_passing() - the same, and a descriptor along with it; -1: none */
int client_call_passing(const struct context *context, const char *method,
			struct json_object *parameters, int passed, struct json_object **reply,
			struct envelope_error *e);

/* secret-input.c */

/**
 * client_call_recovering() - the same, with the recovery key where @wanted
 *
 * It is what standard input has; or what is typed, where that is a terminal, without an echo.
 * Adds @name to the parameters.
 */
int client_call_recovering(const struct context *context, const char *method,
			   struct json_object *parameters, const char *name, bool wanted,
			   struct json_object **reply, struct envelope_error *e);

/**
 * struct key_input - where a passphrase comes from
 * @file, @volume_key_file: NULL, or a file, as it is; "-" for standard input
 * @prompt: where it is typed
 * @twice:  it is new
 */
struct key_input {
	const char *file, *volume_key_file, *prompt;
	bool twice;
};

/**
 * client_call_keyed() - the same, with a passphrase or key of cryptsetup's, and "by" which it is
 *
 * Without a file it is what standard input has, less a newline at the end; or what is typed.
 */
int client_call_keyed(const struct context *context, const char *method,
		      struct json_object *parameters, const struct key_input *key,
		      struct json_object **reply, struct envelope_error *e);

/* rewrap-many.c */

#define REWRAP_JOBS_MAX 64

/**
 * rewrap_many() - the volumes of the inventory, several at once
 * @set:	only those of this encryption set; NULL: all
 * @parameters: of each call, but for the volume
 * @jobs:	how many at once; REWRAP_JOBS_MAX at most
 *
 * One that fails is told of, and keeps no other from its turn; the error is that of the first.
 */
int rewrap_many(struct context *context, const char *set, struct json_object *parameters,
		unsigned int jobs, struct envelope_error *e);

/** print_rewrap() - what came of one volume, for people: a line, and its slots if so wished */
void print_rewrap(const char *device, struct json_object *reply, bool dry_run, bool with_slots);

/* output.c */

/** output_json() - is the result wanted as JSON? Then @reply is it, and all is said */
bool output_json(struct context *context, struct json_object *reply);
/** output_error() - for people, to standard error */
void output_error(const struct envelope_error *e);
/** output_end() - print what is wanted as JSON, @e included; an I/O error is put into @e */
void output_end(struct context *context, struct envelope_error *e);
/** output_warnings() - "warnings" of a reply, to standard error */
void output_warnings(struct json_object *reply);
/** output_size() - bytes for people: "1.0 GiB" */
const char *output_size(uint64_t bytes, char text[static 16]);
/** member() - text or number of a reply for people, "-" where there is none */
const char *member(struct json_object *object, const char *name);
/** member_array() - its length, 0 where there is no such array */
size_t member_array(struct json_object *object, const char *name, struct json_object **array);
uint64_t member_number(struct json_object *object, const char *name);
bool member_true(struct json_object *object, const char *name);
/** member_list() - an array of texts, with commas between */
const char *member_list(struct json_object *object, const char *name, char *text, size_t room);

/** print_slot() - a slot of a volume, for people */
void print_slot(struct json_object *slot);
void print_shares(struct json_object *shares, size_t n);
/** policy_cells() - of a slot or set: "2 of 3", and its KEKs with commas between */
void policy_cells(struct json_object *slot, char needs[static COMMAND_NEEDS_MAX],
		  char keks[static COMMAND_KEKS_MAX]);

/* Rows of cells; a column is as wide as its widest cell. */
struct table;
struct table *table_new(const char *const *titles, int columns);
void table_add(struct table *table, const char *const *cells);
void table_print(struct table *table); /* and frees it */

#endif
