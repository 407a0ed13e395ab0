// SPDX-License-Identifier: GPL-2.0-or-later
#include "passed.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 10000 /* for what was typed before the request was sent */

static const char *const kinds[] = {
	[PASSED_PASSPHRASE] = "passphrase",
	[PASSED_KEY_FILE] = "key_file",
	[PASSED_VOLUME_KEY] = "volume_key",
};

int passed_missing(const char *what, struct envelope_error *e)
{
	return envelope_fail(e, ENVELOPE_E_USAGE, "%s needs a descriptor with the message", what);
}

ssize_t passed_read(struct op *op, const char *what, void *out, size_t room,
		    struct envelope_error *e)
{
	struct pollfd wait = { .fd = op->passed, .events = POLLIN };
	size_t n = 0;
	ssize_t r;

	if (op->passed < 0)
		return passed_missing(what, e);
	do {
		r = poll(&wait, 1, PATIENCE_MS);
		if (r == 0) {
			errno = ETIMEDOUT;
			r = -1;
		} else if (r > 0) {
			r = read(op->passed, (char *)out + n, room - n);
		}
		if (r > 0)
			n += (size_t)r;
	} while ((r > 0 && n < room) || (r < 0 && errno == EINTR));
	if (r < 0)
		return envelope_fail(e, ENVELOPE_E_IO, "the %s cannot be read: %s", what,
				     strerror(errno));
	return (ssize_t)n;
}

int passed_kind(const struct op *op, enum passed_kind *kind, struct envelope_error *e)
{
	char text[16] = "";
	int r = op_text(op, "by", false, text, sizeof(text), e);

	*kind = PASSED_NOTHING;
	if (r || !*text)
		return r;
	for (unsigned int i = PASSED_PASSPHRASE; i <= PASSED_VOLUME_KEY; i++)
		if (!strcmp(text, kinds[i]))
			*kind = i;
	if (*kind == PASSED_NOTHING)
		return envelope_fail(e, ENVELOPE_E_USAGE,
				     "by must be passphrase, key_file or volume_key");
	return 0;
}

int passed_secret(struct op *op, enum passed_kind kind, uint8_t *secret, size_t *size,
		  struct envelope_error *e)
{
	ssize_t n;

	if (kind == PASSED_NOTHING)
		return envelope_fail(e, ENVELOPE_E_USAGE, "the parameter by is missing");
	n = passed_read(op, kinds[kind], secret, PASSPHRASE_MAX, e);
	if (n < 0)
		return (int)n;
	if (n == PASSPHRASE_MAX)
		return envelope_fail(e, ENVELOPE_E_USAGE, "a %s has less than %d bytes",
				     kinds[kind], PASSPHRASE_MAX);
	if (kind == PASSED_PASSPHRASE && n && secret[n - 1] == '\n')
		secret[--n] = '\0';
	if (!n)
		return envelope_fail(e, ENVELOPE_E_USAGE, "the %s is empty", kinds[kind]);
	*size = (size_t)n;
	return 0;
}
