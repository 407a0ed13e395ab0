/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What systemd is told, after the start. sd_notify() waits for a systemd that does not read;
 * and that waits, it may be, for the disk that its own program lies on.
 */
#ifndef KEYD_NOTIFY_H
#define KEYD_NOTIFY_H

struct manager;

/** notify() - such as "RELOADING=1"; lost where there is no room */
void notify(const char *text);

/** notify_watchdog() - from now on, as often as systemd wishes; 0 or -errno */
int notify_watchdog(struct manager *m);

#endif
