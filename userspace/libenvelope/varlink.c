// SPDX-License-Identifier: GPL-2.0-or-later
#include "varlink.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST_ROOM 4096
#define PASSED_MAX 8 /* descriptors with one message; the kernel closes what goes beyond */

static int make_room(struct varlink_buffer *buffer)
{
	size_t room = buffer->room ? buffer->room * 2 : FIRST_ROOM;
	char *data;

	if (buffer->size < buffer->room)
		return 0;
	if (buffer->size > buffer->limit)
		return -EMSGSIZE;
	if (room > buffer->limit + 1)
		room = buffer->limit + 1;
	if (room <= buffer->size)
		return -EMSGSIZE;
	data = realloc(buffer->data, room);
	if (!data)
		return -ENOMEM;
	buffer->data = data;
	buffer->room = room;
	return 0;
}

/* The last descriptor of a message is kept; whatever else came is closed */
static void keep_passed(struct msghdr *message, int *passed)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			if (*passed >= 0)
				close(*passed);
			memcpy(passed, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		}
	}
}

/* @passed: NULL where none is wanted: then none is taken from the kernel */
static ssize_t receive(int fd, struct varlink_buffer *buffer, int *passed)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	struct iovec iov;
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	int r = make_room(buffer);
	ssize_t n;

	if (r < 0)
		return r;
	iov = (struct iovec) { buffer->data + buffer->size, buffer->room - buffer->size };
	if (passed) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
	}
	do
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (passed)
		keep_passed(&message, passed);
	buffer->size += (size_t)n;
	return n;
}

ssize_t varlink_receive(int fd, struct varlink_buffer *buffer)
{
	return receive(fd, buffer, NULL);
}

ssize_t varlink_receive_passed(int fd, struct varlink_buffer *buffer, int *passed)
{
	return receive(fd, buffer, passed);
}

int varlink_next(struct varlink_buffer *buffer, struct json_object **message)
{
	char *end = buffer->size ? memchr(buffer->data, '\0', buffer->size) : NULL;
	size_t length;

	*message = NULL;
	if (!end)
		return 0;
	length = (size_t)(end - buffer->data);
	*message = envelope_json_parse(buffer->data, length);
	buffer->size -= length + 1;
	memmove(buffer->data, end + 1, buffer->size);
	return *message ? 0 : -EBADMSG;
}

void varlink_buffer_free(struct varlink_buffer *buffer)
{
	free(buffer->data);
	buffer->data = NULL;
	buffer->size = 0;
	buffer->room = 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* As send(), with a descriptor along with the first byte; -1: none */
static ssize_t send_passing(int fd, const char *text, size_t size, int passed)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(passed))] = {};
	struct iovec iov = { (char *)text, size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (passed >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(passed));
		memcpy(CMSG_DATA(header), &passed, sizeof(passed));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int varlink_send(int fd, struct json_object *message, int timeout_ms)
{
	return varlink_send_passing(fd, message, -1, timeout_ms);
}

int varlink_send_passing(int fd, struct json_object *message, int passed, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms; /* however little a reader takes at a time */
	const char *text = json_object_to_json_string_ext(
		message, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t left = strlen(text) + 1; /* the terminator ends the message */

	while (left > 0) {
		struct pollfd wait = { .fd = fd, .events = POLLOUT };
		ssize_t n = send_passing(fd, text, left, passed);

		if (n > 0) {
			passed = -1;
			text += n;
			left -= (size_t)n;
		} else if (errno == EAGAIN) {
			int64_t patience = deadline - now_ms();

			if (poll(&wait, 1, patience > 0 ? (int)patience : 0) == 0)
				return -ETIMEDOUT;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

struct json_object *varlink_call(const char *method, struct json_object *parameters, bool more)
{
	struct json_object *message = json_object_new_object();

	json_object_object_add(message, "method", json_object_new_string(method));
	if (parameters)
		json_object_object_add(message, "parameters", parameters);
	if (more)
		json_object_object_add(message, "more", json_object_new_boolean(true));
	return message;
}

struct json_object *varlink_reply(struct json_object *parameters, bool continues)
{
	struct json_object *message = json_object_new_object();

	json_object_object_add(message, "parameters",
			       parameters ? parameters : json_object_new_object());
	if (continues)
		json_object_object_add(message, "continues", json_object_new_boolean(true));
	return message;
}

struct json_object *varlink_error(const struct envelope_error *e)
{
	struct json_object *message = json_object_new_object();
	struct json_object *parameters = json_object_new_object();
	char name[128];

	snprintf(name, sizeof(name), ENVELOPE_INTERFACE ".%s", envelope_error_name(e->code));
	json_object_object_add(parameters, "message", json_object_new_string(e->message));
	json_object_object_add(parameters, "cure", json_object_new_string(envelope_error_cure(e)));
	json_object_object_add(message, "error", json_object_new_string(name));
	json_object_object_add(message, "parameters", parameters);
	return message;
}

int varlink_reply_error(struct json_object *reply, struct envelope_error *e)
{
	static const char prefix[] = ENVELOPE_INTERFACE ".";
	struct json_object *parameters;
	char name[128];

	if (!json_object_object_get_ex(reply, "error", NULL))
		return 0;
	if (envelope_json_text(reply, "error", name, sizeof(name)) < 0 ||
	    strncmp(name, prefix, strlen(prefix)))
		return envelope_fail(e, ENVELOPE_E_PROTOCOL,
				     "envelope-keyd does not know the request");
	envelope_fail(e, envelope_error_code(name + strlen(prefix)), "%s", name);
	if (e && json_object_object_get_ex(reply, "parameters", &parameters)) {
		envelope_json_text(parameters, "message", e->message, sizeof(e->message));
		envelope_json_text(parameters, "cure", e->cure, sizeof(e->cure));
	}
	return -(int)envelope_error_code(name + strlen(prefix));
}
