// SPDX-License-Identifier: GPL-2.0-or-later
#include "caches.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define DROP_CACHES "/proc/sys/vm/drop_caches"

/* In the child. Return: 0 or errno */
static int write_all(void)
{
	sync();
	return 0;
}

static int drop_all(void)
{
	int fd = open(DROP_CACHES, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, "3", 1) == 1 ? 0 : errno;
}

/* Return: whether the child came to its end in time */
static bool ends(pid_t pid)
{
	int fd = pidfd_open(pid, 0);
	struct pollfd child = { .fd = fd, .events = POLLIN };
	bool in_time = fd >= 0 && poll(&child, 1, CACHES_PATIENCE_S * 1000) == 1;

	if (fd >= 0)
		close(fd);
	return in_time;
}

/* One that is late dies as soon as its disk answers */
static int in_child(int (*what)(void), const char *name, struct envelope_error *e)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		close_range(0, ~0U, 0);
		_exit(what());
	}
	if (pid < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: %s", name, strerror(errno));
	if (!ends(pid)) {
		kill(pid, SIGKILL);
		return 1;
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: its process died", name);
	if (WEXITSTATUS(status))
		return envelope_fail(e, ENVELOPE_E_FAILED, "%s: %s", name,
				     strerror(WEXITSTATUS(status)));
	return 0;
}

int caches_write(struct envelope_error *e)
{
	return in_child(write_all, "sync", e);
}

int caches_drop(struct envelope_error *e)
{
	return in_child(drop_all, DROP_CACHES, e);
}
