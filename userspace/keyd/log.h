/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line of log at a time, with fields, to the journal; to standard error where
 * that is not the journal. Never waits: a line that would block is dropped, because
 * the journal may lie on a disk that waits for us.
 */
#ifndef KEYD_LOG_H
#define KEYD_LOG_H

#include <syslog.h>

/* What a line is about: each may be NULL */
struct log_fields {
	const char *id; /* MESSAGE_ID */
	const char *volume;
	const char *device;
	const char *kek;
	const char *identity; /* who asked, as in keks.d */
	const char *unit;     /* in which unit; NULL or empty: in none */
};

#define LOG_ID_OPENED	 "0225a3a3988c4589b774ade1ce7823ec"
#define LOG_ID_CLOSED	 "3c5809d3dcfe45ba8854f4dfb579201c"
#define LOG_ID_FORMATTED "da93b9709011461ea1cb65279f5b2687"
#define LOG_ID_REWRAPPED "00b3149882e64bd298f35d536b9736b8"
#define LOG_ID_ERASED	 "121e7361785846c5a9d30c99f1b572ca"
#define LOG_ID_ADOPTED	 "b0b2eccb9e4e4cc89f771922596b04ff"
#define LOG_ID_RELEASED	 "848e7d0803e24b5ba9cf5fe2a6a0dd7c"
#define LOG_ID_CLONE	 "59fdfbe0050c4156a9c2d0e7640b0313"
#define LOG_ID_TAKEN	 "de23cd4552374e8facf437668f2b5cb3"
#define LOG_ID_REFUSED	 "7221d9455334428792cb42bb05f03a4e"
#define LOG_ID_WORKER	 "a11fcdd4845b4040a538a64e679f9c34"
#define LOG_ID_LOCKED	 "8068fdf3c1834c12bf395119333dce9a"
#define LOG_ID_HEALTH	 "4862e44b4dfd4d6aae24bba1a48fd755"
#define LOG_ID_LEASE	 "df27a7d3d2094c998dd0bf5c504f95ce"
#define LOG_ID_SET	 "c1f0a6d3b5f9476c8f0f2b8a4c7e9d15"
#define LOG_ID_SLOT	 "5d0f8e8f8a1c4b6f9f1e6a55c9d3b0c7"
#define LOG_ID_KEK	 "3e4e02fc61e94e29982d99fa156daaea"
#define LOG_ID_ACCESS	 "6fd5207c9fa74bbfbdb2fb8a4b3457e3"

/** log_open() - once, at the start */
void log_open(void);

/** log_fd() - the descriptor that a forked process must keep; -1: none */
int log_fd(void);

/** log_line() - @fields may be NULL; @fmt has no newline */
void log_line(int priority, const struct log_fields *fields, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
