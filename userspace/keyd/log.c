// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The journal's native protocol, by hand: sd_journal_send() waits where the journal
 * does, and the journal may lie on a disk that waits for this daemon.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL "/run/systemd/journal/socket"

static int journal = -1;

void log_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL };

	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (journal >= 0 && connect(journal, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(journal);
		journal = -1;
	}
}

static void add_field(char *text, size_t room, const char *name, const char *value)
{
	size_t at = strlen(text);

	if (!value)
		return;
	snprintf(text + at, room - at, "%s=%s\n", name, value);
	for (char *p = text + at; *p && p[1]; p++)
		if (*p == '\n')
			*p = ' ';
}

void log_event(int priority, const struct log_subject *subject, const char *fmt, ...)
{
	char message[768], text[2048] = "", level[4];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (journal < 0) {
		fprintf(stderr, "envelope-keyd: %s\n", message);
		return;
	}
	snprintf(level, sizeof(level), "%d", priority & 7);
	add_field(text, sizeof(text), "PRIORITY", level);
	add_field(text, sizeof(text), "SYSLOG_IDENTIFIER", "envelope-keyd");
	add_field(text, sizeof(text), "MESSAGE", message);
	if (subject) {
		add_field(text, sizeof(text), "ENVELOPE_VOLUME", subject->volume);
		add_field(text, sizeof(text), "ENVELOPE_DEVICE", subject->device);
		add_field(text, sizeof(text), "ENVELOPE_KEK", subject->kek);
	}
	/* What does not fit now is lost: better than to wait */
	(void)send(journal, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}
