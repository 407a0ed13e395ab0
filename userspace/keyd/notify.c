// SPDX-License-Identifier: GPL-2.0-or-later
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "manager.h"

void notify(const char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int fd;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	if (*path == '@') /* abstract */
		*address.sun_path = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address,
	       offsetof(struct sockaddr_un, sun_path) + strlen(path));
	close(fd);
}

static int on_time(sd_event_source *source, uint64_t usec, void *data)
{
	notify("WATCHDOG=1");
	sd_event_source_disable_unref(source);
	notify_watchdog(data);
	return 0;
}

int notify_watchdog(struct manager *m)
{
	sd_event_source *source = NULL;
	uint64_t usec = 0;
	int r = sd_watchdog_enabled(0, &usec);

	return r > 0 ? manager_timer(m, &source, usec / 2, on_time, m) : r;
}
