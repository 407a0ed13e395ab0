// SPDX-License-Identifier: GPL-2.0-or-later
/* What a worker cannot do any more once it has given it up. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "worker.h"

/* What each returns is its errno; in a process of its own, whose exit status that is */
static int make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int make_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int run_program(void)
{
	char *const argv[] = { (char *)"true", NULL };

	execv("/bin/true", argv);
	return errno;
}

static int make_process(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0) < 0 ? errno : 0;
}

static int trace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0 ? errno : 0;
}

static int end_parent(void)
{
	return kill(getppid(), 0) < 0 ? errno : 0;
}

static int make_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? errno
		       : 0;
}

static int turn_into_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

static int use_files(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	return fd < 0 || close(fd) < 0 ? errno : 0;
}

static sd_event *event; /* which a worker makes before */
static int pipe_ends[2];

static int on_time(sd_event_source *source, uint64_t usec, void *data)
{
	return write(pipe_ends[1], "", 1) == 1 ? 0 : sd_event_exit(event, errno);
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	char byte;

	return sd_event_exit(event, read(fd, &byte, 1) == 1 ? 0 : errno);
}

/* A timer of each clock that providers have use for, and a descriptor */
static int wait_for_events(void)
{
	int r = sd_event_add_io(event, NULL, pipe_ends[0], EPOLLIN, on_input, NULL);

	if (r >= 0)
		r = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 1000000000, 0, on_time,
					       NULL);
	if (r >= 0)
		r = sd_event_add_time_relative(event, NULL, CLOCK_BOOTTIME, 1000, 0, on_time, NULL);
	if (r >= 0)
		r = sd_event_loop(event);
	return r < 0 ? -r : r;
}

static int make_loop(void)
{
	sd_event *another;

	return -sd_event_new(&another);
}

static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	return signalfd(-1, &set, SFD_CLOEXEC) < 0 ? errno : 0;
}

static int in_sandbox(int (*attempt)(void))
{
	int status;
	pid_t pid = fork();

	/* Not by _exit(), before which a sanitizer would do what is forbidden now */
	if (pid == 0)
		syscall(SYS_exit_group,
			sd_event_new(&event) < 0 || worker_sandbox() < 0 ? 255 : attempt());
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_refused(void **state)
{
	assert_int_equal(in_sandbox(make_socket), EPERM);
	assert_int_equal(in_sandbox(make_unix_socket), EPERM);
	assert_int_equal(in_sandbox(run_program), EPERM);
	assert_int_equal(in_sandbox(make_process), EPERM);
	assert_int_equal(in_sandbox(trace), EPERM);
	assert_int_equal(in_sandbox(end_parent), EPERM);
	assert_int_equal(in_sandbox(make_code), EPERM);
	assert_int_equal(in_sandbox(turn_into_code), EPERM);
	assert_int_equal(in_sandbox(make_loop), EPERM);
	assert_int_equal(in_sandbox(watch_signals), EPERM);
}

static void test_allowed(void **state)
{
	assert_int_equal(in_sandbox(use_files), 0);
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	assert_int_equal(in_sandbox(wait_for_events), 0);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_allowed),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
