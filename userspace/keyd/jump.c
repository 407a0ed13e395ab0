// SPDX-License-Identifier: GPL-2.0-or-later
#include "jump.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lease.h"
#include "log.h"
#include "manager.h"

/* A timer that never ends, but is canceled when the clock is set */
static bool arm(int fd)
{
	struct itimerspec never = { .it_value.tv_sec = INT64_MAX };

	return !timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static int on_clock(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	uint64_t ignored;

	if (read(fd, &ignored, sizeof(ignored)) < 0 && errno == ECANCELED) {
		log_line(LOG_NOTICE, NULL, "The clock was set: every KEK is asked anew");
		lease_hurry(data);
	}
	arm(fd);
	return 0;
}

void jump_watch(struct manager *m)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	int r = fd < 0 || !arm(fd) ? -errno : 0;

	if (!r)
		r = sd_event_add_io(m->event, NULL, fd, EPOLLIN, on_clock, m);
	if (r < 0)
		log_line(LOG_WARNING, NULL, "A restored snapshot will go unnoticed: %s",
			 strerror(-r));
}
