// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: blocks DEVICE FIRST COUNT STOP SEED [may-fail] [fenced] [discard]
 *
 * Read and write COUNT sectors of 512 bytes of DEVICE from FIRST on, which nobody else writes to,
 * past the page cache, until there is a file STOP: one at a time and many at once, short and long,
 * from and to memory at any address. What is read must be what was written last. DEVICE may be
 * suspended for a while; and be removed and made again, for which it is closed now and then.
 *
 * may-fail: allocations that are made for it fail where faults are injected. So whatever is asked
 * may fail, but not do something else: a block holds what was last written to it, or what a write
 * that failed since would have; or some of both, where the disk below was asked for it in two.
 *
 * fenced: DEVICE loses its key now and then, and what is asked fails. A block then holds the one or
 * the other, as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SECTOR	   512
#define PAGE	   4096
#define DEPTH	   16	     /* requests at once */
#define LONGEST	   (1 << 20) /* bytes of one */
#define PIECES	   8	     /* of memory for one */
#define PATIENCE_S 120	     /* until what failed works, or who is gone comes back */

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* Versions of what a block holds; 0 is whatever it may be */
struct block {
	uint32_t held;	  /* written last */
	uint32_t perhaps; /* by a write that failed since */
};

struct request {
	struct iocb iocb;
	struct iovec pieces[PIECES];
	uint8_t *memory;
	size_t first; /* of COUNT */
	size_t count;
	uint32_t version; /* that is written */
};

static const char *path;
static size_t first, count; /* in blocks */
static bool may_fail, may_tear, may_discard;
static size_t size; /* of a block */
static int device = -1;
static aio_context_t context;
static struct block *blocks;
static struct request requests[DEPTH];
static uint32_t versions;
static uint64_t state;
static unsigned long long reads, writes, discards, failed;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list arguments;

	printf("blocks: %s: ", path);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	exit(EXIT_FAILURE);
}

