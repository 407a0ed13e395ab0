// SPDX-License-Identifier: GPL-2.0-or-later
/* Results for people, or as JSON for programs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

#define COLUMNS_MAX 8

void output_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
}

void output_error(const struct context *context, const struct envelope_error *e)
{
	const char *cure = envelope_error_cure(e);

	fflush(stdout);
	fprintf(stderr, "envelopectl: %s\n", e->message);
	if (*cure)
		fprintf(stderr, "  → %s\n", cure);
	if (context->json) {
		_cleanup_json_ struct json_object *object = json_object_new_object();
		struct json_object *error = json_object_new_object();

		json_object_object_add(error, "code",
				       json_object_new_string(envelope_error_name(e->code)));
		json_object_object_add(error, "message", json_object_new_string(e->message));
		json_object_object_add(error, "cure", json_object_new_string(cure));
		json_object_object_add(object, "error", error);
		output_json(object);
	}
}

void output_warnings(const struct context *context, struct json_object *reply)
{
	struct json_object *warnings;

	if (!json_object_object_get_ex(reply, "warnings", &warnings) ||
	    !json_object_is_type(warnings, json_type_array))
		return;
	fflush(stdout);
	for (size_t i = 0; i < json_object_array_length(warnings); i++)
		fprintf(stderr, "warning: %s\n",
			json_object_get_string(json_object_array_get_idx(warnings, i)));
}

const char *output_size(uint64_t bytes, char text[static 16])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double size = (double)bytes;
	int unit = 0;

	while (size >= 1024 && unit < 6) {
		size /= 1024;
		unit++;
	}
	snprintf(text, 16, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
	return text;
}

const char *member(struct json_object *object, const char *name)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(object, name, &value) || !value)
		return "-";
	text = json_object_get_string(value);
	return *text ? text : "-";
}

uint64_t member_number(struct json_object *object, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(object, name, &value) ? json_object_get_uint64(value) : 0;
}

bool member_true(struct json_object *object, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(object, name, &value) && json_object_get_boolean(value);
}

const char *member_list(struct json_object *object, const char *name, char *text, size_t room)
{
	struct json_object *list;
	size_t size = 0;

	snprintf(text, room, "-");
	if (!json_object_object_get_ex(object, name, &list) ||
	    !json_object_is_type(list, json_type_array))
		return text;
	for (size_t i = 0; i < json_object_array_length(list) && size < room; i++)
		size += (size_t)snprintf(
			text + size, room - size, "%s%s", i ? "," : "",
			json_object_get_string(json_object_array_get_idx(list, i)));
	return text;
}

struct table {
	int columns;
	size_t rows;
	char *(*cells)[COLUMNS_MAX];
};

void table_add(struct table *table, const char *const *cells)
{
	void *more = realloc(table->cells, (table->rows + 1) * sizeof(*table->cells));

	if (!more)
		abort();
	table->cells = more;
	for (int i = 0; i < table->columns; i++)
		table->cells[table->rows][i] = strdup(cells[i]);
	table->rows++;
}

struct table *table_new(const char *const *titles, int columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		abort();
	table->columns = columns;
	table_add(table, titles);
	return table;
}

static int width(const struct table *table, int column)
{
	size_t widest = 0;

	for (size_t i = 0; i < table->rows; i++)
		if (strlen(table->cells[i][column]) > widest)
			widest = strlen(table->cells[i][column]);
	return (int)widest;
}

void table_print(struct table *table)
{
	for (size_t i = 0; i < table->rows; i++) {
		for (int c = 0; c < table->columns; c++)
			printf("%-*s%s", c + 1 < table->columns ? width(table, c) : 0,
			       table->cells[i][c], c + 1 < table->columns ? "  " : "\n");
	}
	for (size_t i = 0; i < table->rows; i++)
		for (int c = 0; c < table->columns; c++)
			free(table->cells[i][c]);
	free(table->cells);
	free(table);
}
