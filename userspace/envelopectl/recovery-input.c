// SPDX-License-Identifier: GPL-2.0-or-later
/* Recovery keys that people type: on their way to envelope-keyd they are in no message. */
#include <errno.h>
#include <openssl/ui.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "recovery.h"

#define PROMPT "Recovery key: "

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

static int ask(struct envelope_error *e)
{
	_cleanup_secret_ char *typed = envelope_secret_alloc(ENVELOPE_RECOVERY_TYPED);

	if (!typed)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "no locked memory for a recovery key");
	if (UI_UTIL_read_pw_string(typed, ENVELOPE_RECOVERY_TYPED, PROMPT, 0) != 0)
		return envelope_fail(e, ENVELOPE_E_CANCELED, "no recovery key was typed");
	return pipe_of(typed, e);
}

int client_call_recovering(const struct context *context, const char *method,
			   struct json_object *parameters, const char *name, bool wanted,
			   struct json_object **reply, struct envelope_error *e)
{
	int fd = STDIN_FILENO, r;

	if (!wanted)
		return client_call(context, method, parameters, reply, e);
	add_flag(parameters, name, true);
	if (isatty(STDIN_FILENO))
		fd = ask(e);
	if (fd < 0)
		return fd;
	r = client_call_passing(context, method, parameters, fd, reply, e);
	if (fd != STDIN_FILENO)
		close(fd);
	return r;
}
