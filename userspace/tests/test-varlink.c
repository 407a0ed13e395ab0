// SPDX-License-Identifier: GPL-2.0-or-later
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "varlink.h"

static int pair[2];

static int set_up(void **state)
{
	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}

static int tear_down(void **state)
{
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void test_messages(void **state)
{
	struct varlink_buffer buffer = { .limit = 1000 };
	struct json_object *call = varlink_call("io.envelope.Keyd.Status", NULL, true), *message;
	struct envelope_error e = { 0 };

	assert_int_equal(varlink_send(pair[0], call, 1000), 0);
	assert_int_equal(varlink_send(pair[0], call, 1000), 0);
	assert_true(varlink_receive(pair[1], &buffer) > 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(varlink_next(&buffer, &message), 0);
		assert_true(json_object_equal(message, call));
		assert_int_equal(varlink_reply_error(message, &e), 0);
		json_object_put(message);
	}
	assert_int_equal(varlink_next(&buffer, &message), 0);
	assert_null(message);
	json_object_put(call);
	varlink_buffer_free(&buffer);
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* One descriptor comes with a message; where more do, or none is wanted, none stays open */
static void test_passed(void **state)
{
	struct varlink_buffer buffer = { .limit = 1000 };
	struct json_object *call = varlink_call("io.envelope.Keyd.Open", NULL, true), *message;
	int ends[2], passed = -1;
	size_t before;
	char byte;

	assert_int_equal(pipe(ends), 0);
	before = open_descriptors();
	assert_int_equal(varlink_send_passing(pair[0], call, ends[0], 1000), 0);
	assert_true(varlink_receive_passed(pair[1], &buffer, &passed) > 0);
	assert_int_equal(varlink_next(&buffer, &message), 0);
	json_object_put(message);
	assert_true(passed >= 0 && (fcntl(passed, F_GETFD) & FD_CLOEXEC));
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(read(passed, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(varlink_send_passing(pair[0], call, ends[1], 1000), 0);
	assert_true(varlink_receive_passed(pair[1], &buffer, &passed) > 0);
	assert_int_equal(open_descriptors(), before + 1);
	assert_int_equal(write(passed, "y", 1), 1);
	close(passed);
	assert_int_equal(varlink_send_passing(pair[0], call, ends[1], 1000), 0);
	assert_true(varlink_receive(pair[1], &buffer) > 0);
	assert_int_equal(open_descriptors(), before);
	json_object_put(call);
	varlink_buffer_free(&buffer);
	close(ends[0]);
	close(ends[1]);
}

static void test_split(void **state)
{
	struct varlink_buffer buffer = { .limit = 1000 };
	struct json_object *message;
	const char text[] = "{\"method\":\"x\"}";

	for (size_t i = 0; i < sizeof(text); i++) {
		assert_int_equal(varlink_next(&buffer, &message), 0);
		assert_null(message);
		assert_int_equal(send(pair[0], text + i, 1, 0), 1);
		assert_int_equal(varlink_receive(pair[1], &buffer), 1);
	}
	assert_int_equal(varlink_next(&buffer, &message), 0);
	assert_non_null(message);
	json_object_put(message);
	close(pair[0]);
	assert_int_equal(varlink_receive(pair[1], &buffer), 0);
	pair[0] = dup(0);
	varlink_buffer_free(&buffer);
}

static void test_limits(void **state)
{
	struct varlink_buffer buffer = { .limit = 100 };
	struct json_object *message;
	char text[101];
	ssize_t n = 0;

	memset(text, ' ', sizeof(text));
	assert_int_equal(send(pair[0], text, sizeof(text), 0), sizeof(text));
	while (n >= 0)
		n = varlink_receive(pair[1], &buffer);
	assert_int_equal(n, -EMSGSIZE);
	varlink_buffer_free(&buffer);

	buffer.limit = 1000;
	assert_int_equal(send(pair[0], "nonsense", 9, 0), 9);
	assert_int_equal(varlink_receive(pair[1], &buffer), 9);
	assert_int_equal(varlink_next(&buffer, &message), -EBADMSG);
	assert_null(message);
	varlink_buffer_free(&buffer);
}

static void test_errors(void **state)
{
	struct envelope_error e = { 0 }, back;
	struct json_object *reply;

	for (enum envelope_code code = 1; code < ENVELOPE_CODES; code++) {
		envelope_fail(&e, code, "disk %d", 7);
		reply = varlink_error(&e);
		memset(&back, 0, sizeof(back));
		assert_int_equal(varlink_reply_error(reply, &back), -(int)code);
		assert_int_equal(back.code, code);
		assert_string_equal(back.message, "disk 7");
		assert_string_equal(back.cure, envelope_error_cure(&e));
		json_object_put(reply);
	}
	reply = json_tokener_parse("{\"error\":\"org.varlink.service.MethodNotFound\"}");
	assert_int_equal(varlink_reply_error(reply, &back), -ENVELOPE_E_PROTOCOL);
	json_object_put(reply);
}

/* A client that does not read holds nobody up for longer than it may */
static void test_slow_reader(void **state)
{
	struct json_object *message = json_object_new_object();
	int size = 4096;
	char *large = calloc(1, 1 << 20);

	memset(large, 'x', (1 << 20) - 1);
	json_object_object_add(message, "x", json_object_new_string(large));
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	assert_int_equal(varlink_send(pair[0], message, 10), -ETIMEDOUT);
	json_object_put(message);
	free(large);
}

/* Nor does one that reads a little at a time */
static void test_dribbling_reader(void **state)
{
	struct json_object *message = json_object_new_object();
	char *large = calloc(1, 1 << 20), little[1024];
	int size = 4096, r;
	pid_t pid;

	memset(large, 'x', (1 << 20) - 1);
	json_object_object_add(message, "x", json_object_new_string(large));
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		while (poll(NULL, 0, 5) == 0 && read(pair[1], little, sizeof(little)) > 0)
			;
		_exit(0);
	}
	r = varlink_send(pair[0], message, 200);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(r, -ETIMEDOUT);
	json_object_put(message);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_messages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_passed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_split, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slow_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dribbling_reader, set_up, tear_down),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests_name("varlink", tests, NULL, NULL);
}
