// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: juggle NAME MAJOR:MINOR DISK FIRST SECTOR_SIZE SECONDS|COUNTx [ACTION…]
 *
 * Make the device NAME, of SECTORS from FIRST on of DISK; then do with it, while others read and
 * write, one ACTION after another: for SECONDS, and each once at least; or COUNT in all. Before
 * each but meddle the device must have been asked for some more reads and writes, or else it hangs.
 *
 * What its tables have counted is added to COUNTS, which has their statuses. With NO_FREEZE in the
 * environment no suspend freezes the file system on the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/keyctl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define COUNTS	   "/tmp/counts"
#define SECTORS	   65536
#define BIOS	   8   /* between two actions, at least */
#define PATIENCE_S 600 /* for these: on a machine that has other things to do, minutes pass */
#define AGAIN	   8   /* what is soon done */
#define KEY	   "key set :64:logon:t:"
#define CHECK	   "key_check:1d7356ef71da54d4" /* see lib.sh */
#define RIGHT	   "smoke test key, 64 bytes of it, known to all and good for none.."

static const char *name, *disk, *first, *sector_size;
static int major_number, minor_number;

static void quiet(int level, const char *file, int line, int error, const char *format, ...)
{
	(void)level, (void)file, (void)line, (void)error, (void)format;
}

static struct dm_task *task_of(int type)
{
	struct dm_task *task = dm_task_create(type);

	if (!task || !dm_task_set_name(task, name))
		abort();
	return task;
}

static bool run(struct dm_task *task)
{
	bool good = dm_task_run(task);

	dm_task_destroy(task);
	return good;
}

static bool send_message(const char *text);

/* Nobody is left waiting for a device that stays suspended, or without a key. */
__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list arguments;

	printf("juggle: %s: ", name);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	run(task_of(DM_DEVICE_RESUME));
	send_message("on_key_loss error");
	exit(EXIT_FAILURE);
}

