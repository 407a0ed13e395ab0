// SPDX-License-Identifier: GPL-2.0-only
/*
 * A generator of bios that no file system makes and that are allowed all the same: segments
 * of any length at any address, smaller than a sector or of many pages, bios longer than any
 * limit. What is written to one block device is read from another, which must have the same
 * data: two targets on the same disk. Loading it runs the test; it loads where all is well.
 *
 *	insmod oddbio.ko write=/dev/mapper/a read=/dev/mapper/b [odd_write=N] [odd_read=N]
 *		[grain=N] [rounds=N] [seed=N]
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#define PIECE_ORDER	4
#define PIECE_MAX	(PAGE_SIZE << PIECE_ORDER)
#define LENGTH_MAX	(3 << 20)
#define POISON		0xa5

static char *write;
module_param(write, charp, 0);
MODULE_PARM_DESC(write, "the block device to write to");
static char *read;
module_param(read, charp, 0);
MODULE_PARM_DESC(read, "the block device to read from, the same where not given");
static bool odd_write = true;
module_param(odd_write, bool, 0);
MODULE_PARM_DESC(odd_write, "whether writes are odd, or of whole pages");
static bool odd_read = true;
module_param(odd_read, bool, 0);
MODULE_PARM_DESC(odd_read, "whether reads are odd, or of whole pages");
static unsigned int grain;
module_param(grain, uint, 0);
MODULE_PARM_DESC(grain, "of odd reads, what the disk below can reach; 0: as the device says");
static unsigned int rounds = 32;
module_param(rounds, uint, 0);
MODULE_PARM_DESC(rounds, "how many writes and reads");
static unsigned long long seed = 1;
module_param(seed, ullong, 0);
MODULE_PARM_DESC(seed, "of whatever is random");

/* A part of a bio, in memory of its own */
struct piece {
	struct page *page;
	unsigned int offset;
	unsigned int length;
};

struct layout {
	struct piece pieces[BIO_MAX_VECS];
	unsigned int n;
};

static struct rnd_state random;

/* Between @low and @high, both included */
static unsigned int between(unsigned int low, unsigned int high)
{
	return low + prandom_u32_state(&random) % (high - low + 1);
}

static unsigned int piece_length(bool odd, unsigned int left, unsigned int pieces_left)
{
	unsigned int length;

	if (!odd || pieces_left * PIECE_MAX / 2 < left + PIECE_MAX)
		length = PIECE_MAX;
	else if (between(0, 2))
		length = between(1, 700);
	else
		length = between(1, PIECE_MAX);
	return min(length, left);
}

static void release_layout(struct layout *layout)
{
	while (layout->n)
		__free_pages(layout->pieces[--layout->n].page, PIECE_ORDER);
}

/* Pieces of memory at multiples of @align for @length bytes, with POISON in and around them */
static int make_layout(struct layout *layout, unsigned int length, bool odd, unsigned int align)
{
	struct piece *piece;

	layout->n = 0;
	while (length) {
		if (layout->n == BIO_MAX_VECS)
			return -E2BIG;
		piece = &layout->pieces[layout->n];
		piece->page = alloc_pages(GFP_KERNEL | __GFP_COMP, PIECE_ORDER);
		if (!piece->page)
			return -ENOMEM;
		piece->length = piece_length(odd, length, BIO_MAX_VECS - layout->n);
		piece->length = ALIGN(piece->length, align);
		piece->offset = odd ? between(0, PIECE_MAX - piece->length) : 0;
		piece->offset = ALIGN_DOWN(piece->offset, align);
		memset(page_address(piece->page), POISON, PIECE_MAX);
		layout->n++;
		length -= piece->length;
	}
	return 0;
}

static void fill(const struct layout *layout, const u8 *data)
{
	unsigned int i;

	for (i = 0; i < layout->n; i++) {
		const struct piece *piece = &layout->pieces[i];

		memcpy(page_address(piece->page) + piece->offset, data, piece->length);
		data += piece->length;
	}
}

/* @data and nothing else: not a byte around it has changed */
static bool holds(const struct layout *layout, const u8 *data)
{
	unsigned int i;

	for (i = 0; i < layout->n; i++) {
		const struct piece *piece = &layout->pieces[i];
		const u8 *memory = page_address(piece->page);
		unsigned int end = piece->offset + piece->length;

		if (memchr_inv(memory, POISON, piece->offset) ||
		    memcmp(memory + piece->offset, data, piece->length) ||
		    memchr_inv(memory + end, POISON, PIECE_MAX - end))
			return false;
		data += piece->length;
	}
	return true;
}