static void must(bool good, const char *call)
{
	if (!good)
		fail("%s: %s", call, strerror(errno));
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Less than @limit */
static size_t below(size_t limit)
{
	return mix(state += 0x9e3779b97f4a7c15) % limit;
}

static uint64_t word_of(size_t block, uint32_t version, size_t i)
{
	return mix((uint64_t)version << 32 | block) + i * 0x9e3779b97f4a7c15;
}

static void fill(uint8_t *memory, size_t block, uint32_t version)
{
	size_t i;

	for (i = 0; i < size / sizeof(uint64_t); i++)
		((uint64_t *)memory)[i] = word_of(block, version, i);
}

static bool holds(const uint8_t *memory, size_t block, uint32_t version)
{
	size_t i;

	for (i = 0; version && i < size / sizeof(uint64_t); i++)
		if (((const uint64_t *)memory)[i] != word_of(block, version, i))
			return false;
	return true;
}

/* Whose word this is: of which version of which block */
static void tell_word(uint64_t word, size_t i)
{
	uint32_t version;
	size_t block;

	for (version = 1; version <= versions; version++) {
		for (block = 0; block < count; block++) {
			if (word != word_of(block, version, i))
				continue;
			printf("  word %zu is of version %u of block %zu\n", i, version,
			       first + block);
			return;
		}
	}
	printf("  word %zu was never written: %016llx\n", i, (unsigned long long)word);
}

static void tell(const uint8_t *memory)
{
	const uint64_t *words = (const uint64_t *)memory;
	size_t i;

	for (i = 0; i < size / sizeof(uint64_t); i += SECTOR / sizeof(uint64_t))
		tell_word(words[i], i);
}

/* Each sector of the disk below is of the one version or the other. */
static bool is_torn(const uint8_t *memory, const struct block *model, size_t block)
{
	const uint64_t *words = (const uint64_t *)memory;
	bool old = true, new = true;
	size_t i;

	for (i = 0; i < size / sizeof(uint64_t); i++) {
		if (i % (SECTOR / sizeof(uint64_t)) == 0)
			old = new = true;
		old = old && words[i] == word_of(block, model->held, i);
		new = new &&words[i] == word_of(block, model->perhaps, i);
		if (!old && !new)
			return false;
	}
	return model->perhaps;
}

/* What is read of a block decides which of two contents it has. */
static void compare(const uint8_t *memory, size_t block)
{
	struct block *model = &blocks[block];

	if (model->perhaps && holds(memory, block, model->perhaps)) {
		model->held = model->perhaps;
	} else if (may_tear && is_torn(memory, model, block) &&
		   !holds(memory, block, model->held)) {
		model->held = 0;
	} else if (!holds(memory, block, model->held)) {
		tell(memory);
		fail("block %zu, of %zu bytes, is not what was written, version %u or %u",
		     first + block, size, model->held, model->perhaps);
	}
	model->perhaps = 0;
}

static void each_block(struct request *request,
		       void (*function)(struct request *request, uint8_t *memory, size_t block))
{
	size_t block = request->first, i, at;

	for (i = 0; i < request->iocb.aio_nbytes; i++)
		for (at = 0; at < request->pieces[i].iov_len; at += size)
			function(request, (uint8_t *)request->pieces[i].iov_base + at, block++);
}

static void fill_one(struct request *request, uint8_t *memory, size_t block)
{
	fill(memory, block, request->version);
}

static void compare_one(struct request *request, uint8_t *memory, size_t block)
{
	(void)request;
	compare(memory, block);
}

/* Memory in one piece from a page on, or in several that begin at any sector of a page */
static void lay_out(struct request *request)
{
	size_t left = request->count, most = below(2) ? PIECES : 1, n;
	uint8_t *memory = request->memory;

	for (n = 0; left; n++) {
		size_t length = n == most - 1 ? left : 1 + below(left);

		if (most > 1)
			memory += (1 + below(PAGE / SECTOR - 1)) * SECTOR;
		request->pieces[n].iov_base = memory;
		request->pieces[n].iov_len = length * size;
		memory += length * size;
		left -= length;
	}
	request->iocb.aio_buf = (uint64_t)request->pieces;
	request->iocb.aio_nbytes = n;
}

static bool is_write(const struct request *request)
{
	return request->iocb.aio_lio_opcode == IOCB_CMD_PWRITEV;
}

static void prepare(struct request *request, bool write)
{
	request->iocb = (struct iocb) {
		.aio_lio_opcode = write ? IOCB_CMD_PWRITEV : IOCB_CMD_PREADV,
		.aio_fildes = device,
		.aio_offset = (first + request->first) * size,
		.aio_rw_flags = below(8) ? 0 : RWF_NOWAIT,
	};
	lay_out(request);
	if (write) {
		request->version = ++versions;
		each_block(request, fill_one);
	}
}

static void write_failed(struct request *request)
{
	size_t i;

	for (i = request->first; i < request->first + request->count; i++) {
		if (blocks[i].perhaps)
			blocks[i].held = 0;
		blocks[i].perhaps = blocks[i].held ? request->version : 0;
	}
}

static void written(struct request *request)
{
	size_t i;

	for (i = request->first; i < request->first + request->count; i++)
		blocks[i] = (struct block) { .held = request->version };
}

/* Return: whether it was done */
static bool finish(struct request *request, long long result)
{
	bool good = result == (long long)(request->count * size);
	bool impatient = request->iocb.aio_rw_flags & RWF_NOWAIT;

	if (!good && !may_fail && !impatient)
		fail("a %s of %zu blocks at %zu: %lld", is_write(request) ? "write" : "read",
		     request->count, first + request->first, result);
	failed += !good && !impatient;
	if (is_write(request)) {
		writes++;
		(good ? written : write_failed)(request);
	} else {
		reads++;
		if (good)
			each_block(request, compare_one);
	}
	return good;
}

static bool submitted(struct request *request)
{
	struct iocb *iocb = &request->iocb;
	long n = syscall(SYS_io_submit, context, 1, &iocb);

	if (n != 1) {
		must(may_fail || request->iocb.aio_rw_flags, "io_submit");
		failed++;
	}
	return n == 1;
}

/* Return: how many of them were done */
static unsigned int wait_for(unsigned int n)
{
	struct io_event events[DEPTH];
	unsigned int done = 0;

	while (n) {
		long got = syscall(SYS_io_getevents, context, 1, n, events, NULL);
		long i;

		must(got > 0 || errno == EINTR, "io_getevents");
		for (i = 0; i < got; i++) {
			n--;
			done += finish((struct request *)events[i].obj, events[i].res);
		}
	}
	return done;
}

/* So many at once, each on a part of its own */
static void batch(unsigned int depth, size_t longest)
{
	size_t part = count / depth, most = MIN(longest / size, part);
	unsigned int i, n = 0;

	for (i = 0; i < depth; i++) {
		struct request *request = &requests[i];

		request->count = 1 + below(most);
		request->first = i * part + below(part - request->count + 1);
		prepare(request, below(2));
		n += submitted(request);
	}
	wait_for(n);
}

/* However often that takes */
static void insist(struct request *request, bool write)
{
	long long end = now() + PATIENCE_S;

	do {
		must(now() < end, "a request that failed again and again");
		prepare(request, write);
		request->iocb.aio_rw_flags = 0;
	} while (!submitted(request) || !wait_for(1));
}

static void all_of_it(bool write)
{
	struct request *request = &requests[0];
	size_t at;

	for (at = 0; at < count; at += request->count) {
		request->first = at;
		request->count = MIN(LONGEST / size, count - at);
		insist(request, write);
	}
}

static void discard(void)
{
	size_t n = 1 + below(MIN(count, 256)), at = below(count - n + 1);
	uint64_t range[2] = { (first + at) * size, n * size };

	if (ioctl(device, BLKDISCARD, range))
		must(errno == EOPNOTSUPP || may_fail, "discard");
	discards++;
	memset(&blocks[at], 0, n * sizeof(*blocks));
}

/* A device that is made has its size before its table, and fails all requests in between */
static bool is_readable(size_t length)
{
	return pread(device, requests[0].memory, length, 0) == (ssize_t)length;
}

/* It may be gone, or be there but have no table yet */
static void open_device(void)
{
	long long end = now() + PATIENCE_S;
	int block_size;
	uint64_t bytes;

	for (;;) {
		device = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (device >= 0 && !ioctl(device, BLKGETSIZE64, &bytes) && bytes &&
		    !ioctl(device, BLKSSZGET, &block_size) && is_readable(block_size))
			break;
		must(now() < end, "open");
		if (device >= 0)
			close(device);
		usleep(10000);
	}
	size = (size_t)block_size;
}

static void one_step(void)
{
	static const struct {
		unsigned int depth;
		size_t longest;
	} loads[] = { { 1, PAGE },	{ DEPTH, PAGE },  { 1, 4 * PAGE }, { DEPTH, 4 * PAGE },
		      { 1, 16 * PAGE }, { 4, 64 * PAGE }, { 1, LONGEST },  { DEPTH, 16 * PAGE } };
	size_t load = below(sizeof(loads) / sizeof(*loads));

	if (!below(8)) {
		close(device);
		open_device();
	}
	if (!below(16))
		must(!fsync(device) || may_fail, "fsync");
	if (may_discard && !below(12))
		discard();
	batch(loads[load].depth, loads[load].longest);
}

static void *memory(size_t length)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

/* The kernel lets those fail who are marked. */
static void mark(void)
{
	int file = open("/proc/self/make-it-fail", O_WRONLY);

	must(file >= 0 && write(file, "1", 1) == 1, "/proc/self/make-it-fail");
	close(file);
}

static void set_up(char **argv)
{
	size_t i;

	path = argv[1];
	state = strtoull(argv[5], NULL, 10);
	for (i = 0; i < DEPTH; i++)
		requests[i].memory = memory(LONGEST + PIECES * PAGE);
	open_device();
	first = strtoull(argv[2], NULL, 10) * SECTOR / size;
	count = strtoull(argv[3], NULL, 10) * SECTOR / size;
	blocks = memory(count * sizeof(*blocks));
	must(!mlockall(MCL_CURRENT), "mlockall");
	must(!syscall(SYS_io_setup, DEPTH, &context), "io_setup");
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 6) {
		fprintf(stderr, "usage: blocks DEVICE FIRST COUNT STOP SEED [may-fail] [fenced] "
				"[discard]\n");
		return 2;
	}
	for (i = 6; i < argc; i++) {
		may_tear |= !strcmp(argv[i], "may-fail");
		may_fail |= may_tear || !strcmp(argv[i], "fenced");
		may_discard |= !strcmp(argv[i], "discard");
	}
	set_up(argv);
	all_of_it(true);
	if (may_tear)
		mark();
	while (access(argv[4], F_OK))
		one_step();
	all_of_it(false);
	printf("blocks: %s: %llu reads, %llu writes, %llu discards, %llu failed, seed %s\n", path,
	       reads, writes, discards, failed, argv[5]);
	return EXIT_SUCCESS;
}
