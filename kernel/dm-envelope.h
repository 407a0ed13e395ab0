/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-envelope: AES-XTS on every sector with a key from the kernel keyring.
 *
 * What the files of the module know of each other:
 *
 *   -target.c  constructor, messages, status; the glue to device-mapper
 *   -table.c   table lines and key strings as text: no device, no key
 *   -key.c     from a key string to a keyed cipher, and back to none
 *   -xts.c     the cipher back end: one sector at a time
 *   -io.c      bios: what is converted when, and in which context
 *   -bounce.c  memory for the ciphertext of writes
 */
#ifndef DM_ENVELOPE_H
#define DM_ENVELOPE_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/key.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/workqueue.h>
#include <crypto/hash.h>
#include <crypto/skcipher.h>

#define DM_MSG_PREFIX "envelope"

#define ENVELOPE_CIPHER		"aes-xts-plain64"
#define ENVELOPE_KEY_MAX	64	/* bytes */
#define ENVELOPE_CHECK_SIZE	8	/* bytes of a key check */
#define ENVELOPE_CHECK_LABEL	"dm-envelope key check v1"

/* -table.c */

/**
 * struct envelope_keyspec - a key as a table line or a message names it
 * @size:        bytes
 * @type:        "logon", "user" or "encrypted"
 * @description: points behind the type in @text
 * @text:        "<type>:<description>", owned
 */
struct envelope_keyspec {
	unsigned int size;
	struct key_type *type;
	const char *description;
	char *text;
};

enum envelope_on_key_loss {
	ENVELOPE_ERROR,		/* fail bios while there is no key */
	ENVELOPE_QUEUE,		/* hold them */
};

/**
 * struct envelope_table - a table line, parsed
 * @key:              which key
 * @iv_offset:        added to a sector's number, in units of 512 bytes
 * @device:           the argument that names the device below, not owned
 * @start:            where the data begins on it, in units of 512 bytes
 * @sector_size:      bytes converted with one IV
 * @sector_shift:     log2 of @sector_size in units of 512 bytes
 * @allow_discards:   pass discards down
 * @iv_large_sectors: count IVs in units of @sector_size
 * @has_key_check:    @key_check was given
 * @key_check:        first bytes of the HMAC that a key must give
 * @lease:            seconds, 0 for none
 * @on_key_loss:      what to do with bios while there is no key
 * @queue_timeout:    seconds they are held, 0 for ever
 */
struct envelope_table {
	struct envelope_keyspec key;
	u64 iv_offset;
	const char *device;
	u64 start;
	unsigned int sector_size;
	unsigned int sector_shift;
	bool allow_discards;
	bool iv_large_sectors;
	bool has_key_check;
	u8 key_check[ENVELOPE_CHECK_SIZE];
	unsigned int lease;
	enum envelope_on_key_loss on_key_loss;
	unsigned int queue_timeout;
};

int envelope_keyspec_parse(struct envelope_keyspec *spec, const char *text, char **error);
void envelope_keyspec_free(struct envelope_keyspec *spec);
int envelope_table_parse(struct envelope_table *table, unsigned int argc, char **argv,
			 char **error);
const char *envelope_on_key_loss_name(enum envelope_on_key_loss policy);
int envelope_on_key_loss_parse(const char *text, enum envelope_on_key_loss *policy);

/**
 * envelope_iv() - the IV of a sector: plain64
 * @table:  the table line
 * @sector: its number within the target, in units of 512 bytes
 */
static inline u64 envelope_iv(const struct envelope_table *table, u64 sector)
{
	sector += table->iv_offset;
	return table->iv_large_sectors ? sector >> table->sector_shift : sector;
}

/* -xts.c */

/**
 * struct envelope_xts - a cipher instance
 * @tfm: the kernel's
 */
struct envelope_xts {
	struct crypto_skcipher *tfm;
};

/**
 * struct envelope_xts_request - one sector under way; the driver's part follows
 * @src: where it comes from
 * @dst: where it goes; may be the same place
 * @iv:  as the cipher wants it
 * @skcipher: the kernel's request, of envelope_xts_request_size() bytes in all
 */
