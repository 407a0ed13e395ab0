// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * exercise FILE SECONDS SEED: do with a file whatever can be done with one, in the spirit of fsx,
 * and compare what it holds with a model in memory: reads and writes by the page cache, past it
 * and by mappings, holes, truncation up and down, with the cache dropped and the file opened
 * again between. What is done depends on SEED alone, how much of it on SECONDS. FILE is made
 * anew, and is left as the model has it.
 *
 * Exit status 1: the file is not what it must be, or a call failed; the last operations are told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX   (1 << 20)
#define LENGTH_MAX (64 << 10)
#define PAGE	   4096
#define SECTOR	   512
#define STEPS	   48 /* that are told where one fails */

#define MIN(a, b)	 ((a) < (b) ? (a) : (b))
#define ROUND_DOWN(n, a) ((n) & ~((size_t)(a)-1))
#define ROUND_UP(n, a)	 ROUND_DOWN((n) + (a)-1, a)

struct step {
	const char *name;
	size_t offset;
	size_t length;
	size_t size; /* of the file, after it */
};

static const char *path;
static unsigned long long seed;
static uint64_t state;
static int file = -1;
static int direct = -1;
static size_t offset_grain; /* of direct I/O: of offsets and lengths */
static size_t memory_grain; /* of addresses */
static uint8_t *buffer;
static struct step steps[STEPS];
static unsigned long long count;
/* What the file must hold: with zeros behind its end, which a mapping shows too */
static uint8_t *model;
static size_t size;

static void show_steps(void)
{
	unsigned long long n = count > STEPS ? count - STEPS : 0;

	printf("the last operations of seed %llu, with the size of the file after each:\n", seed);
	for (; n < count; n++) {
		const struct step *step = &steps[n % STEPS];

		printf("%8llu %-12s at %7zu length %7zu -> %7zu\n", n + 1, step->name, step->offset,
		       step->length, step->size);
	}
}

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list arguments;

	printf("exercise: %s: operation %llu: ", path, count);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	show_steps();
	exit(1);
}

static void must(bool good, const char *call)
{
	if (!good)
		fail("%s: %s", call, strerror(errno));
}

static uint64_t random_word(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Less than @limit */
static size_t below(size_t limit)
{
	return random_word() % limit;
}

static uint8_t *random_data(size_t alignment, size_t length)
{
	uint8_t *data = buffer + below(PAGE / alignment) * alignment;
	size_t i;

	for (i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = random_word();

		memcpy(data + i, &word, sizeof(word));
	}
	return data;
}

static void compare(const uint8_t *got, size_t offset, size_t length)
{
	const uint8_t *wanted = model + offset;
	size_t first = 0, last = 0, wrong = 0, i;

	if (!memcmp(got, wanted, length))
		return;
	for (i = 0; i < length; i++) {
		if (got[i] == wanted[i])
			continue;
		if (!wrong++)
			first = i;
		last = i;
	}
	fail("%zu bytes differ, from %zu to %zu: the first is %02x and must be %02x", wrong,
	     offset + first, offset + last, got[first], wanted[first]);
}

/* The file was made longer, by zeros; or shorter, to which the model has zeros behind it */
static void resized(size_t end)
{
	if (end < size)
		memset(model + end, 0, size - end);
	size = end;
}

static void written(size_t offset, size_t length)
{
	if (offset + length > size)
		resized(offset + length);
}

static void open_file(int flags)
{
	file = open(path, O_RDWR | flags, 0600);
	must(file >= 0, "open");
	direct = open(path, O_RDWR | O_DIRECT);
	must(direct >= 0, "open with O_DIRECT");
}

static void close_file(void)
{
	must(!close(file), "close");
	must(!close(direct), "close");
}

static bool direct_works(size_t offset, size_t address)
{
	if (pread(direct, buffer + address, PAGE, (off_t)offset) >= 0)
		return true;
	must(errno == EINVAL, "direct read");
	return false;
}

static void read_and_compare(int fd, uint8_t *to, size_t offset, size_t length)
{
	size_t wanted = offset < size ? MIN(length, size - offset) : 0;
	ssize_t n;

	memset(to, 0x5a, length);
	n = pread(fd, to, length, (off_t)offset);
	must(n >= 0, "read");
	if ((size_t)n != wanted)
		fail("%zd bytes were read, and not %zu", n, wanted);
	compare(to, offset, wanted);
}

static void read_all(void)
{
	size_t offset;

	for (offset = 0; offset < size; offset += LENGTH_MAX)
		read_and_compare(file, buffer, offset, LENGTH_MAX);
}

static void write_data(int fd, const uint8_t *data, size_t offset, size_t length)
{
	ssize_t n = pwrite(fd, data, length, (off_t)offset);

	must(n >= 0, "write");
	if ((size_t)n != length)
		fail("%zd bytes were written, and not %zu", n, length);
	written(offset, length);
	memcpy(model + offset, data, length);
}

static void do_read(struct step *step)
{
	read_and_compare(file, buffer, step->offset, step->length);
}

static void do_write(struct step *step)
{
	write_data(file, random_data(1, step->length), step->offset, step->length);
}

static void align(struct step *step)
{
	step->offset = ROUND_DOWN(step->offset, offset_grain);
	step->length = ROUND_UP(step->length, offset_grain);
}

/*
 * Not past the page that the file ends in: behind that XFS may have blocks that are only planned,
 * and of kernels 6.12 and 7.3 a direct read that meets one gets EIO, on any disk ("Direct I/O
 * collision with buffered writes!" in the log).
 */
static void do_direct_read(struct step *step)
{
	size_t end = ROUND_UP(size, PAGE);

	align(step);
	if (step->offset + step->length > end)
		step->length = step->offset < end ? end - step->offset : offset_grain;
	read_and_compare(direct, buffer + below(PAGE / memory_grain) * memory_grain, step->offset,
			 step->length);
}

static void do_direct_write(struct step *step)
{
	align(step);
	write_data(direct, random_data(memory_grain, step->length), step->offset, step->length);
}

/* Map what of a step is within the file: the pages from @offset on, of which it sets @length */
static uint8_t *map_file(struct step *step, int protection, size_t *offset, size_t *length)
{
	uint8_t *map;

	step->offset %= size;
	step->length = MIN(step->length, size - step->offset);
	*offset = ROUND_DOWN(step->offset, PAGE);
	*length = ROUND_UP(step->offset + step->length - *offset, PAGE);
	map = mmap(NULL, *length, protection, MAP_SHARED, file, (off_t)*offset);
	must(map != MAP_FAILED, "mmap");
	return map;
}

static void do_map_read(struct step *step)
{
	size_t offset, length;
	uint8_t *map;

	if (!size)
		return;
	map = map_file(step, PROT_READ, &offset, &length);
	compare(map, offset, length);
	must(!munmap(map, length), "munmap");
}

static void do_map_write(struct step *step)
{
	size_t offset, length;
	const uint8_t *data;
	uint8_t *map;

	if (!size)
		return;
	map = map_file(step, PROT_READ | PROT_WRITE, &offset, &length);
	data = random_data(1, step->length);
	memcpy(map + step->offset - offset, data, step->length);
	memcpy(model + step->offset, data, step->length);
	if (below(2))
		must(!msync(map, length, MS_SYNC), "msync");
	must(!munmap(map, length), "munmap");
}

static void do_truncate(struct step *step)
{
	must(!ftruncate(file, (off_t)step->offset), "ftruncate");
	resized(step->offset);
}

static void do_allocate(struct step *step)
{
	int mode = below(2) ? FALLOC_FL_KEEP_SIZE : 0;

	must(!fallocate(file, mode, (off_t)step->offset, (off_t)step->length), "fallocate");
	if (!mode)
		written(step->offset, step->length);
}

static void zero_model(size_t offset, size_t length)
{
	if (offset < size)
		memset(model + offset, 0, MIN(length, size - offset));
}

static void do_zero(struct step *step)
{
	int keep = below(2) ? FALLOC_FL_KEEP_SIZE : 0;

	must(!fallocate(file, FALLOC_FL_ZERO_RANGE | keep, (off_t)step->offset,
			(off_t)step->length),
	     "fallocate, to zero a range");
	if (!keep)
		written(step->offset, step->length);
	zero_model(step->offset, step->length);
}

static void do_punch(struct step *step)
{
	must(!fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)step->offset,
			(off_t)step->length),
	     "fallocate, to punch a hole");
	zero_model(step->offset, step->length);
}

