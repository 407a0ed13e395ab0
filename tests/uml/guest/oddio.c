// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: oddio DEVICE: direct I/O from and to buffers that begin anywhere on a page, so that
 * the sectors of a bio lie across its segments. What is read must be what was written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE   4096
#define GRAIN  512 /* what memory must be aligned to */
#define PIECES 24  /* of each read or write */
#define ROUNDS 24

static void fail(const char *what)
{
	fprintf(stderr, "oddio: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static size_t length_of(unsigned int piece, unsigned int round)
{
	return (1 + (piece + round) % 5) * PAGE;
}

/* Pieces of memory apart from each other, each at an alignment of its own */
static size_t lay_out(struct iovec *pieces, unsigned int round, unsigned int skew)
{
	size_t total = 0;
	unsigned int i;

	for (i = 0; i < PIECES; i++) {
		size_t length = length_of(i, round);
		char *memory = mmap(NULL, length + PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			fail("mmap");
		pieces[i].iov_base = memory + (i * skew + round) * GRAIN % PAGE;
		pieces[i].iov_len = length;
		total += length;
	}
	return total;
}

static void release(struct iovec *pieces)
{
	unsigned int i;

	for (i = 0; i < PIECES; i++)
		munmap((void *)((unsigned long)pieces[i].iov_base & ~(PAGE - 1UL)),
		       pieces[i].iov_len + PAGE);
}

static void fill(const struct iovec *pieces, unsigned int seed)
{
	unsigned int i;
	size_t j;

	for (i = 0; i < PIECES; i++)
		for (j = 0; j < pieces[i].iov_len; j++)
			((unsigned char *)pieces[i].iov_base)[j] = rand_r(&seed) >> 7;
}

static void compare(const struct iovec *pieces, unsigned int seed)
{
	unsigned int i;
	size_t j;

	for (i = 0; i < PIECES; i++) {
		for (j = 0; j < pieces[i].iov_len; j++) {
			unsigned char expected = rand_r(&seed) >> 7;

			if (((unsigned char *)pieces[i].iov_base)[j] != expected) {
				fprintf(stderr, "oddio: piece %u differs at byte %zu\n", i, j);
				exit(EXIT_FAILURE);
			}
		}
	}
}

static void round_trip(int fd, unsigned int round)
{
	off_t at = round % 16 * 16 * PAGE;
	struct iovec pieces[PIECES];
	size_t total;

	total = lay_out(pieces, round, 3);
	fill(pieces, round);
	if (pwritev(fd, pieces, PIECES, at) != (ssize_t)total)
		fail("pwritev");
	release(pieces);

	total = lay_out(pieces, round, 5);
	if (preadv(fd, pieces, PIECES, at) != (ssize_t)total)
		fail("preadv");
	compare(pieces, round);
	release(pieces);
}

int main(int argc, char **argv)
{
	unsigned int round;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: oddio DEVICE\n");
		return EXIT_FAILURE;
	}
	fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		fail(argv[1]);
	for (round = 0; round < ROUNDS; round++)
		round_trip(fd, round);
	close(fd);
	return EXIT_SUCCESS;
}
