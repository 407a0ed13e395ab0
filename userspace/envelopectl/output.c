// SPDX-License-Identifier: GPL-2.0-or-later
/* Results for people, or as JSON for programs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define COLUMNS_MAX 8

bool output_json(struct context *context, struct json_object *reply)
{
	if (context->json)
		context->result = json_object_get(reply);
	return context->json;
}

void output_error(const struct envelope_error *e)
{
	const char *cure = envelope_error_cure(e);

	fflush(stdout);
	fprintf(stderr, "envelopectl: %s\n", e->message);
	if (*cure)
		fprintf(stderr, "  → %s\n", cure);
}

static void print_json(struct context *context, const struct envelope_error *e)
{
	struct json_object *error;

	if (!context->result)
		context->result = json_object_new_object();
	if (e->code) {
		error = json_object_new_object();
		add_text(error, "code", envelope_error_name(e->code));
		add_text(error, "message", e->message);
		add_text(error, "cure", envelope_error_cure(e));
		json_object_object_add(context->result, "error", error);
	}
	puts(json_object_to_json_string_ext(context->result,
					    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
}

void output_end(struct context *context, struct envelope_error *e)
{
	if (e->code)
		output_error(e);
	if (context->json)
		print_json(context, e);
	json_object_put(context->result);
	if ((fflush(stdout) || ferror(stdout)) && !e->code) {
		envelope_fail(e, ENVELOPE_E_IO, "standard output: %s", strerror(errno));
		envelope_cure(e, "what was asked for is done all the same");
		output_error(e);
	}
}

void output_warnings(struct json_object *reply)
{
	struct json_object *warnings;
	size_t n = member_array(reply, "warnings", &warnings);

	fflush(stdout);
	for (size_t i = 0; i < n; i++)
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

size_t member_array(struct json_object *object, const char *name, struct json_object **array)
{
	return json_object_object_get_ex(object, name, array) &&
			       json_object_is_type(*array, json_type_array)
		       ? json_object_array_length(*array)
		       : 0;
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
	size_t n = member_array(object, name, &list), size = 0;

	snprintf(text, room, "-");
	for (size_t i = 0; i < n && size < room; i++)
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