static void do_sync(struct step *step)
{
	must(step->offset % 2 ? !fsync(file) : !fdatasync(file), "fsync");
}

static void do_reopen(struct step *step)
{
	(void)step;
	close_file();
	open_file(0);
}

/* What was written and what is read next has been on the disk */
static void do_drop(struct step *step)
{
	(void)step;
	must(!fdatasync(file), "fdatasync");
	errno = posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	must(!errno, "posix_fadvise");
	if (below(2))
		read_all();
}

static const struct {
	const char *name;
	void (*run)(struct step *step);
	unsigned int weight;
} operations[] = {
	{ "read", do_read, 12 },
	{ "write", do_write, 16 },
	{ "direct read", do_direct_read, 12 },
	{ "direct write", do_direct_write, 12 },
	{ "map read", do_map_read, 8 },
	{ "map write", do_map_write, 10 },
	{ "truncate", do_truncate, 3 },
	{ "allocate", do_allocate, 4 },
	{ "zero", do_zero, 4 },
	{ "punch", do_punch, 6 },
	{ "sync", do_sync, 4 },
	{ "reopen", do_reopen, 2 },
	{ "drop", do_drop, 6 },
};

static size_t choose(void)
{
	size_t total = 0, i, n;

	for (i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		total += operations[i].weight;
	n = below(total);
	for (i = 0; n >= operations[i].weight; i++)
		n -= operations[i].weight;
	return i;
}

static void one_step(void)
{
	static const size_t longest[] = { 600, 2 * PAGE, LENGTH_MAX };
	struct step *step = &steps[count++ % STEPS];
	size_t chosen = choose();

	step->name = operations[chosen].name;
	step->length = 1 + below(longest[below(3)]);
	step->offset = below(FILE_MAX - step->length);
	step->size = size;
	operations[chosen].run(step);
	step->size = size;
}

static void *memory(size_t length)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static void set_up(void)
{
	state = seed;
	buffer = memory(LENGTH_MAX + 2 * PAGE);
	model = memory(FILE_MAX + PAGE);
	open_file(O_CREAT | O_TRUNC);
	write_data(file, random_data(1, 2 * PAGE), 0, 2 * PAGE);
	must(!fsync(file), "fsync");
	offset_grain = direct_works(SECTOR, 0) ? SECTOR : PAGE;
	memory_grain = direct_works(0, SECTOR) ? SECTOR : PAGE;
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

int main(int argc, char **argv)
{
	long long end;

	if (argc != 4) {
		fprintf(stderr, "usage: exercise FILE SECONDS SEED\n");
		return 2;
	}
	path = argv[1];
	end = now() + strtoll(argv[2], NULL, 10);
	seed = strtoull(argv[3], NULL, 10);
	set_up();
	while (now() < end)
		one_step();
	do_drop(NULL);
	read_all();
	close_file();
	printf("exercise: %s: %llu operations, seed %llu\n", path, count, seed);
	return 0;
}
