// SPDX-License-Identifier: GPL-2.0-or-later
#include "hook.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "manager.h"

#define AT_ONCE	   16
#define PATIENCE_S 60

static const char *hook; /* NULL: there is none */
static unsigned int under_way;

void hook_find(const char *program)
{
	hook = access(program, X_OK) ? NULL : program;
}

static int on_end(sd_event_source *source, const siginfo_t *info, void *data)
{
	under_way--;
	if (info->si_code != CLD_EXITED || info->si_status)
		log_line(LOG_WARNING, NULL, "The hook ended with %s %d",
			 info->si_code == CLD_EXITED ? "status" : "signal", info->si_status);
	return 0;
}

static void exec_hook(const struct device *device, const char *event, const char *why,
		      uint64_t left)
{
	char texts[6][640];
	char *environment[] = { texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], NULL };
	char *const argv[] = { (char *)hook, NULL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	snprintf(texts[0], sizeof(*texts), "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	snprintf(texts[1], sizeof(*texts), "ENVELOPE_EVENT=%s", event);
	snprintf(texts[2], sizeof(*texts), "ENVELOPE_DEVICE=%s", device->name);
	snprintf(texts[3], sizeof(*texts), "ENVELOPE_VOLUME=%s", device->uuid);
	snprintf(texts[4], sizeof(*texts), "ENVELOPE_REASON=%s", why);
	snprintf(texts[5], sizeof(*texts), "ENVELOPE_LEASE_LEFT=%llu", (unsigned long long)left);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		_exit(126);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	alarm(PATIENCE_S); /* goes with the program */
	execve(hook, argv, environment);
	_exit(127);
}

void hook_run(const struct device *device, const char *event, const char *why, uint64_t left)
{
	pid_t pid;

	if (!hook)
		return;
	if (under_way >= AT_ONCE) {
		log_line(LOG_WARNING, NULL, "%s: %s: the hook is not run, %d are under way",
			 device->name, event, AT_ONCE);
		return;
	}
	pid = fork();
	if (pid == 0)
		exec_hook(device, event, why, left);
	if (pid > 0 &&
	    sd_event_add_child(device->manager->event, NULL, pid, WEXITED, on_end, NULL) >= 0)
		under_way++;
}