struct envelope_xts_request {
	struct scatterlist src;
	struct scatterlist dst;
	__le64 iv[2];
	struct skcipher_request skcipher;
};

int envelope_xts_init(struct envelope_xts *xts);
void envelope_xts_exit(struct envelope_xts *xts);
int envelope_xts_set_key(struct envelope_xts *xts, const u8 *key, unsigned int size);
const char *envelope_xts_driver(const struct envelope_xts *xts);
size_t envelope_xts_request_size(const struct envelope_xts *xts);
void envelope_xts_prepare(struct envelope_xts *xts, struct envelope_xts_request *request,
			  crypto_completion_t done, void *data);
int envelope_xts_crypt(struct envelope_xts_request *request, bool encrypt, u64 iv,
		       const struct bio_vec *src, const struct bio_vec *dst, unsigned int size);

/* -bounce.c */

/**
 * struct envelope_bounce - memory for the ciphertext of one device's writes
 * @bios:  the bios that carry it
 * @pages: the reserve: enough for one bio of the largest size
 * @lock:  held by the one writer that draws on the reserve
 */
struct envelope_bounce {
	struct bio_set bios;
	mempool_t pages;
	struct mutex lock;	/* see above */
};

/* the largest write that is converted in one piece, in units of 512 bytes */
#define ENVELOPE_BOUNCE_SECTORS	(BIO_MAX_VECS << (PAGE_SHIFT - SECTOR_SHIFT))

int envelope_bounce_init(struct envelope_bounce *bounce);
void envelope_bounce_exit(struct envelope_bounce *bounce);
struct bio *envelope_bounce_alloc(struct envelope_bounce *bounce, struct bio *bio,
				  struct block_device *bdev);
void envelope_bounce_free(struct envelope_bounce *bounce, struct bio *bio);
void envelope_bounce_wipe(struct bio *bio);
int envelope_bounce_module_init(void);
void envelope_bounce_module_exit(void);

/* -target.c */

enum envelope_state {
	ENVELOPE_ACTIVE,
	ENVELOPE_FENCED,	/* no key */
};

/**
 * struct envelope_stats - what one CPU has counted
 * @reads: @writes: @discards: bios mapped
 * @errors: bios that came back or were ended with an error
 */
struct envelope_stats {
	u64 reads;
	u64 writes;
	u64 discards;
	u64 errors;
};

/**
 * struct envelope - one target
 * @ti:             what device-mapper knows of it
 * @dev:            the device below
 * @table:          its table line; @table.key changes with `key set`
 * @xts:            the cipher, keyed while @state is active
 * @hmac:           for key checks; holds no key between them
 * @key:            a reference on the key in use, NULL while fenced
 * @key_generation: counts the keys it has had
 * @state:          changed by the constructor, and while suspended
 * @reason:         why it is fenced
 * @since:          of @state, in seconds of boot time
 * @leased:         when the lease was last renewed, in seconds of boot time
 * @suspended:      between postsuspend and resume
 * @bounce:         memory for writes
 * @scratch:        pages for sectors that lie scattered in a read bio
 * @workqueue:      for what cannot be converted where it completes
 * @stats:          per CPU
 */
struct envelope {
	struct dm_target *ti;
	struct dm_dev *dev;
	struct envelope_table table;
	struct envelope_xts xts;
	struct crypto_shash *hmac;
	struct key *key;
	unsigned int key_generation;
	enum envelope_state state;
	const char *reason;
	time64_t since;
	time64_t leased;
	bool suspended;
	struct envelope_bounce bounce;
	mempool_t scratch;
	struct workqueue_struct *workqueue;
	struct envelope_stats __percpu *stats;
};

/* -key.c */

int envelope_key_check(struct crypto_shash *hmac, const u8 *key, unsigned int size,
		       u8 check[ENVELOPE_CHECK_SIZE]);
int envelope_key_set(struct envelope *env, const struct envelope_keyspec *spec, char **error);
void envelope_key_wipe(struct envelope *env, const char *reason);

/* -io.c */

size_t envelope_io_size(const struct envelope *env);
int envelope_map(struct dm_target *ti, struct bio *bio);

#endif
