// SPDX-License-Identifier: GPL-2.0-or-later
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "interface.h"
#include "log.h"
#include "manager.h"
#include "op.h"
#include "rights.h"
#include "session.h"
#include "varlink.h"

struct client {
	LIST_ENTRY(client) link;
	struct manager *manager;
	int fd;
	struct identity who;
	bool busy;   /* a session works for it */
	bool broken; /* to be let go at the next opportunity */
	sd_event_source *io, *idle, *next;
	struct varlink_buffer buffer;
	int passed; /* a descriptor that came with a message; -1: none */
};

static void handle_messages(struct client *client);

static void drop_passed(struct client *client)
{
	if (client->passed >= 0)
		close(client->passed);
	client->passed = -1;
}

static void client_free(struct client *client)
{
	sd_event_source_disable_unref(client->io);
	sd_event_source_disable_unref(client->idle);
	sd_event_source_disable_unref(client->next);
	varlink_buffer_free(&client->buffer);
	drop_passed(client);
	close(client->fd);
	LIST_REMOVE(client, link);
	client->manager->n_clients--;
	free(client);
}

const struct identity *server_identity(const struct client *client)
{
	return &client->who;
}

static bool is_root(const struct client *client)
{
	return client->who.uid == 0;
}

int server_fd(const struct client *client)
{
	return client->fd;
}

int server_passed(const struct client *client)
{
	return client->passed;
}

/* A client that leaves no room for an answer is not waited for */
static void send_message(struct client *client, struct json_object *message)
{
	if (!message || varlink_send(client->fd, message, 0) < 0)
		client->broken = true;
	json_object_put(message);
}

void server_send_error(struct client *client, const struct envelope_error *e)
{
	send_message(client, varlink_error(e));
}

static int on_idle(sd_event_source *source, uint64_t usec, void *data)
{
	client_free(data);
	return 0;
}

static void wait_for_client(struct client *client)
{
	sd_event_source_set_enabled(client->io, SD_EVENT_ON);
	manager_timer(client->manager, &client->idle, CLIENT_IDLE_S * SECOND, on_idle, client);
}

static int on_next(sd_event_source *source, uint64_t usec, void *data)
{
	struct client *client = data;

	client->next = sd_event_source_disable_unref(client->next);
	handle_messages(client);
	return 0;
}

void server_session_done(struct client *client)
{
	client->busy = false;
	/* From the loop, because whoever calls may not be done with the client */
	manager_timer(client->manager, &client->next, 0, on_next, client);
}

static struct json_object *service_error(const char *name, const char *member, const char *value)
{
	struct json_object *message = json_object_new_object();
	struct json_object *parameters = json_object_new_object();
	char error[64];

	snprintf(error, sizeof(error), "org.varlink.service.%s", name);
	op_add_text(parameters, member, value);
	op_add_text(message, "error", error);
	json_object_object_add(message, "parameters", parameters);
	return message;
}

static void get_info(struct client *client)
{
	struct json_object *info = json_object_new_object();
	struct json_object *interfaces = json_object_new_array();

	json_object_array_add(interfaces, json_object_new_string("org.varlink.service"));
	json_object_array_add(interfaces, json_object_new_string(ENVELOPE_INTERFACE));
	op_add_text(info, "vendor", "dm-envelope");
	op_add_text(info, "product", "envelope-keyd");
	op_add_text(info, "version", ENVELOPE_VERSION);
	op_add_text(info, "url", "");
	json_object_object_add(info, "interfaces", interfaces);
	send_message(client, varlink_reply(info, false));
}

static void get_description(struct client *client, struct json_object *parameters)
{
	struct json_object *description;
	char name[64] = "";

	if (!parameters || envelope_json_text(parameters, "interface", name, sizeof(name)))
		return send_message(client,
				    service_error("InvalidParameter", "parameter", "interface"));
	if (strcmp(name, ENVELOPE_INTERFACE))
		return send_message(client, service_error("InterfaceNotFound", "interface", name));
	description = json_object_new_object();
	op_add_text(description, "description", interface_text);
	send_message(client, varlink_reply(description, false));
}

static int permitted(const struct client *client, const struct method *method,
		     struct envelope_error *e)
{
	unsigned int rights = method->rights;

	/* Of a right on a KEK, the KEK that is asked for decides */
	if (is_root(client) || rights & (RIGHT_USE | RIGHT_ADMINISTER) ||
	    (rights & RIGHT_GROUP && identity_in_group(&client->who, client->manager->gid)))
		return 0;
	rights_refused(method, &client->who);
	return envelope_fail(e, ENVELOPE_E_PERMISSION, "%s is for root%s", method->name,
			     rights ? " and members of the group of envelope-keyd" : "");
}

