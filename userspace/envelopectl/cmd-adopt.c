// SPDX-License-Identifier: GPL-2.0-or-later
/* adopt, release: from cryptsetup to us, and back. */
#include <stdio.h>

#include "command.h"

enum {
	ADOPT_KEK,
	ADOPT_THRESHOLD,
	ADOPT_SET,
	ADOPT_KEY_FILE,
	ADOPT_VOLUME_KEY_FILE,
	ADOPT_DROP_KEYSLOTS,
	ADOPT_ACCEPT_NEW,
	ADOPT_HEADER,
};

static const struct option_spec adopt_options[] = {
	[ADOPT_KEK] = { "kek", "NAME", "a KEK that wraps its key (default); may be repeated" },
	[ADOPT_THRESHOLD] = { "threshold", "N", "so many of the KEKs together open it (1)" },
	[ADOPT_SET] = { "set", "NAME", "make it one of an encryption set" },
	[ADOPT_KEY_FILE] = { "key-file", "FILE", "open it by this, not by a passphrase" },
	[ADOPT_VOLUME_KEY_FILE] = { "volume-key-file", "FILE", "the key of its data itself" },
	[ADOPT_DROP_KEYSLOTS] = { "drop-keyslots", NULL,
				  "once it opens by its KEKs, let nothing else open it" },
	[ADOPT_ACCEPT_NEW] = { "accept-new", NULL,
			       "although the host trusts another of this uuid" },
	[ADOPT_HEADER] = HEADER_OPTION,
	{ NULL, NULL, NULL },
};

/* Then no passphrase is asked for. What is wrong with the disk, the adoption tells better. */
static bool is_volume(const struct context *context, struct json_object *device)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct envelope_error e;

	return client_call(context, "Dump", device, &reply, &e) == 0;
}

static void print_adopted(const char *device, struct json_object *reply)
{
	struct json_object *slot;

	if (member_true(reply, "adopted")) {
		printf("%s: adopted as volume %s; its data is untouched\n", device,
		       member(reply, "uuid"));
		if (json_object_object_get_ex(reply, "slot", &slot))
			print_slot(slot);
		if (member_true(reply, "created_kek"))
			printf("KEK default was created for it\n");
	}
	if (member_number(reply, "dropped"))
		printf("%s: opens by its KEKs only; key slots of cryptsetup's dropped: %s\n",
		       device, member(reply, "dropped"));
	else if (!member_true(reply, "adopted"))
		printf("%s: has no key slot of cryptsetup's\n", device);
}

static int run_adopt(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	char prompt[320];
	const struct key_input key = { .file = a->values[ADOPT_KEY_FILE],
				       .volume_key_file = a->values[ADOPT_VOLUME_KEY_FILE],
				       .prompt = prompt };
	bool ours;
	int r = add_disk(parameters, a, ADOPT_HEADER, e);

	if (r < 0)
		return r;
	ours = is_volume(context, parameters);
	r = add_number(parameters, "threshold", a->values[ADOPT_THRESHOLD], e);
	if (r < 0)
		return r;
	add_list(parameters, "keks", a, ADOPT_KEK);
	add_text(parameters, "set", a->values[ADOPT_SET]);
	add_flag(parameters, "drop_keyslots", a->values[ADOPT_DROP_KEYSLOTS]);
	add_flag(parameters, "accept_new", a->values[ADOPT_ACCEPT_NEW]);
	snprintf(prompt, sizeof(prompt), "Passphrase of %.256s: ", a->words[0]);
	r = ours ? client_call(context, "Adopt", parameters, &reply, e)
		 : client_call_keyed(context, "Adopt", parameters, &key, &reply, e);
	if (r < 0)
		return r;
	if (!output_json(context, reply))
		print_adopted(a->words[0], reply);
	output_warnings(reply);
	return 0;
}

const struct command command_adopt = {
	"adopt",
	"DEVICE",
	1,
	1,
	"Make a LUKS2 volume of cryptsetup's ours, its data untouched",
	adopt_options,
	run_adopt,
};

enum { RELEASE_KEY_FILE, RELEASE_DROP_SLOTS, RELEASE_HEADER };

static const struct option_spec release_options[] = {
	[RELEASE_KEY_FILE] = { "key-file", "FILE", "by this, not by a passphrase" },
	[RELEASE_DROP_SLOTS] = { "drop-slots", NULL, "and let no KEK open it any more" },
	[RELEASE_HEADER] = HEADER_OPTION,
	{ NULL, NULL, NULL },
};

static int run_release(struct context *context, const struct arguments *a, struct envelope_error *e)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object(), *reply = NULL;
	const struct key_input key = {
		.file = a->values[RELEASE_KEY_FILE], .prompt = "New passphrase: ", .twice = true
	};
	int r = add_disk(parameters, a, RELEASE_HEADER, e);

	if (r < 0)
		return r;
	add_flag(parameters, "drop_slots", a->values[RELEASE_DROP_SLOTS]);
	r = client_call_keyed(context, "Release", parameters, &key, &reply, e);
	if (r < 0)
		return r;
	if (!output_json(context, reply)) {
		printf("%s: key slot %s opens it: cryptsetup open %s NAME\n", a->words[0],
		       member(reply, "keyslot"), a->words[0]);
		if (member_number(reply, "dropped"))
			printf("%s: no volume of this host any more; slots dropped: %s\n",
			       a->words[0], member(reply, "dropped"));
	}
	output_warnings(reply);
	return 0;
}

const struct command command_release = {
	"release",	 "DEVICE",    1, 1, "Let cryptsetup open it by a passphrase, without a KEK",
	release_options, run_release,
};
