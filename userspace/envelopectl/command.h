/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of envelopectl, and what they share. */
#ifndef ENVELOPE_COMMAND_H
#define ENVELOPE_COMMAND_H

#include <stdbool.h>

#include "error.h"
#include "json.h"

/** struct context - what the options common to all commands say */
struct context {
	const char *socket;
	bool json;    /* results as JSON on standard output, errors too */
	bool verbose; /* steps of long work on standard error, also without a terminal */
};

/** struct option_spec - an option of one command; the common ones are known everywhere */
struct option_spec {
	const char *name;
	const char *value; /* what its value is called, NULL where it takes none */
	const char *help;
};

#define COMMAND_OPTIONS_MAX 10

/** struct arguments - a command line, parsed: values by the position of the option's spec */
struct arguments {
	char **words;
	int n;
	const char *values[COMMAND_OPTIONS_MAX]; /* "" for an option that is given without one */
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
	int (*run)(const struct context *context, const struct arguments *arguments,
		   struct envelope_error *e);
};

extern const struct command *const commands[]; /* ends with NULL */

extern const struct command command_format, command_open, command_close, command_resize,
	command_status, command_dump, command_rewrap, command_erase, command_kek_create,
	command_kek_list, command_kek_show, command_kek_rotate;

/* arguments.c */

/** arguments_parse() - the words and options behind a command's name; USAGE errors */
int arguments_parse(const struct command *command, int argc, char **argv, struct context *context,
		    struct arguments *arguments, bool *help, struct envelope_error *e);

/** arguments_number() - an option's value into @parameters as a number, where it is given */
int arguments_number(const struct arguments *arguments, int option, const char *name,
		     struct json_object *parameters, struct envelope_error *e);

/** arguments_device() - DEVICE, UUID=…, LABEL=… to an absolute path, malloc'ed */
int arguments_device(const char *spec, char **path, struct envelope_error *e);

/* client.c */

/**
 * client_call() - ask envelope-keyd
 * @method:     without the interface
 * @parameters: taken over
 * @reply:      the last reply's parameters, to be put by the caller; may be NULL
 */
int client_call(const struct context *context, const char *method, struct json_object *parameters,
		struct json_object **reply, struct envelope_error *e);

/* output.c */

void output_json(struct json_object *object);
void output_error(const struct context *context, const struct envelope_error *e);
/** output_warnings() - "warnings" of a reply, to standard error */
void output_warnings(const struct context *context, struct json_object *reply);
/** output_size() - bytes for people: "1.0 GiB" */
const char *output_size(uint64_t bytes, char text[static 16]);
/** member() - text or number of a reply for people, "-" where there is none */
const char *member(struct json_object *object, const char *name);
uint64_t member_number(struct json_object *object, const char *name);
bool member_true(struct json_object *object, const char *name);
/** member_list() - an array of texts, with commas between */
const char *member_list(struct json_object *object, const char *name, char *text, size_t room);

/* Rows of cells; a column is as wide as its widest cell. */
struct table;
struct table *table_new(const char *const *titles, int columns);
void table_add(struct table *table, const char *const *cells);
void table_print(struct table *table); /* and frees it */

#endif
