// SPDX-License-Identifier: GPL-2.0-or-later
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define TEXT_MAX       1024

static int journal = -1;
static char daemon_pid[16];

void log_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };

	snprintf(daemon_pid, sizeof(daemon_pid), "%d", (int)getpid());
	if (!getenv("JOURNAL_STREAM"))
		return;
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (journal >= 0 && connect(journal, (struct sockaddr *)&address, sizeof(address))) {
		close(journal);
		journal = -1;
	}
}

int log_fd(void)
{
	return journal;
}

static void append(char *out, size_t room, const char *name, const char *value)
{
	size_t used = strlen(out);

	if (!value || !*value)
		return;
	snprintf(out + used, room - used, "%s=%s", name, value);
	for (char *p = out + used; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = '?'; /* a line end would begin another field */
	strncat(out, "\n", room - strlen(out) - 1);
}

/* Who reads it may not, and that is no reason to wait */
static void to_stderr(const char *text)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&room, 1, 0) > 0)
		dprintf(STDERR_FILENO, "envelope-keyd: %s\n", text);
}

void log_line(int priority, const struct log_fields *fields, const char *fmt, ...)
{
	static const struct log_fields none;
	char text[TEXT_MAX], entry[2 * TEXT_MAX] = "", level[2];
	va_list args;

	if (!fields)
		fields = &none;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (journal < 0)
		return to_stderr(text);
	snprintf(level, sizeof(level), "%d", priority & 7);
	append(entry, sizeof(entry), "MESSAGE", text);
	append(entry, sizeof(entry), "PRIORITY", level);
	append(entry, sizeof(entry), "SYSLOG_IDENTIFIER", "envelope-keyd");
	/* By the time the journal reads this, a session may be gone, and its unit unknown */
	append(entry, sizeof(entry), "OBJECT_PID", daemon_pid);
	append(entry, sizeof(entry), "MESSAGE_ID", fields->id);
	append(entry, sizeof(entry), "ENVELOPE_VOLUME", fields->volume);
	append(entry, sizeof(entry), "ENVELOPE_DEVICE", fields->device);
	append(entry, sizeof(entry), "ENVELOPE_KEK", fields->kek);
	append(entry, sizeof(entry), "ENVELOPE_IDENTITY", fields->identity);
	append(entry, sizeof(entry), "ENVELOPE_UNIT", fields->unit);
	send(journal, entry, strlen(entry), MSG_DONTWAIT | MSG_NOSIGNAL);
}
