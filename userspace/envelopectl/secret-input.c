// SPDX-License-Identifier: GPL-2.0-or-later
/* Recovery keys and passphrases that people type: on their way to envelope-keyd they are in no
 * message. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/ui.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "recovery.h"

#define PASSPHRASE_TYPED 513 /* characters, as cryptsetup takes them, and their end */

/* The end of a pipe that has what was typed; a pipe has room for that */
static int pipe_of(const char *typed, struct envelope_error *e)
{
	size_t length = strlen(typed);
	int ends[2];

	if (pipe(ends) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no pipe: %s", strerror(errno));
	if (write(ends[1], typed, length) != (ssize_t)length) {
		close(ends[0]);
		ends[0] = envelope_fail(e, ENVELOPE_E_FAILED, "no pipe: %s", strerror(errno));
	}
	close(ends[1]);
	return ends[0];
}

/* @what: as in "no recovery key was typed"; @twice: it is new, and must be typed so */
static int ask(const char *prompt, const char *what, int room, bool twice, struct envelope_error *e)
{
	_cleanup_secret_ char *typed = envelope_secret_alloc((size_t)room);

	if (!typed)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "no locked memory for a %s", what);
	if (UI_UTIL_read_pw_string(typed, room, prompt, twice) != 0)
		return envelope_fail(e, ENVELOPE_E_CANCELED, "no %s was typed%s", what,
				     twice ? ", or not the same twice" : "");
	return pipe_of(typed, e);
}

/* And closes it, unless it is standard input */
static int call_passing(const struct context *context, const char *method,
			struct json_object *parameters, int fd, struct json_object **reply,
			struct envelope_error *e)
{
	int r;

	if (fd < 0)
		return fd;
	r = client_call_passing(context, method, parameters, fd, reply, e);
	if (fd != STDIN_FILENO)
		close(fd);
	return r;
}

int client_call_recovering(const struct context *context, const char *method,
			   struct json_object *parameters, const char *name, bool wanted,
			   struct json_object **reply, struct envelope_error *e)
{
	int fd = STDIN_FILENO;

	if (!wanted)
		return client_call(context, method, parameters, reply, e);
	add_flag(parameters, name, true);
	if (isatty(STDIN_FILENO))
		fd = ask("Recovery key: ", "recovery key", ENVELOPE_RECOVERY_TYPED, false, e);
	return call_passing(context, method, parameters, fd, reply, e);
}

static int open_file(const char *path, struct envelope_error *e)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;

	if (fd < 0)
		return envelope_fail(e, errno == ENOENT ? ENVELOPE_E_NOT_FOUND : ENVELOPE_E_IO,
				     "%s: %s", path, strerror(errno));
	return fd;
}

int client_call_keyed(const struct context *context, const char *method,
		      struct json_object *parameters, const struct key_input *key,
		      struct json_object **reply, struct envelope_error *e)
{
	int fd = STDIN_FILENO;

	if (key->file && key->volume_key_file)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "either --key-file or --volume-key-file, not both");
	if (key->file || key->volume_key_file)
		fd = open_file(key->file ? key->file : key->volume_key_file, e);
	else if (isatty(STDIN_FILENO))
		fd = ask(key->prompt, "passphrase", PASSPHRASE_TYPED, key->twice, e);
	add_text(parameters, "by",
		 key->volume_key_file ? "volume_key"
		 : key->file	      ? "key_file"
				      : "passphrase");
	return call_passing(context, method, parameters, fd, reply, e);
}
