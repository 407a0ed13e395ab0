// SPDX-License-Identifier: GPL-2.0-or-later
/* status, dump: what only looks. */
#include <stdio.h>
#include <string.h>

#include "command.h"

static const char *lease_text(struct json_object *d, char *text, size_t size)
{
	if (!member_number(d, "lease"))
		return "none";
	snprintf(text, size, "%s s, of which %s s are left", member(d, "lease"),
		 member(d, "lease_left"));
	return text;
}

static void print_checks(struct json_object *d)
{
	struct json_object *checks;
	size_t n = member_array(d, "checks", &checks);

	for (size_t i = 0; i < n; i++) {
		struct json_object *check = json_object_array_get_idx(checks, i);

		printf("  KEK %s, version %s: %s, proved %s s ago, next check in %s s\n",
		       member(check, "kek"), member(check, "version"), member(check, "state"),
		       member(check, "proved"), member(check, "next"));
		if (json_object_object_get(check, "problem"))
			printf("    %s\n", member(check, "problem"));
	}
}

/* "a, or b and c" */
static void print_fences(struct json_object *d)
{
	struct json_object *sets;
	size_t n = member_array(d, "fenced_by", &sets);

	if (!n)
		return;
	printf("  fenced by:    the loss of ");
	for (size_t i = 0; i < n; i++) {
		struct json_object *set = json_object_array_get_idx(sets, i);

		for (size_t j = 0; j < json_object_array_length(set); j++)
			printf("%s%s",
			       j   ? " and "
			       : i ? ", or "
				   : "",
			       json_object_get_string(json_object_array_get_idx(set, j)));
	}
	printf("\n");
}

static void print_device(struct json_object *d)
{
	char size[16], keks[512], lease[64];

	printf("%s\n", member(d, "name"));
	printf("  state:        %s%s%s", member(d, "state"),
	       member_true(d, "locked") ? ", locked" : "",
	       member_true(d, "readonly") ? ", read-only" : "");
	if (json_object_object_get(d, "reason"))
		printf(", reason %s", member(d, "reason"));
	printf("\n");
	printf("  outlook:      %s\n", member(d, "outlook"));
	printf("  disk:         %s\n", member(d, "device"));
	printf("  volume:       %s\n", member(d, "uuid"));
	printf("  size:         %s, sectors of %s bytes\n",
	       output_size(member_number(d, "size"), size), member(d, "sector_size"));
	printf("  cipher:       aes-xts-plain64 by %s\n", member(d, "cipher"));
	printf("  opened by:    slot %s, KEK %s\n", member(d, "slot"),
	       member_list(d, "keks", keks, sizeof(keks)));
	print_checks(d);
	print_fences(d);
	printf("  lease:        %s\n", lease_text(d, lease, sizeof(lease)));
	printf("  key:          generation %s; without a key I/O meets: %s\n",
	       member(d, "generation"), member(d, "on_key_loss"));
	printf("  I/O:          %s reads, %s writes, %s discards, %s errors, %s held\n",
	       member(d, "reads"), member(d, "writes"), member(d, "discards"), member(d, "errors"),
	       member(d, "held"));
	if (!member_true(d, "managed"))
		printf("  not managed:  %s\n", member(d, "problem"));
}

static const char *managed(struct json_object *d)
{
	if (!strcmp(member(d, "target"), "crypt"))
		return "no: dm-crypt";
	return member_true(d, "managed") ? "yes" : "no";
}

static void print_devices(struct json_object *devices, size_t n)
{
	static const char *const titles[] = { "NAME", "STATE", "DISK", "SIZE", "KEK", "MANAGED" };
	struct table *table = table_new(titles, 6);
	char size[16], keks[512];

	for (size_t i = 0; i < n; i++) {
		struct json_object *d = json_object_array_get_idx(devices, i);
		const char *const cells[] = { member(d, "name"),
					      member(d, "state"),
					      member(d, "device"),
					      output_size(member_number(d, "size"), size),
					      member_list(d, "keks", keks, sizeof(keks)),
					      managed(d) };

		table_add(table, cells);
	}
	table_print(table);
}

static int run_status(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	struct json_object *devices;
	size_t n;
	int r;

	add_text(parameters, "name", a->n ? a->words[0] : NULL);
	r = client_call(context, "Status", parameters, &reply, e);
	if (r < 0 || output_json(context, reply))
		return r;
	n = member_array(reply, "devices", &devices);
	if (!a->n)
		print_devices(devices, n);
	else if (n)
		print_device(json_object_array_get_idx(devices, 0));
	return 0;
}

const struct command command_status = {
	"status", "[NAME]", 0, 1, "What is open, and how it is", no_options, run_status,
};

static void print_dump(struct json_object *d)
{
	struct json_object *slots;
	size_t n = member_array(d, "slots", &slots);
	char size[16];

	printf("%s\n", member(d, "device"));
	printf("  volume:       %s\n", member(d, "uuid"));
	printf("  label:        %s\n", member(d, "label"));
	printf("  cipher:       %s, a key of %s bytes, sectors of %s bytes\n", member(d, "cipher"),
	       member(d, "key_size"), member(d, "sector_size"));
	printf("  data:         %s from byte %s\n", output_size(member_number(d, "size"), size),
	       member(d, "data_offset"));
	printf("  witness:      %s\n", member_true(d, "witness")	   ? "there"
				       : strcmp(member(d, "witness"), "-") ? "missing"
									   : "no room for one");
	if (member_number(d, "keyslots"))
		printf("  key slots:    %s of cryptsetup's open it too, by no KEK\n",
		       member(d, "keyslots"));
	printf("  pinned:       %s\n", member_true(d, "pinned") ? "yes" : "no");
	if (!n)
		printf("  no slot: nothing unwraps its key\n");
	for (size_t i = 0; i < n; i++)
		print_slot(json_object_array_get_idx(slots, i));
}

static const struct option_spec dump_options[] = {
	HEADER_OPTION,
	{ NULL, NULL, NULL },
};

static int run_dump(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	int r = add_disk(parameters, a, 0, e);

	if (r == 0)
		r = client_call(context, "Dump", parameters, &reply, e);
	if (r == 0 && !output_json(context, reply))
		print_dump(reply);
	return r;
}

const struct command command_dump = {
	"dump",	      "DEVICE", 1, 1, "Slots and metadata of a volume, no secrets",
	dump_options, run_dump,
};
