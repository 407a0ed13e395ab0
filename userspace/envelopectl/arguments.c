// SPDX-License-Identifier: GPL-2.0-or-later
/* Command lines: options may stand before and behind the words. */
#include <string.h>

#include "command.h"

const struct option_spec no_options[] = { { NULL, NULL, NULL } };

static int find_option(const struct option_spec *options, const char *name, size_t length)
{
	for (int i = 0; options[i].name; i++)
		if (strlen(options[i].name) == length && !strncmp(options[i].name, name, length))
			return i;
	return -1;
}

/* The options that every command has; Return: 1 where it is one of them */
static int common_option(const char *name, size_t length, const char *value,
			 struct context *context, bool *help)
{
	if (length == 6 && !strncmp(name, "socket", 6) && value)
		context->socket = value;
	else if (length == 4 && !strncmp(name, "json", 4))
		context->json = true;
	else if (length == 7 && !strncmp(name, "verbose", 7))
		context->verbose = true;
	else if (length == 4 && !strncmp(name, "help", 4))
		*help = true;
	else
		return 0;
	return 1;
}

static bool takes_value(const struct command *command, const char *name, size_t length)
{
	int option = find_option(command->options, name, length);

	if (option >= 0)
		return command->options[option].value;
	return length == 6 && !strncmp(name, "socket", 6);
}

/* The last one counts, unless the command asks for all */
static void give(struct arguments *arguments, int option, const char *value)
{
	arguments->values[option] = value;
	arguments->given[arguments->n_given].option = option;
	arguments->given[arguments->n_given++].value = value;
}

/* --name, --name=value or --name value; @i is moved past what was used */
static int parse_option(const struct command *command, int argc, char **argv, int *i,
			struct context *context, struct arguments *arguments, bool *help,
			struct envelope_error *e)
{
	const char *name = argv[*i] + 2, *value = strchr(name, '=');
	size_t length = value ? (size_t)(value++ - name) : strlen(name);
	int option = find_option(command->options, name, length);

	if (takes_value(command, name, length)) {
		if (!value && *i + 1 < argc)
			value = argv[++*i];
		if (!value)
			return envelope_fail(e, ENVELOPE_E_USAGE, "%s: --%s needs a value",
					     command->name, name);
	} else if (value) {
		return envelope_fail(e, ENVELOPE_E_USAGE, "%s: --%.*s takes no value",
				     command->name, (int)length, name);
	}
	if (arguments->n_given == COMMAND_GIVEN_MAX)
		return envelope_fail(e, ENVELOPE_E_USAGE, "%s: more than %d options", command->name,
				     COMMAND_GIVEN_MAX);
	if (option >= 0)
		give(arguments, option, value ? value : "");
	else if (!common_option(name, length, value, context, help))
		return envelope_fail(e, ENVELOPE_E_USAGE, "%s: unknown option --%.*s",
				     command->name, (int)length, name);
	return 0;
}

int arguments_parse(const struct command *command, int argc, char **argv, struct context *context,
		    struct arguments *arguments, bool *help, struct envelope_error *e)
{
	bool options = true;

	memset(arguments, 0, sizeof(*arguments));
	arguments->words = argv;
	for (int i = 0; i < argc; i++) {
		if (options && !strcmp(argv[i], "--")) {
			options = false;
		} else if (options && argv[i][0] == '-' && argv[i][1]) {
			int r = argv[i][1] == '-' ? parse_option(command, argc, argv, &i, context,
								 arguments, help, e)
						  : envelope_fail(e, ENVELOPE_E_USAGE,
								  "%s: unknown option %s",
								  command->name, argv[i]);

			if (r < 0)
				return r;
		} else {
			/* Words move to the front: never past where we read */
			argv[arguments->n++] = argv[i];
		}
	}
	if (*help)
		return 0;
	if (arguments->n < command->min_words || arguments->n > command->max_words) {
		envelope_fail(e, ENVELOPE_E_USAGE, "%s: it takes %s", command->name,
			      *command->words ? command->words : "no arguments");
		return envelope_cure(e, "see envelopectl %s --help", command->name);
	}
	return 0;
}
