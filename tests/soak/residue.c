// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * residue key DESCRIPTION: add a logon key of 64 bytes to the session keyring
 * residue write|read DEVICE COUNT: so many sectors of marked text, past the page cache
 * residue read-scattered DEVICE COUNT: the same, each sector to two places
 * residue write-in-vain DEVICE COUNT: each sector from two places; each write is to fail
 * residue search: what is in the memory of the machine: of the text, of the key, of the round keys
 *	that AES makes of it for either direction; so many words of each. As the last of the
 *	arguments of another, right after it: nothing else gets the memory before.
 *
 * What is searched for is nowhere in memory because this looks for it: the program holds it
 * under a mask only, and clears what it worked on. So it must not be run by a debugger, and
 * nothing may be swapped out.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <wmmintrin.h>

#define SECTOR	    4096
#define PIECE	    512 /* of a scattered sector, in its second page */
#define WORDS	    (SECTOR / sizeof(uint64_t))
#define ROUNDS	    14 /* of AES-256 */
#define KEY_WORDS   8
#define CHUNK	    (1 << 20)
#define WANTED_MAX  160
#define HEADERS_MAX 64
#define MASK	    0x5bd1e995c3a5c85cULL
/* under the mask: every other word of the text, and what the key is made of */
#define TEXT_MASKED 0x8f14d6b37a2c90e1ULL
#define SEED_MASKED 0x19c35d8e60f7a24bULL

enum kind { TEXT, KEY, ROUND_KEY, KINDS };
static const char *const kind_names[KINDS] = { "text", "key", "round-keys" };

static volatile uint64_t mask = MASK; /* the compiler is not to know it */

