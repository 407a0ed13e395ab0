// SPDX-License-Identifier: GPL-2.0-or-later
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "varlink.h"

/* Through a real socket, in whatever pieces it comes */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct varlink_buffer buffer = { .limit = 1024 };
	struct json_object *message;
	struct envelope_error e;
	int pair[2];

	if (size > 4096)
		return 0;
	require(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	require(send(pair[0], data, size, 0) == (ssize_t)size);
	close(pair[0]);
	while (varlink_receive(pair[1], &buffer) > 0) {
		while (varlink_next(&buffer, &message) == 0 && message) {
			varlink_reply_error(message, &e);
			json_object_put(message);
		}
		require(buffer.room <= 1025);
	}
	varlink_buffer_free(&buffer);
	close(pair[1]);
	return 0;
}
