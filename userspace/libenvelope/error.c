// SPDX-License-Identifier: GPL-2.0-or-later
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int status;
	const char *cure;
} codes[ENVELOPE_CODES] = {
#define X(id, name, status, cure) [ENVELOPE_E_##id] = { name, status, cure },
	ENVELOPE_ERRORS(X)
#undef X
};

int envelope_fail(struct envelope_error *e, enum envelope_code code, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		e->code = code;
		e->cure[0] = '\0';
		va_start(ap, fmt);
		vsnprintf(e->message, sizeof(e->message), fmt, ap);
		va_end(ap);
	}
	return -(int)code;
}

int envelope_cure(struct envelope_error *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -ENVELOPE_E_FAILED;
	va_start(ap, fmt);
	vsnprintf(e->cure, sizeof(e->cure), fmt, ap);
	va_end(ap);
	return -(int)e->code;
}

int envelope_fail_file(struct envelope_error *e, const char *path, int error)
{
	int r = envelope_fail(e, ENVELOPE_E_IO, "%s: %s", path, strerror(error));

	if (error == ENOSPC || error == EDQUOT)
		envelope_cure(e, "make room on its file system");
	else if (error == EROFS)
		envelope_cure(e, "mount its file system for writing");
	return r;
}

const char *envelope_error_cure(const struct envelope_error *e)
{
	if (e->cure[0] || e->code <= ENVELOPE_OK || e->code >= ENVELOPE_CODES)
		return e->cure;
	return codes[e->code].cure;
}

const char *envelope_error_name(enum envelope_code code)
{
	if (code <= ENVELOPE_OK || code >= ENVELOPE_CODES)
		code = ENVELOPE_E_FAILED;
	return codes[code].name;
}

enum envelope_code envelope_error_code(const char *name)
{
	for (enum envelope_code code = ENVELOPE_OK + 1; code < ENVELOPE_CODES; code++)
		if (!strcmp(codes[code].name, name))
			return code;
	return ENVELOPE_E_FAILED;
}

int envelope_error_exit_status(enum envelope_code code)
{
	if (code == ENVELOPE_OK)
		return 0;
	if (code < ENVELOPE_OK || code >= ENVELOPE_CODES)
		code = ENVELOPE_E_FAILED;
	return codes[code].status;
}