static void fail(const char *what)
{
	fprintf(stderr, "residue: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void *locked(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED || mlock(memory, size))
		fail("memory");
	return memory;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static void make_key(uint64_t *key)
{
	for (unsigned int i = 0; i < KEY_WORDS; i++)
		key[i] = mix((SEED_MASKED ^ mask) + i);
}

static void add_key(const char *description)
{
	uint64_t *key = locked(SECTOR);
	long r;

	make_key(key);
	r = syscall(SYS_add_key, "logon", description, key, KEY_WORDS * sizeof(*key),
		    KEY_SPEC_SESSION_KEYRING);
	explicit_bzero(key, SECTOR);
	if (r < 0)
		fail("add_key");
}

static void mark(uint64_t *sector)
{
	for (unsigned int i = 0; i < WORDS; i++)
		sector[i] = i % 2 ? i : TEXT_MASKED ^ mask;
}

static bool is_marked(const uint64_t *sector)
{
	for (unsigned int i = 0; i < WORDS; i++)
		if (sector[i] != (i % 2 ? i : TEXT_MASKED ^ mask))
			return false;
	return true;
}

static int open_device(const char *path)
{
	int fd = open(path, O_RDWR | O_DIRECT);

	if (fd < 0)
		fail(path);
	return fd;
}

static void write_text(const char *path, unsigned int count)
{
	uint64_t *sector = locked(SECTOR);
	int fd = open_device(path);

	mark(sector);
	for (unsigned int i = 0; i < count; i++)
		if (pwrite(fd, sector, SECTOR, (off_t)i * SECTOR) != SECTOR)
			fail("write");
	explicit_bzero(sector, SECTOR);
}

static void read_to(uint64_t *memory, int fd, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (pread(fd, memory, SECTOR, (off_t)i * SECTOR) != SECTOR)
			fail("read");
		errno = EBADMSG;
		if (!is_marked(memory))
			fail("the text");
	}
}

static void read_text(const char *path, unsigned int count)
{
	uint64_t *memory = locked(SECTOR);

	read_to(memory, open_device(path), count);
	explicit_bzero(memory, SECTOR);
}

/* What is done with two pages, from PIECE bytes after their beginning on */
typedef void act_on_pages_t(uint8_t *pages, int fd, unsigned int count);

/*
 * Across two pages that are no neighbours: each sector is put together in a third. Where
 * they are neighbours one way round, they are not the other way.
 */
static void act_scattered(act_on_pages_t *act, const char *path, unsigned int count)
{
	uint8_t *pages = locked(2 * SECTOR), *others = locked(2 * SECTOR);
	int fd = open_device(path);

	act(pages, fd, count);
	for (int i = 0; i < 2; i++)
		if (mremap(pages + i * SECTOR, SECTOR, SECTOR, MREMAP_MAYMOVE | MREMAP_FIXED,
			   others + !i * SECTOR) == MAP_FAILED)
			fail("mremap");
	act(others, fd, count);
	explicit_bzero(others, 2 * SECTOR);
}

static void read_scattered(uint8_t *pages, int fd, unsigned int count)
{
	read_to((uint64_t *)(pages + PIECE), fd, count);
}

static void write_in_vain(uint8_t *pages, int fd, unsigned int count)
{
	mark((uint64_t *)(pages + PIECE));
	for (unsigned int i = 0; i < count; i++) {
		errno = 0;
		if (pwrite(fd, pages + PIECE, SECTOR, (off_t)i * SECTOR) != -1 || errno != EIO)
			fail("a write that was to fail");
	}
}

/*
 * Words that are searched for, under the mask; a bit for each hash tells most others apart. With
 * what the search needs besides.
 */
struct wanted {
	unsigned int count;
	uint64_t words[WANTED_MAX];
	enum kind kinds[WANTED_MAX];
	uint8_t bits[1 << 16];
	Elf64_Phdr headers[HEADERS_MAX];
	uint8_t chunk[CHUNK];
};

static unsigned int hash(uint64_t masked)
{
	return masked & 0xffff;
}

static void want(struct wanted *wanted, enum kind kind, uint64_t masked)
{
	wanted->kinds[wanted->count] = kind;
	wanted->words[wanted->count++] = masked;
	wanted->bits[hash(masked)] = 1;
}

__attribute__((target("aes"))) static void want_round(struct wanted *wanted, __m128i round,
						      bool inner)
{
	uint64_t words[4];

	_mm_storeu_si128((__m128i *)words, round);
	_mm_storeu_si128((__m128i *)words + 1, _mm_aesimc_si128(round));
	for (unsigned int i = 0; i < (inner ? 4 : 2); i++)
		want(wanted, ROUND_KEY, words[i] ^ mask);
	explicit_bzero(words, sizeof(words));
}

static __m128i fold(__m128i x)
{
	x = _mm_xor_si128(x, _mm_slli_si128(x, 4));
	return _mm_xor_si128(x, _mm_slli_si128(x, 8));
}

/* FIPS 197, section 5.2, for 256 bits; the first two round keys are the key itself */
__attribute__((target("aes"))) static void want_rounds(struct wanted *wanted, const uint64_t *key)
{
	__m128i a = _mm_loadu_si128((const __m128i *)key),
		b = _mm_loadu_si128((const __m128i *)key + 1);

#define EXPAND(rcon)                                                                               \
	a = _mm_xor_si128(fold(a), _mm_shuffle_epi32(_mm_aeskeygenassist_si128(b, rcon), 0xff));   \
	want_round(wanted, a, (rcon) != 0x40);                                                     \
	if ((rcon) != 0x40) {                                                                      \
		b = _mm_xor_si128(fold(b),                                                         \
				  _mm_shuffle_epi32(_mm_aeskeygenassist_si128(a, 0), 0xaa));       \
		want_round(wanted, b, true);                                                       \
	}
	EXPAND(0x01)
	EXPAND(0x02)
	EXPAND(0x04)
	EXPAND(0x08)
	EXPAND(0x10)
	EXPAND(0x20)
	EXPAND(0x40)
#undef EXPAND
}

__attribute__((noinline)) static void want_all(struct wanted *wanted)
{
	uint64_t *key = locked(SECTOR);

	want(wanted, TEXT, TEXT_MASKED);
	make_key(key);
	for (unsigned int i = 0; i < KEY_WORDS; i++)
		want(wanted, KEY, key[i] ^ mask);
	want_rounds(wanted, key);
	want_rounds(wanted, key + KEY_WORDS / 2);
	explicit_bzero(key, SECTOR);
}

/* What a call before this one left on the stack and in registers */
__attribute__((noinline)) static void clear_tracks(void)
{
	uint8_t stack[4 * SECTOR];

	explicit_bzero(stack, sizeof(stack));
	asm volatile(
		"pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2; pxor %%xmm3, "
		"%%xmm3;"
		"pxor %%xmm4, %%xmm4; pxor %%xmm5, %%xmm5; pxor %%xmm6, %%xmm6; pxor %%xmm7, %%xmm7"
		:
		:
		: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
}

/* At every fourth byte: nothing that holds a key or a sector lies at an odder address */
static void search_chunk(const struct wanted *wanted, size_t size, uint64_t *found)
{
	for (size_t at = 0; at + sizeof(uint64_t) <= size; at += 4) {
		uint64_t word;

		memcpy(&word, wanted->chunk + at, sizeof(word));
		word ^= MASK;
		if (!wanted->bits[hash(word)])
			continue;
		for (unsigned int i = 0; i < wanted->count; i++)
			found[wanted->kinds[i]] += wanted->words[i] == word;
	}
}

/* Memory that the kernel maps one to one; what else it maps is mapped there too */
static bool is_memory(const Elf64_Phdr *header)
{
	return header->p_type == PT_LOAD && header->p_paddr != (Elf64_Addr)-1 &&
	       header->p_vaddr < 0xffffffff80000000ULL;
}

static uint64_t search_range(struct wanted *wanted, int fd, const Elf64_Phdr *range,
			     uint64_t *found)
{
	uint64_t at, size;

	for (at = 0; at < range->p_filesz; at += size) {
		size = range->p_filesz - at < CHUNK ? range->p_filesz - at : CHUNK;
		if (pread(fd, wanted->chunk, size, range->p_offset + at) != (ssize_t)size)
			fail("/proc/kcore");
		search_chunk(wanted, size, found);
	}
	return at;
}

static uint64_t search_memory(struct wanted *wanted, uint64_t *found)
{
	int fd = open("/proc/kcore", O_RDONLY);
	uint64_t searched = 0;
	Elf64_Ehdr file;

	if (fd < 0 || pread(fd, &file, sizeof(file), 0) != sizeof(file) ||
	    file.e_phnum > HEADERS_MAX ||
	    pread(fd, wanted->headers, file.e_phnum * sizeof(*wanted->headers), file.e_phoff) < 0)
		fail("/proc/kcore");
	for (unsigned int i = 0; i < file.e_phnum; i++)
		if (is_memory(&wanted->headers[i]))
			searched += search_range(wanted, fd, &wanted->headers[i], found);
	return searched;
}

static struct wanted *prepare_search(void)
{
	struct wanted *wanted = locked(sizeof(*wanted));

	want_all(wanted);
	return wanted;
}

static void search(struct wanted *wanted)
{
	uint64_t found[KINDS] = { 0 }, searched;

	clear_tracks();
	searched = search_memory(wanted, found);
	for (unsigned int i = 0; i < KINDS; i++)
		printf("%s:%llu ", kind_names[i], (unsigned long long)found[i]);
	printf("MiB:%llu\n", (unsigned long long)searched >> 20);
}

static bool act(int argc, char **argv)
{
	const char *what = argc ? argv[0] : "";

	if (argc == 2 && !strcmp(what, "key"))
		add_key(argv[1]);
	else if (argc == 3 && !strcmp(what, "write"))
		write_text(argv[1], atoi(argv[2]));
	else if (argc == 3 && !strcmp(what, "read"))
		read_text(argv[1], atoi(argv[2]));
	else if (argc == 3 && !strcmp(what, "read-scattered"))
		act_scattered(read_scattered, argv[1], atoi(argv[2]));
	else if (argc == 3 && !strcmp(what, "write-in-vain"))
		act_scattered(write_in_vain, argv[1], atoi(argv[2]));
	else
		return !argc;
	return true;
}

int main(int argc, char **argv)
{
	bool searches = argc > 1 && !strcmp(argv[argc - 1], "search");
	struct wanted *wanted = searches ? prepare_search() : NULL;

	if (argc < 2 || !act(argc - 1 - searches, argv + 1)) {
		fprintf(stderr,
			"usage: residue key|write|read|read-scattered|write-in-vain … [search]\n");
		return 2;
	}
	if (searches)
		search(wanted);
	return 0;
}
