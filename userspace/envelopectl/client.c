// SPDX-License-Identifier: GPL-2.0-or-later
/* One question to envelope-keyd, and its answers. */
#include <errno.h>
#include <json-c/json_visit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "command.h"
#include "varlink.h"

#define SEND_TIMEOUT_MS 10000

static int no_daemon(const struct context *context, int error, struct envelope_error *e)
{
	if (error == EACCES || error == EPERM)
		return envelope_fail(e, ENVELOPE_E_PERMISSION, "%s: %s", context->socket,
				     strerror(error));
	return envelope_fail(e, ENVELOPE_E_NO_DAEMON, "envelope-keyd does not answer at %s: %s",
			     context->socket, strerror(error));
}

static int connect_to_daemon(const struct context *context, struct envelope_error *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(context->socket) >= sizeof(address.sun_path))
		return envelope_fail(e, ENVELOPE_E_USAGE, "%s: too long for a socket",
				     context->socket);
	strcpy(address.sun_path, context->socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return no_daemon(context, error, e);
	}
	return fd;
}

static int next_reply(int fd, struct varlink_buffer *buffer, struct json_object **reply,
		      struct envelope_error *e)
{
	for (;;) {
		int r = varlink_next(buffer, reply);
		ssize_t n;

		if (r < 0)
			return envelope_fail(e, ENVELOPE_E_PROTOCOL,
					     "envelope-keyd sent what is no message");
		if (*reply)
			return 0;
		n = varlink_receive(fd, buffer);
		if (n == 0)
			return envelope_fail(e, ENVELOPE_E_NO_DAEMON,
					     "envelope-keyd hung up before it answered");
		if (n == -EMSGSIZE)
			return envelope_fail(e, ENVELOPE_E_PROTOCOL,
					     "envelope-keyd sent a message without an end");
		if (n < 0)
			return envelope_fail(e, ENVELOPE_E_NO_DAEMON, "envelope-keyd: %s",
					     strerror((int)-n));
	}
}

static void show_step(const struct context *context, struct json_object *parameters)
{
	if (context->verbose || (!context->json && isatty(STDERR_FILENO)))
		fprintf(stderr, "%s …\n", member(parameters, "step"));
}

/* Nothing that a disk says may command a terminal: C0, DEL, and C1 as UTF-8 has it */
static void make_printable(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
}

static int make_member_printable(struct json_object *object, int flags, struct json_object *parent,
				 const char *key, size_t *index, void *data)
{
	char *text;

	if (!json_object_is_type(object, json_type_string))
		return JSON_C_VISIT_RETURN_CONTINUE;
	text = strdup(json_object_get_string(object));
	if (!text)
		return JSON_C_VISIT_RETURN_ERROR;
	make_printable(text);
	json_object_set_string(object, text);
	free(text);
	return JSON_C_VISIT_RETURN_CONTINUE;
}

static int read_replies(const struct context *context, int fd, struct json_object **result,
			struct envelope_error *e)
{
	struct varlink_buffer buffer = { .limit = ENVELOPE_REPLY_MAX };
	struct json_object *reply, *parameters;
	bool more = true;
	int r = 0;

	while (r == 0 && more) {
		r = next_reply(fd, &buffer, &reply, e);
		if (r < 0)
			break;
		if (json_c_visit(reply, 0, make_member_printable, NULL) < 0)
			r = envelope_fail(e, ENVELOPE_E_FAILED, "out of memory");
		else
			r = varlink_reply_error(reply, e);
		more = member_true(reply, "continues");
		parameters = NULL;
		json_object_object_get_ex(reply, "parameters", &parameters);
		if (r == 0 && more)
			show_step(context, parameters);
		else if (r == 0)
			*result = json_object_get(parameters);
		json_object_put(reply);
	}
	varlink_buffer_free(&buffer);
	return r;
}

int client_call(const struct context *context, const char *method, struct json_object *parameters,
		struct json_object **result, struct envelope_error *e)
{
	return client_call_passing(context, method, parameters, -1, result, e);
}

int client_call_passing(const struct context *context, const char *method,
			struct json_object *parameters, int passed, struct json_object **result,
			struct envelope_error *e)
{
	_cleanup_json_ struct json_object *call = NULL;
	char name[64];
	int fd, r;

	snprintf(name, sizeof(name), ENVELOPE_INTERFACE ".%s", method);
	call = varlink_call(name, json_object_get(parameters), true);
	fd = connect_to_daemon(context, e);
	if (fd < 0)
		return fd;
	r = varlink_send_passing(fd, call, passed, SEND_TIMEOUT_MS);
	r = r < 0 ? no_daemon(context, -r, e) : read_replies(context, fd, result, e);
	close(fd);
	return r;
}
