// SPDX-License-Identifier: GPL-2.0-or-later
/* close, resize: what changes a mapping. */
#include <stdio.h>

#include "command.h"

static int run_close(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	int r;

	add_text(parameters, "name", a->words[0]);
	r = client_call(context, "Close", parameters, &reply, e);
	if (r == 0)
		output_json(context, reply);
	return r;
}

const struct command command_close = {
	"close", "NAME", 1, 1, "Unmap it, and forget its key", no_options, run_close,
};

static int run_resize(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	uint64_t old_size, size;
	char old_text[16], text[16];
	int r;

	add_text(parameters, "name", a->words[0]);
	r = client_call(context, "Resize", parameters, &reply, e);
	if (r < 0 || output_json(context, reply))
		return r;
	old_size = member_number(reply, "old_size");
	size = member_number(reply, "size");
	output_size(size, text);
	if (old_size == size)
		printf("%s: %s, as large as its disk already\n", a->words[0], text);
	else
		printf("%s: grown from %s to %s\n", a->words[0], output_size(old_size, old_text),
		       text);
	return 0;
}

const struct command command_resize = {
	"resize", "NAME", 1, 1, "Let it grow to the size its disk has now", no_options, run_resize,
};
