// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: failing reload NAME SECTORS TARGET PARAMETERS
 *        failing message NAME TEXT
 *
 * Load a table, or send a message, again and again: each time the next allocation of the
 * kernel fails, until all have. Each failure must be reported or made up for; the kernel's
 * own checks tell whether it was survived.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAIL_NTH     "/proc/thread-self/fail-nth"
#define ATTEMPTS_MAX 5000
#define SERIES_MAX   20

static void fail(const char *what)
{
	fprintf(stderr, "failing: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void quiet(int level, const char *file, int line, int error, const char *format, ...)
{
	(void)level, (void)file, (void)line, (void)error, (void)format;
}

static struct dm_task *make_task(char **argv)
{
	struct dm_task *task;

	if (!strcmp(argv[1], "reload")) {
		task = dm_task_create(DM_DEVICE_RELOAD);
		if (task && dm_task_set_name(task, argv[2]) &&
		    dm_task_add_target(task, 0, strtoull(argv[3], NULL, 10), argv[4], argv[5]))
			return task;
	} else {
		task = dm_task_create(DM_DEVICE_TARGET_MSG);
		if (task && dm_task_set_name(task, argv[2]) && dm_task_set_sector(task, 0) &&
		    dm_task_set_message(task, argv[3]))
			return task;
	}
	fail("device-mapper task");
	return NULL;
}

/* Returns whether the task succeeded; *@failed: whether an allocation was made to fail */
static int attempt(int fd, char **argv, unsigned int nth, int *failed)
{
	struct dm_task *task = make_task(argv);
	char text[16] = "";
	int succeeded;

	snprintf(text, sizeof(text), "%u", nth);
	if (pwrite(fd, text, strlen(text), 0) < 0)
		fail(FAIL_NTH);
	succeeded = dm_task_run(task);
	memset(text, 0, sizeof(text));
	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		fail(FAIL_NTH);
	*failed = nth && !atoi(text);
	if (pwrite(fd, "0", 1, 0) < 0)
		fail(FAIL_NTH);
	dm_task_destroy(task);
	return succeeded;
}

/* Until an attempt needs no more allocations than had failed; returns how many were refused */
static unsigned int fail_in_turn(int fd, char **argv)
{
	unsigned int nth, refused = 0;
	int failed = 1;

	for (nth = 1; failed && nth < ATTEMPTS_MAX; nth++)
		refused += !attempt(fd, argv, nth, &failed);
	if (failed)
		fail("there is no end of allocations");
	printf("%u allocations failed in turn, %u attempts were refused\n", nth - 2, refused);
	return refused;
}

int main(int argc, char **argv)
{
	unsigned int series;
	int fd, failed;

	if (!(argc == 6 && !strcmp(argv[1], "reload")) &&
	    !(argc == 4 && !strcmp(argv[1], "message"))) {
		fprintf(stderr, "usage: failing reload|message NAME …\n");
		return EXIT_FAILURE;
	}
	fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(FAIL_NTH);
	/* The first time all must go well; it also opens what libdevmapper keeps open. */
	if (!attempt(fd, argv, 0, &failed))
		fail("without a failing allocation");

	dm_log_with_errno_init(quiet);
	/*
	 * What a kernel's checkers allocate in between, and do without, may come in the place of
	 * each that matters, where much else goes on.
	 */
	for (series = 0; series < SERIES_MAX; series++)
		if (fail_in_turn(fd, argv))
			return EXIT_SUCCESS;
	return EXIT_FAILURE;
}
