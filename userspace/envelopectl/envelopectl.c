// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "varlink.h"

static const struct command *const commands[] = {
	&command_format,      &command_adopt,	   &command_release,
	&command_clone_fix,   &command_open,	   &command_close,
	&command_resize,      &command_lock,	   &command_unlock,
	&command_status,      &command_dump,	   &command_rewrap,
	&command_inventory,   &command_erase,	   &command_set_create,
	&command_set_list,    &command_set_show,   &command_slot_add,
	&command_slot_remove, &command_slot_list,  &command_kek_create,
	&command_kek_list,    &command_kek_show,   &command_kek_check,
	&command_kek_usage,   &command_kek_rotate, &command_kek_disable,
	&command_kek_enable,  &command_key_check,  NULL,
};

static const char common_help[] =
	"  --json                    the result as JSON, for programs\n"
	"  --verbose                 show the steps of long work even where nobody watches\n"
	"  --socket PATH             of envelope-keyd (" ENVELOPE_SOCKET ")\n"
	"  --help                    this text\n";

static void print_help(void)
{
	printf("usage: envelopectl COMMAND [OPTION…] [ARGUMENT…]\n\n"
	       "Envelope encryption for block devices: a thin client of envelope-keyd.\n\n"
	       "Commands:\n");
	for (const struct command *const *c = commands; *c; c++)
		printf("  %-11s %-14s  %s\n", (*c)->name, (*c)->words, (*c)->summary);
	printf("\nOptions of every command:\n%s"
	       "\nenvelopectl COMMAND --help tells a command's own options; envelopectl(8) all.\n",
	       common_help);
}

static void print_command_help(const struct command *command)
{
	printf("usage: envelopectl %s [OPTION…] %s\n\n%s.\n\n", command->name, command->words,
	       command->summary);
	for (const struct option_spec *o = command->options; o->name; o++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s %s", o->name, o->value ? o->value : "");
		printf("  %-25s %s\n", left, o->help);
	}
	printf("%s%s", command->options->name ? "\n" : "", common_help);
}

/* The command that the first words name; @used: how many words */
static const struct command *find_command(int argc, char **argv, int *used)
{
	char two[64];

	for (const struct command *const *c = commands; *c; c++) {
		*used = strchr((*c)->name, ' ') ? 2 : 1;
		if (argc < *used)
			continue;
		snprintf(two, sizeof(two), "%.30s %.30s", argv[0], *used == 2 ? argv[1] : "");
		two[strlen(two) - (*used == 1)] = '\0';
		if (!strcmp(two, (*c)->name))
			return *c;
	}
	return NULL;
}

static int run(int argc, char **argv, struct context *context, struct envelope_error *e)
{
	const struct command *command;
	struct arguments arguments;
	bool help = false;
	int used, r;

	command = find_command(argc, argv, &used);
	if (!command)
		return envelope_fail(e, ENVELOPE_E_USAGE, "no such command: %s", argv[0]);
	r = arguments_parse(command, argc - used, argv + used, context, &arguments, &help, e);
	if (r < 0 || !help)
		return r < 0 ? r : command->run(context, &arguments, e);
	context->json = false;
	print_command_help(command);
	return 0;
}

int main(int argc, char **argv)
{
	struct context context = { .socket = ENVELOPE_SOCKET };
	struct envelope_error e = { 0 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		envelope_fail(&e, ENVELOPE_E_USAGE, "no command given");
	else if (!strcmp(argv[1], "--version"))
		puts("envelopectl " ENVELOPE_VERSION);
	else if (!strcmp(argv[1], "--help"))
		print_help();
	else
		run(argc - 1, argv + 1, &context, &e);
	output_end(&context, &e);
	return e.code ? envelope_error_exit_status(e.code) : 0;
}
