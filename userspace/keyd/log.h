/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal, never waiting for it. */
#ifndef ENVELOPE_LOG_H
#define ENVELOPE_LOG_H

#include <syslog.h>

/** struct log_subject - what a message is about; members may be NULL */
struct log_subject {
	const char *volume; /* uuid */
	const char *device; /* name of the mapping, or path of the disk */
	const char *kek;
};

/** log_open() - to the journal where it runs, else to standard error */
void log_open(void);

/** log_event() - one line; @subject may be NULL. Never key bytes, never blocks. */
void log_event(int priority, const struct log_subject *subject, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
