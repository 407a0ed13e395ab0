// SPDX-License-Identifier: GPL-2.0-or-later
/* envelope-keyd: the daemon that turns wrapped keys into open disks. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hook.h"
#include "kek-config.h"
#include "log.h"
#include "manager.h"
#include "varlink.h"

static const char usage[] =
	"usage: envelope-keyd [OPTION…]\n"
	"\n"
	"Unwraps the keys of encrypted disks and maps them; see envelope-keyd(8).\n"
	"\n"
	"  --socket PATH       where clients connect (" ENVELOPE_SOCKET ")\n"
	"  --state-dir DIR     key store, pins, header backups (/var/lib/envelope)\n"
	"  --runtime-dir DIR   (/run/envelope)\n"
	"  --keks-dir DIR      declarations of KEKs (" ENVELOPE_KEKS_DIRECTORY ")\n"
	"  --provider PATH     program of the workers (" ENVELOPE_PROVIDER_PATH ")\n"
	"  --user NAME         of the workers; its group may ask for the status (envelope)\n"
	"  --hook PATH         program to run when something happens to a device (" HOOK_DEFAULT
	")\n"
	"  --help, --version\n";

static int parse_arguments(int argc, char **argv, struct options *o)
{
	enum { SOCKET = 1, STATE, RUNTIME, KEKS, PROVIDER, USER, HOOK, HELP, VERSION };
	static const struct option options[] = {
		{ "socket", required_argument, NULL, SOCKET },
		{ "state-dir", required_argument, NULL, STATE },
		{ "runtime-dir", required_argument, NULL, RUNTIME },
		{ "keks-dir", required_argument, NULL, KEKS },
		{ "provider", required_argument, NULL, PROVIDER },
		{ "user", required_argument, NULL, USER },
		{ "hook", required_argument, NULL, HOOK },
		{ "help", no_argument, NULL, HELP },
		{ "version", no_argument, NULL, VERSION },
		{},
	};
	const char **places[] = {
		[SOCKET] = &o->socket, [STATE] = &o->state_dir,	  [RUNTIME] = &o->runtime_dir,
		[KEKS] = &o->keks_dir, [PROVIDER] = &o->provider, [USER] = &o->user,
		[HOOK] = &o->hook
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case HELP:
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		case VERSION:
			puts("envelope-keyd " ENVELOPE_VERSION);
			exit(EXIT_SUCCESS);
		case '?':
			return -EINVAL;
		default:
			*places[option] = optarg;
		}
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "envelope-keyd: %s: no arguments are known but options\n", argv[optind]);
	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct options options = {
		.socket = ENVELOPE_SOCKET,
		.state_dir = "/var/lib/envelope",
		.runtime_dir = "/run/envelope",
		.keks_dir = ENVELOPE_KEKS_DIRECTORY,
		.provider = ENVELOPE_PROVIDER_PATH,
		.user = "envelope",
		.hook = HOOK_DEFAULT,
	};

	if (parse_arguments(argc, argv, &options))
		return 2;
	if (geteuid() != 0) {
		fputs("envelope-keyd: it must be started by root\n", stderr);
		return EXIT_FAILURE;
	}
	log_open();
	return manager_run(&options) ? EXIT_FAILURE : EXIT_SUCCESS;
}
