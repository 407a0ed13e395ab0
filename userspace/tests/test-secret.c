// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "secret.h"

/* Under the address sanitizer mlock(2) does nothing */
#ifdef __SANITIZE_ADDRESS__
#define LOCKS 0
#else
#define LOCKS 1
#endif

static long locked_kib(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[128];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "VmLck: %ld kB", &kib);
	fclose(file);
	return kib;
}

static void test_locked(void **state)
{
	long before = locked_kib();
	uint8_t *secret = envelope_secret_alloc(5000);

	assert_non_null(secret);
	assert_int_equal(locked_kib() - before, LOCKS ? 8 : 0);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(secret[i], 0);
	memset(secret, 0xaa, 5000);
	envelope_secret_free(secret);
	assert_int_equal(locked_kib(), before);
	envelope_secret_free(NULL);
	assert_null(envelope_secret_alloc(0));
	assert_null(envelope_secret_alloc((1 << 20) + 1));
}

/* Run in a child: does it see the byte? */
static int seen_by_child(uint8_t *secret, uint8_t value)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(*secret == value);
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void test_fork(void **state)
{
	uint8_t *own = envelope_secret_alloc(32), *shared = envelope_secret_alloc_shared(32);

	*own = *shared = 0x55;
	assert_int_equal(seen_by_child(own, 0x55), 0);
	assert_int_equal(seen_by_child(own, 0), 1);
	assert_int_equal(seen_by_child(shared, 0x55), 1);
	envelope_secret_free(own);
	envelope_secret_free(shared);
}

static void test_no_lock_no_memory(void **state)
{
	pid_t pid;
	int status;

	if (!LOCKS)
		return;
	pid = fork();
	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		/* root may lock whatever the limit says */
		if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || (getuid() == 0 && setuid(65534) < 0))
			_exit(2);
		_exit(envelope_secret_alloc(32) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_wipe_equal(void **state)
{
	uint8_t a[16], b[16];

	memset(a, 1, sizeof(a));
	memset(b, 1, sizeof(b));
	assert_true(envelope_secret_equal(a, b, 16));
	b[15] = 2;
	assert_false(envelope_secret_equal(a, b, 16));
	envelope_secret_wipe(a, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		assert_int_equal(a[i], 0);
}

static void test_pool(void **state)
{
	size_t size = 2 * sysconf(_SC_PAGESIZE);
	uint8_t *pool = envelope_secret_alloc_shared(size), *first, *second, *third;

	envelope_secret_pool(pool, size);
	first = envelope_secret_alloc(32);
	second = envelope_secret_alloc(64);
	third = envelope_secret_alloc(64);
	assert_ptr_equal(first, pool);
	assert_ptr_equal(second, pool + size / 2);
	assert_true(third + 64 <= pool || third >= pool + size);
	memset(first, 0x55, 32);
	envelope_secret_free(first);
	assert_int_equal(*pool, 0);
	assert_ptr_equal(envelope_secret_alloc(32), pool);
	envelope_secret_free(third);
	envelope_secret_free(second);
	envelope_secret_pool(NULL, 0);
	envelope_secret_free(pool);
}

#define DEEP (32 << 10)

/* Return: where on the stack it left them */
static __attribute__((noinline)) const uint8_t *leave_tracks(void)
{
	uint8_t stack[DEEP], *tracks = stack;

	memset(stack, 0xa5, sizeof(stack));
	asm volatile("" : "+r"(tracks) : : "memory"); /* which the compiler would not allow */
	return tracks;
}

static size_t tracks_left(const uint8_t *tracks)
{
	size_t n = 0;

	for (size_t i = 0; i < DEEP; i++)
		n += ((const volatile uint8_t *)tracks)[i] == 0xa5;
	return n;
}

static void test_tracks(void **state)
{
	const uint8_t *tracks = leave_tracks();

	assert_in_range(tracks_left(tracks), DEEP / 2, DEEP);
	envelope_secret_clear_tracks();
	assert_in_range(tracks_left(tracks), 0, 64);
}

static void test_harden(void **state)
{
	struct rlimit core;

	assert_int_equal(envelope_secret_harden_process(), 0);
	assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
	assert_int_equal(core.rlim_max, 0);
	assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locked),	   cmocka_unit_test(test_fork),
		cmocka_unit_test(test_wipe_equal), cmocka_unit_test(test_no_lock_no_memory),
		cmocka_unit_test(test_pool),	   cmocka_unit_test(test_tracks),
		cmocka_unit_test(test_harden),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
