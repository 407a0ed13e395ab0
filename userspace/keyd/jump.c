// SPDX-License-Identifier: GPL-2.0-or-later
#include "jump.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <systemd/sd-device.h>
#include <time.h>
#include <unistd.h>

#include "lease.h"
#include "log.h"
#include "manager.h"

static void jumped(struct manager *m, const char *what)
{
	log_line(LOG_NOTICE, NULL, "%s: every KEK is asked anew", what);
	lease_hurry(m);
}

/* A timer that never ends, but is canceled when the clock is set */
static bool arm(int fd)
{
	struct itimerspec never = { .it_value.tv_sec = INT64_MAX };

	return !timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static int on_clock(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	uint64_t ignored;

	if (read(fd, &ignored, sizeof(ignored)) < 0 && errno == ECANCELED)
		jumped(data, "The clock was set");
	arm(fd);
	return 0;
}

static int on_uevent(sd_device_monitor *monitor, sd_device *device, void *data)
{
	const char *value;

	if (sd_device_get_property_value(device, "NEW_VMGENID", &value) >= 0)
		jumped(data, "The machine was restored from a snapshot");
	return 0;
}

static int watch_clock(struct manager *m)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || !arm(fd))
		return -errno;
	return sd_event_add_io(m->event, NULL, fd, EPOLLIN, on_clock, m);
}

static int watch_generation(struct manager *m)
{
	static sd_device_monitor *monitor;
	int r = sd_device_monitor_new(&monitor);

	if (r >= 0)
		r = sd_device_monitor_filter_add_match_subsystem_devtype(monitor, "acpi", NULL);
	if (r >= 0)
		r = sd_device_monitor_filter_add_match_subsystem_devtype(monitor, "platform", NULL);
	if (r >= 0)
		r = sd_device_monitor_attach_event(monitor, m->event);
	if (r >= 0)
		r = sd_device_monitor_start(monitor, on_uevent, m);
	return r;
}

void jump_watch(struct manager *m)
{
	int r = watch_clock(m);

	if (r >= 0)
		r = watch_generation(m);
	if (r < 0)
		log_line(LOG_WARNING, NULL, "A restored snapshot may go unnoticed: %s",
			 strerror(-r));
}
