// SPDX-License-Identifier: GPL-2.0-or-later
#include "jump.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "health.h"
#include "lease.h"
#include "log.h"
#include "manager.h"

/* Events come in crowds, when many devices are fenced: one look is enough, within this time */
#define CROWD (SECOND / 5)

static void not_watched(int r)
{
	log_line(LOG_WARNING, NULL, "A restored snapshot may go unnoticed: %s", strerror(-r));
}

/* µs from one clock to another, which is the same until either is set, or the machine sleeps */
static int64_t between(clockid_t first, clockid_t second)
{
	struct timespec a, b;

	clock_gettime(first, &a);
	clock_gettime(second, &b);
	return (b.tv_sec - a.tv_sec) * (int64_t)SECOND + (b.tv_nsec - a.tv_nsec) / 1000;
}

/* Did the machine sleep since it was asked last? That sets the clock on the wall as well */
static bool has_slept(void)
{
	static int64_t asleep;
	int64_t now = between(CLOCK_MONOTONIC, CLOCK_BOOTTIME);
	bool more = now > asleep + (int64_t)SECOND / 10;

	asleep = now;
	return more;
}

/* And was it set by anybody else? */
static bool is_set(void)
{
	static int64_t difference;
	int64_t now = between(CLOCK_BOOTTIME, CLOCK_REALTIME);
	bool other = llabs(now - difference) > (int64_t)SECOND / 100;

	difference = now;
	return other;
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

	if (read(fd, &ignored, sizeof(ignored)) < 0 && errno == ECANCELED) {
		if (has_slept()) {
			log_line(LOG_NOTICE, NULL,
				 "The machine has slept: every KEK is asked anew");
			health_check_all(data);
		}
		if (is_set()) {
			log_line(LOG_NOTICE, NULL, "The clock was set: every KEK is asked anew");
			lease_hurry(data);
		}
	}
	arm(fd);
	return 0;
}

void jump_watch(struct manager *m)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	int r = fd < 0 || !arm(fd) ? -errno : 0;

	has_slept(); /* and when it was set: that is no news */
	is_set();
	/* Nor what the kernel has known for longer: nothing was asked yet */
	m->restored = manager_now() / SECOND - 1;
	if (!r)
		r = sd_event_add_io(m->event, NULL, fd, EPOLLIN, on_clock, m);
	if (r < 0)
		not_watched(r);
}

/* The target says of all devices alike when the machine was restored last */
static int look(sd_event_source *source, uint64_t usec, void *data)
{
	struct manager *m = data;
	struct table_status status;
	const struct device *device;

	m->jump_timer = sd_event_source_disable_unref(m->jump_timer);
	LIST_FOREACH(device, &m->devices, link)
	{
		if (device_status(device->name, &status, NULL))
			continue;
		if (status.restored <= m->restored)
			return 0;
		m->restored = status.restored;
		log_line(LOG_NOTICE, NULL,
			 "This machine was restored from a snapshot: every KEK is asked anew");
		lease_hurry(m);
		return 0;
	}
	return 0;
}

/* The next event of any device makes it readable */
static bool arm_control(int fd)
{
	struct dm_ioctl request = {
		.version = { DM_VERSION_MAJOR },
		.data_size = sizeof(request),
	};

	return !ioctl(fd, DM_DEV_ARM_POLL, &request);
}

static int on_device_mapper(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct manager *m = data;

	arm_control(fd);
	if (!m->jump_timer)
		manager_timer(m, &m->jump_timer, CROWD, look, m);
	return 0;
}

void jump_watch_devices(struct manager *m)
{
	int fd, r;

	if (m->watches_devices)
		return;
	m->watches_devices = true;
	fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	r = fd < 0 || !arm_control(fd) ? -errno : 0;
	if (!r)
		r = sd_event_add_io(m->event, NULL, fd, EPOLLIN, on_device_mapper, m);
	if (r < 0)
		not_watched(r);
}