static void start_method(struct client *client, const char *name, struct json_object *parameters,
			 bool more)
{
	const struct method *method = NULL;
	struct envelope_error e = {};
	int r;

	if (!strncmp(name, ENVELOPE_INTERFACE ".", strlen(ENVELOPE_INTERFACE ".")))
		method = method_find(name + strlen(ENVELOPE_INTERFACE "."));
	if (!method)
		return send_message(client, service_error("MethodNotFound", "method", name));
	r = permitted(client, method, &e);
	if (!r)
		r = session_start(client->manager, client, method, parameters, more, &e);
	drop_passed(client); /* the session has it */
	if (r)
		return server_send_error(client, &e);
	client->busy = true;
}

static bool flag(struct json_object *message, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(message, name, &value) && json_object_get_boolean(value);
}

static void dispatch(struct client *client, struct json_object *message)
{
	struct json_object *parameters = NULL;
	char method[128];

	json_object_object_get_ex(message, "parameters", &parameters);
	if (envelope_json_text(message, "method", method, sizeof(method)) ||
	    (parameters && !json_object_is_type(parameters, json_type_object)) ||
	    flag(message, "oneway") || flag(message, "upgrade"))
		client->broken = true;
	else if (!strcmp(method, "org.varlink.service.GetInfo"))
		get_info(client);
	else if (!strcmp(method, "org.varlink.service.GetInterfaceDescription"))
		get_description(client, parameters);
	else
		start_method(client, method, parameters, flag(message, "more"));
}

/* Works on what has come until a session is under way, and lets the client go if it must */
static void handle_messages(struct client *client)
{
	struct json_object *message;

	while (!client->busy && !client->broken) {
		if (client->manager->stopping || varlink_next(&client->buffer, &message) < 0) {
			client->broken = true;
			break;
		}
		if (!message)
			return wait_for_client(client);
		dispatch(client, message);
		json_object_put(message);
	}
	if (client->broken)
		return client_free(client);
	sd_event_source_set_enabled(client->io, SD_EVENT_OFF);
	client->idle = sd_event_source_disable_unref(client->idle);
}

static int on_message(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct client *client = data;
	ssize_t n = varlink_receive_passed(fd, &client->buffer, &client->passed);

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0)
		client_free(client);
	else
		handle_messages(client);
	return 0;
}

static bool has_room(const struct manager *m, bool root)
{
	const struct client *client;
	unsigned int others = 0;

	LIST_FOREACH(client, &m->clients, link)
	others += !is_root(client);
	return m->n_clients < CLIENTS_MAX && (root || others < CLIENTS_OTHERS);
}

static int client_new(struct manager *m, int fd)
{
	struct identity who;
	struct client *client;
	int r = identity_of_peer(fd, &who);

	if (r)
		return r;
	if (!has_room(m, who.uid == 0))
		return -EUSERS;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->manager = m;
	client->fd = fd;
	client->passed = -1;
	client->who = who;
	client->buffer.limit = ENVELOPE_REQUEST_MAX;
	if (sd_event_add_io(m->event, &client->io, fd, EPOLLIN, on_message, client) < 0) {
		free(client);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&m->clients, client, link);
	m->n_clients++;
	wait_for_client(client);
	return 0;
}

static int on_connection(sd_event_source *source, int listener, uint32_t revents, void *data)
{
	struct manager *m = data;
	int fd;

	if (m->stopping)
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0 && client_new(m, fd))
		close(fd);
	return 0;
}

static int bind_socket(struct manager *m)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = m->options->socket;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || chown(path, 0, m->gid) ||
	    chmod(path, 0660) || listen(fd, SOMAXCONN)) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

int server_listen(struct manager *m)
{
	mode_t mask = umask(0177);
	int r;

	m->listener = bind_socket(m);
	umask(mask);
	r = m->listener;
	if (r >= 0)
		r = sd_event_add_io(m->event, NULL, m->listener, EPOLLIN, on_connection, m);
	if (r < 0)
		log_line(LOG_ERR, NULL, "Cannot listen on %s: %s", m->options->socket,
			 strerror(-r));
	return r < 0 ? r : 0;
}

void server_close(struct manager *m)
{
	struct client *client = LIST_FIRST(&m->clients);

	unlink(m->options->socket);
	while (client) {
		struct client *next = LIST_NEXT(client, link);

		if (!client->busy)
			client_free(client);
		client = next;
	}
}
