// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: search-memory TRACES: where in standard input any of these is found, at any address.
 *
 * A line of the file TRACES is the bytes of one, 8 to 32, as hexadecimal digits. For each place a
 * line: which of them, from 0, and the address.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK	   (1 << 20)
#define SHORTEST   sizeof(uint64_t)
#define LONGEST	   32
#define TRACES_MAX 65536

struct trace {
	unsigned int next; /* that begins with the same hash: one more than its number; 0: none */
	size_t size;
	uint8_t bytes[LONGEST];
};

static struct trace traces[TRACES_MAX];
static unsigned int n_traces;
static unsigned int first[1 << 16]; /* the same, of each hash */
static uint8_t memory[LONGEST + CHUNK];

static void fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static unsigned int hash(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word * 0x9e3779b97f4a7c15ULL >> 48;
}

static void add_trace(const char *digits)
{
	struct trace *trace = &traces[n_traces];
	unsigned int byte;

	while (trace->size < LONGEST && sscanf(digits + 2 * trace->size, "%2x", &byte) == 1)
		trace->bytes[trace->size++] = byte;
	if (trace->size < SHORTEST || ++n_traces == TRACES_MAX) {
		fputs("search-memory: a trace too short, or too many\n", stderr);
		exit(EXIT_FAILURE);
	}
	trace->next = first[hash(trace->bytes)];
	first[hash(trace->bytes)] = n_traces;
}

static void read_traces(const char *path)
{
	char line[2 * LONGEST + 2];
	FILE *file = fopen(path, "r");

	if (!file)
		fail(path);
	while (fgets(line, sizeof(line), file))
		add_trace(line);
	fclose(file);
}

static void compare(const uint8_t *at, size_t left, uint64_t address)
{
	for (unsigned int i = first[hash(at)]; i; i = traces[i - 1].next) {
		const struct trace *trace = &traces[i - 1];

		if (trace->size <= left && !memcmp(trace->bytes, at, trace->size))
			printf("%u %llu\n", i - 1, (unsigned long long)address);
	}
}

/* Where one may go on in the next chunk is left for that */
static void search(void)
{
	size_t have = 0, at;
	uint64_t before = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, memory + have, CHUNK)) > 0) {
		have += n;
		for (at = 0; at + LONGEST <= have; at++)
			compare(memory + at, have - at, before + at);
		memmove(memory, memory + at, have - at);
		before += at;
		have -= at;
	}
	if (n < 0)
		fail("standard input");
	for (at = 0; at + SHORTEST <= have; at++)
		compare(memory + at, have - at, before + at);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: search-memory TRACES <MEMORY\n", stderr);
		return 2;
	}
	read_traces(argv[1]);
	search();
	return 0;
}
