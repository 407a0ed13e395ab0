// SPDX-License-Identifier: GPL-2.0-or-later
/* key-check: the one command that sees a key, for tables that are loaded by hand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "crypto.h"
#include "secret.h"

/* What standard input holds, up to @room bytes, past no buffer of stdio's. Return: bytes or -errno
 */
static ssize_t read_input(uint8_t *buffer, size_t room)
{
	size_t size = 0;

	while (size < room) {
		ssize_t n = read(STDIN_FILENO, buffer + size, room - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += n;
	}
	return size;
}

static int run_key_check(struct context *context, const struct arguments *a,
			 struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *key = NULL;
	char check[17];
	ssize_t size;

	(void)a;
	if (isatty(STDIN_FILENO))
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "the key is read from standard input, which is a terminal");
	if (envelope_secret_harden_process() < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "the process cannot be protected");
	key = envelope_secret_alloc(ENVELOPE_DEK_MAX + 1); /* one more: too much is seen */
	if (!key)
		return envelope_fail(e, ENVELOPE_E_LIMIT, "no locked memory for a key: %s",
				     strerror(errno));
	size = read_input(key, ENVELOPE_DEK_MAX + 1);
	if (size < 0)
		return envelope_fail(e, ENVELOPE_E_IO, "standard input: %s", strerror(-size));
	if (size != ENVELOPE_DEK_MAX && size != ENVELOPE_DEK_MAX / 2)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "standard input: %s%zd bytes, but a key has 32 or 64",
				     size > ENVELOPE_DEK_MAX ? "at least " : "", size);
	if (envelope_key_check(key, size, check) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "the check value cannot be computed");
	if (context->json) {
		context->result = json_object_new_object();
		add_text(context->result, "key_check", check);
	} else {
		puts(check);
	}
	return 0;
}

const struct command command_key_check = {
	"key-check",
	"",
	0,
	0,
	"A key's check value for a table; the key by standard input",
	no_options,
	run_key_check,
};