static int submit(struct block_device *bdev, blk_opf_t op, sector_t sector,
		  const struct layout *layout)
{
	struct bio *bio = bio_alloc(bdev, layout->n, op, GFP_KERNEL);
	unsigned int i;
	int r;

	bio->bi_iter.bi_sector = sector;
	for (i = 0; i < layout->n; i++)
		__bio_add_page(bio, layout->pieces[i].page, layout->pieces[i].length,
			       layout->pieces[i].offset);
	r = submit_bio_wait(bio);
	bio_put(bio);
	return r;
}

static int write_round(struct block_device *bdev, sector_t sector, unsigned int length,
		       const u8 *data, struct layout *layout)
{
	int r = make_layout(layout, length, odd_write, 1);

	if (r)
		return r;
	fill(layout, data);
	r = submit(bdev, REQ_OP_WRITE, sector, layout);
	if (!r && !holds(layout, data)) {
		pr_err("oddbio: a write changed the memory that it was from\n");
		r = -EILSEQ;
	}
	return r;
}

static int read_round(struct block_device *bdev, sector_t sector, unsigned int length,
		      const u8 *data, struct layout *layout)
{
	/*
	 * Newer kernels refuse what the disk cannot reach; a write has pages of the target's own.
	 * A device of device-mapper says 512, however fine the disk below it is.
	 */
	unsigned int align = grain ?: bdev_dma_alignment(bdev) + 1;
	int r = make_layout(layout, length, odd_read, align);

	if (r)
		return r;
	r = submit(bdev, REQ_OP_READ, sector, layout);
	if (!r && !holds(layout, data)) {
		pr_err("oddbio: what was read is not what was written, or was put elsewhere\n");
		r = -EILSEQ;
	}
	return r;
}

static int one_round(struct block_device *to, struct block_device *from, u8 *data,
		     struct layout *layout)
{
	static const unsigned int longest[] = { 16 << 10, 256 << 10, LENGTH_MAX };
	unsigned int block = max(bdev_logical_block_size(to), bdev_logical_block_size(from));
	unsigned int blocks = (unsigned int)(bdev_nr_sectors(to) >> (ilog2(block) - SECTOR_SHIFT));
	unsigned int n = between(1, min(longest[between(0, 2)] / block, blocks));
	sector_t sector = (sector_t)between(0, blocks - n) << (ilog2(block) - SECTOR_SHIFT);
	int r;

	prandom_bytes_state(&random, data, n * block);
	r = write_round(to, sector, n * block, data, layout);
	release_layout(layout);
	if (!r)
		r = read_round(from, sector, n * block, data, layout);
	release_layout(layout);
	if (r)
		pr_err("oddbio: %u blocks of %u at sector %llu: error %d\n", n, block,
		       (unsigned long long)sector, r);
	return r;
}

static int run(struct block_device *to, struct block_device *from)
{
	struct layout *layout = kzalloc(sizeof(*layout), GFP_KERNEL);
	u8 *data = vmalloc(LENGTH_MAX);
	unsigned int i;
	int r = 0;

	if (!layout || !data)
		r = -ENOMEM;
	for (i = 0; !r && i < rounds; i++)
		r = one_round(to, from, data, layout);
	vfree(data);
	kfree(layout);
	return r;
}

static struct file *open_disk(const char *path, int flags)
{
	struct file *file = filp_open(path, flags | O_LARGEFILE, 0);

	if (!IS_ERR(file) && !S_ISBLK(file_inode(file)->i_mode)) {
		fput(file);
		return ERR_PTR(-ENOTBLK);
	}
	return file;
}

static int __init oddbio_init(void)
{
	struct file *to, *from;
	int r;

	if (!write)
		return -EINVAL;
	prandom_seed_state(&random, seed);
	to = open_disk(write, O_RDWR);
	if (IS_ERR(to))
		return PTR_ERR(to);
	from = open_disk(read ?: write, O_RDONLY);
	r = PTR_ERR_OR_ZERO(from);
	if (!r) {
		r = run(I_BDEV(to->f_mapping->host), I_BDEV(from->f_mapping->host));
		fput(from);
	}
	fput(to);
	return r;
}

static void __exit oddbio_exit(void)
{
}

module_init(oddbio_init);
module_exit(oddbio_exit);

MODULE_DESCRIPTION("generator of odd bios, for tests");
MODULE_LICENSE("GPL");