static void must(bool good, const char *what)
{
	if (!good)
		fail("%s", what);
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* The options, in a table that has these two: how many there are, all told, and which */
static void add_table(struct dm_task *task, const char *key, const char *options)
{
	char line[256];

	snprintf(line, sizeof(line), "aes-xts-plain64 :64:logon:t:%s 0 %s %s %s sector_size:%s %s",
		 key, disk, first, options, sector_size, CHECK);
	must(dm_task_add_target(task, 0, SECTORS, "envelope", line), "a table line");
}

/* The number stays the same, so that whoever opens the node never gets another device. */
static bool try_to_create(void)
{
	struct dm_task *task = task_of(DM_DEVICE_CREATE);

	must(dm_task_set_major_minor(task, major_number, minor_number, 1), "its number");
	add_table(task, "right", "3 allow_discards");
	return run(task);
}

/* It may take a while after the device was removed until its number is free. */
static void create(void)
{
	long long limit = now() + PATIENCE_S;

	dm_log_with_errno_init(quiet);
	while (!try_to_create()) {
		must(now() < limit, "create");
		usleep(1000);
	}
	dm_log_with_errno_init(NULL);
	must(dm_mknodes(name), "mknodes");
}

static void reload(const char *key, const char *options)
{
	struct dm_task *task = task_of(DM_DEVICE_RELOAD);

	add_table(task, key, options);
	must(run(task), "reload");
}

static void suspend(bool flush, bool lockfs)
{
	struct dm_task *task = task_of(DM_DEVICE_SUSPEND);

	lockfs = lockfs && !getenv("NO_FREEZE");
	must((flush || dm_task_no_flush(task)) && (lockfs || dm_task_skip_lockfs(task)) &&
		     run(task),
	     "suspend");
}

static void resume(void)
{
	must(run(task_of(DM_DEVICE_RESUME)), "resume");
}

static bool send_message(const char *text)
{
	struct dm_task *task = task_of(DM_DEVICE_TARGET_MSG);

	must(dm_task_set_sector(task, 0) && dm_task_set_message(task, text), "a message");
	return run(task);
}

/* DM_DEVICE_STATUS or DM_DEVICE_TABLE; empty where the device, or its table, is gone */
static void ask(int type, char *text, size_t size)
{
	struct dm_task *task = task_of(type);
	uint64_t start, length;
	char *target, *line = NULL;

	if (dm_task_run(task))
		dm_get_next_target(task, NULL, &start, &length, &target, &line);
	snprintf(text, size, "%s", line ?: "");
	dm_task_destroy(task);
}

static unsigned long long count_of(const char *status, const char *what)
{
	const char *at = strstr(status, what);

	return at ? strtoull(at + strlen(what), NULL, 10) : 0;
}

static unsigned long long bios(void)
{
	char status[512];

	ask(DM_DEVICE_STATUS, status, sizeof(status));
	return count_of(status, " reads:") + count_of(status, " writes:");
}

static void wait_until_busy(void)
{
	unsigned long long begin = bios();
	long long limit = now() + PATIENCE_S;

	while (bios() < begin + BIOS) {
		must(now() < limit, "nothing is read or written");
		usleep(1000);
	}
}

/* Counts go with their table. */
static void keep_counts(void)
{
	int file = open(COUNTS, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	char status[512];

	ask(DM_DEVICE_STATUS, status, sizeof(status) - 1);
	strcat(status, "\n");
	must(file >= 0 && write(file, status, strlen(status)) == (ssize_t)strlen(status), COUNTS);
	close(file);
}

static void pause_it(void)
{
	suspend(true, true);
	resume();
}

static void pause_without_flush(void)
{
	suspend(false, false);
	resume();
}

static void swap_to(bool flush, const char *key, const char *options)
{
	reload(key, options);
	suspend(flush, flush);
	keep_counts();
	resume();
}

static void swap(void)
{
	swap_to(true, "right2", "4 lease:600 on_key_loss:queue");
	wait_until_busy();
	swap_to(false, "right", "3 allow_discards");
}

static void change_key(void)
{
	unsigned int i;

	must(!send_message(KEY "wrong"), "a wrong key is taken");
	for (i = 0; i < AGAIN; i++)
		must(send_message(i % 2 ? KEY "right" : KEY "right2"), "key set");
}

/* A key of this device alone: when it is wiped it is gone from the keyring too. */
static void set_own_key(void)
{
	char description[64], message[128];

	snprintf(description, sizeof(description), "t:%s", name);
	must(syscall(SYS_add_key, "logon", description, RIGHT, strlen(RIGHT),
		     KEY_SPEC_USER_KEYRING) >= 0,
	     "add_key");
	snprintf(message, sizeof(message), KEY "%s", name);
	must(send_message(message), "key set");
}

static void wipe_key(void)
{
	suspend(false, false);
	set_own_key();
	must(send_message("key wipe"), "key wipe");
	must(send_message(KEY "right"), "key set after key wipe");
	resume();
}

static unsigned long long counted(const char *what)
{
	char status[512];

	ask(DM_DEVICE_STATUS, status, sizeof(status));
	return count_of(status, what);
}

/* While it is at work: what meets no key waits for one. */
static void take_key_away(void)
{
	long long limit = now() + PATIENCE_S;

	must(send_message("on_key_loss queue"), "on_key_loss");
	set_own_key();
	must(send_message("key wipe"), "key wipe");
	while (!counted(" held:")) {
		must(now() < limit, "nothing is held");
		usleep(1000);
	}
	must(send_message(KEY "right"), "key set after key wipe");
}

/* The same, but what meets no key fails. */
static void lose_key(void)
{
	long long limit = now() + PATIENCE_S;
	unsigned long long before;

	must(send_message("on_key_loss error"), "on_key_loss");
	set_own_key();
	must(send_message("key wipe"), "key wipe");
	before = counted(" errors:");
	while (counted(" errors:") == before) {
		must(now() < limit, "nothing fails");
		usleep(1000);
	}
	must(send_message(KEY "right"), "key set after key wipe");
}

/* What may come at any time, also while another juggles with the device */
static void meddle(void)
{
	char text[512];
	unsigned int i;

	dm_log_with_errno_init(quiet);
	for (i = 0; i < AGAIN; i++) {
		ask(DM_DEVICE_STATUS, text, sizeof(text));
		send_message(KEY "right2");
		ask(DM_DEVICE_TABLE, text, sizeof(text));
		send_message("lease renew");
		send_message(i % 2 ? "on_key_loss error" : "on_key_loss queue");
	}
}

static bool exists(void)
{
	struct dm_task *task = task_of(DM_DEVICE_INFO);
	struct dm_info info;

	must(dm_task_run(task) && dm_task_get_info(task, &info), "info");
	dm_task_destroy(task);
	return info.exists;
}

/* Who has it open closes it now and then. */
static void remove_and_create(void)
{
	struct dm_task *task = task_of(DM_DEVICE_REMOVE);
	long long limit = now() + PATIENCE_S;

	keep_counts();
	must(dm_task_deferred_remove(task) && run(task), "remove");
	while (exists()) {
		must(now() < limit, "it is kept open");
		usleep(1000);
	}
	create();
}

/* As dmsetup remove --force begins: what is under way fails, and what comes until it is back. */
static void take_table_away(void)
{
	struct dm_task *task = task_of(DM_DEVICE_RELOAD);

	must(dm_task_add_target(task, 0, SECTORS, "error", "") && run(task), "reload an error");
	suspend(false, false);
	keep_counts();
	resume();
	reload("right", "3 allow_discards");
	pause_without_flush();
}

/* Every allocation of a load, or of a key set, fails once. */
static void failing_load(void)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "failing reload %s %d envelope 'aes-xts-plain64 :64:logon:t:right2 0 %s %s 2 "
		 "sector_size:%s %s'",
		 name, SECTORS, disk, first, sector_size, CHECK);
	must(!system(command), "failing reload");
	suspend(true, true);
	keep_counts();
	resume();
}

static void failing_key(void)
{
	char command[512];

	snprintf(command, sizeof(command), "failing message %s '%s'", name, KEY "right");
	must(!system(command), "failing message");
}

static const struct {
	const char *name;
	void (*run)(void);
} actions[] = {
	{ "pause", pause_it },
	{ "pause-without-flush", pause_without_flush },
	{ "swap", swap },
	{ "change-key", change_key },
	{ "wipe-key", wipe_key },
	{ "take-key-away", take_key_away },
	{ "lose-key", lose_key },
	{ "meddle", meddle },
	{ "remove", remove_and_create },
	{ "take-table-away", take_table_away },
	{ "failing-load", failing_load },
	{ "failing-key", failing_key },
};

static void act(const char *action)
{
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (strcmp(actions[i].name, action) != 0)
			continue;
		actions[i].run();
		return;
	}
	fail("no action %s", action);
}

int main(int argc, char **argv)
{
	unsigned long long done = 0, least;
	long long end;
	char *unit;

	if (argc < 7 || sscanf(argv[2], "%d:%d", &major_number, &minor_number) != 2) {
		fprintf(stderr,
			"usage: juggle NAME MAJOR:MINOR DISK FIRST SECTOR_SIZE SECONDS|COUNTx "
			"[ACTION…]\n");
		return 2;
	}
	name = argv[1];
	disk = argv[3];
	first = argv[4];
	sector_size = argv[5];
	least = strtoull(argv[6], &unit, 10);
	end = *unit == 'x' ? 0 : now() + (long long)least;
	if (*unit != 'x')
		least = (unsigned int)argc - 7;
	dm_udev_set_sync_support(0);
	if (!exists())
		create();
	for (; argc > 7 && (now() < end || done < least); done++) {
		const char *action = argv[7 + done % (unsigned int)(argc - 7)];

		if (strcmp(action, "meddle"))
			wait_until_busy();
		act(action);
	}
	printf("juggle: %s: %llu times\n", name, done);
	return EXIT_SUCCESS;
}
