/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-envelope: AES-XTS on every sector with a key from the kernel keyring.
 *
 * What the files of the module know of each other:
 *
 *   -target.c  constructor, messages, status; the glue to device-mapper
 *   -table.c   table lines and key strings as text: no device, no key
 *   -key.c     from a key string to a keyed cipher
 *   -fence.c   who may use that for how long, and how it comes to its end
 *   -hold.c    bios that wait for another key
 *   -hibernate.c  no key in the image of a hibernation
 *   -xts*.c    the cipher back ends: one sector at a time
 *   -convert.c the sectors of a bio, by one CPU or several
 *   -spread.c  which CPU is given work
 *   -io.c      bios: what is converted when, and in which context
 *   -bounce.c  memory for the ciphertext of writes
 *   -trace     tracepoints
 */
#ifndef DM_ENVELOPE_H
#define DM_ENVELOPE_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/key.h>
#include <linux/hrtimer.h>
#include <linux/llist.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>
#include <asm/simd.h>
#include <crypto/hash.h>

#define DM_MSG_PREFIX "envelope"

#define ENVELOPE_CIPHER		"aes-xts-plain64"
#define ENVELOPE_KEY_MAX	64	/* bytes */
/* seconds, and no longer than a timer runs, whatever HZ is */
#define ENVELOPE_QUEUE_TIMEOUT_MAX	604800U
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
int envelope_lease_parse(const char *text, unsigned int most, unsigned int *seconds);

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

/**
 * struct envelope_stats - what one CPU has counted
 * @reads: @writes: @discards: bios mapped
 * @errors: bios that came back or were ended with an error
 * @deferred: bios that went on in the workqueue
 * @helped: pieces of bios that another CPU took
 * @scattered: writes that got pages where they wanted blocks
 * @reserved: writes that drew on the reserve
 * @given: bios that another CPU was given
 * @bounce: pages that writes have, see struct envelope_bounce
 */
struct envelope_stats {
	u64 reads;
	u64 writes;
	u64 discards;
	u64 errors;
	u64 deferred;
	u64 helped;
	u64 scattered;
	u64 reserved;
	u64 given;
	int bounce;
};

/* -xts.c */

struct envelope_xts_ops;
struct envelope_xts_request;	/* a sector at a cipher */

/**
 * struct envelope_xts - a cipher instance
 * @ops:          its back end, see dm-envelope-xts.h
 * @request_size: bytes of a struct envelope_xts_request, 0 where it is synchronous
 * @vector:       it needs vector registers, and nobody stands in for them
 */
struct envelope_xts {
	const struct envelope_xts_ops *ops;
	size_t request_size;
	bool vector;
};

/**
 * envelope_xts_is_synchronous() - does it never return -EINPROGRESS, and need no request?
 * @xts: the cipher
 */
static inline bool envelope_xts_is_synchronous(const struct envelope_xts *xts)
{
	return !xts->request_size;
}

/**
 * envelope_xts_usable() - may it be used, at its full speed, by who asks?
 * @xts: the cipher
 *
 * Context: any but hard interrupts and sections with interrupts off. Where the answer is
 * no, it is yes in the context of a process.
 */
static inline bool envelope_xts_usable(const struct envelope_xts *xts)
{
	return !xts->vector || may_use_simd();
}

/**
 * typedef envelope_xts_done_t - a sector is converted that was not at once
 * @data:  as given to envelope_xts_prepare()
 * @error: 0 or -errno
 *
 * Context: the driver's; may be interrupts.
 */
typedef void (*envelope_xts_done_t)(void *data, int error);

struct envelope_xts *envelope_xts_alloc(void);
void envelope_xts_free(struct envelope_xts *xts);
int envelope_xts_set_key(struct envelope_xts *xts, const u8 *key, unsigned int size);
const char *envelope_xts_driver(const struct envelope_xts *xts);
void envelope_xts_prepare(struct envelope_xts *xts, struct envelope_xts_request *request,
			  envelope_xts_done_t done, void *data);
int envelope_xts_crypt(struct envelope_xts *xts, struct envelope_xts_request *request,
		       bool encrypt, u64 iv, const struct bio_vec *src, const struct bio_vec *dst,
		       unsigned int size);
int envelope_xts_crypt_wait(struct envelope_xts *xts, bool encrypt, u64 iv, const void *src,
			    void *dst, unsigned int size);
int envelope_xts_check(struct envelope_xts *xts);
u64 envelope_xts_time(struct envelope_xts *xts);

/* -bounce.c */

/**
 * struct envelope_bounce - what a device keeps back for the ciphertext of its writes
 * @pages: enough for the smallest piece of a write
 * @lock:  held by the one writer that draws on them
 * @used:  pages that its writes have, but for what CPUs still count in @stats
 * @stats: where it counts
 */
struct envelope_bounce {
	mempool_t pages;
	struct mutex lock;	/* see above */
	atomic_long_t used;
	struct envelope_stats __percpu *stats;
};

#define ENVELOPE_BOUNCE_FEW	4	/* segments that need no memory of their own */

/**
 * struct envelope_segments - the ciphertext of one write
 * @vecs:  the segments: @few, or a page of them
 * @count: how many
 * @pages: of all of them, and of @vecs
 * @few:   for those of a small write
 */
struct envelope_segments {
	struct bio_vec *vecs;
	unsigned int count;
	int pages;
	struct bio_vec few[ENVELOPE_BOUNCE_FEW];
};

/* the largest write that is converted in one piece, in bytes */
#define ENVELOPE_BOUNCE_MAX	SZ_1M

int envelope_bounce_init(struct envelope_bounce *bounce, struct envelope_stats __percpu *stats);
void envelope_bounce_exit(struct envelope_bounce *bounce);
unsigned int envelope_bounce_alloc(struct envelope_bounce *bounce,
				   struct envelope_segments *segments, unsigned int size,
				   bool may_wait);
void envelope_bounce_free(struct envelope_bounce *bounce, struct envelope_segments *segments);
u64 envelope_bounce_used(const struct envelope_bounce *bounce);
void envelope_bounce_wipe(struct envelope_segments *segments);
int envelope_bounce_module_init(void);
void envelope_bounce_module_exit(void);

/* -convert.c */

/**
 * struct envelope_part - sectors of a bio that are converted one after another
 * @io:      the bio they are of
 * @src:     where they are, of @io->src
 * @dst:     where they go, of @io->dst
 * @sector:  number of the next one within the target, in units of 512 bytes
 * @scratch: a page with a sector of a read put together, NULL without one
 * @result:  of the last sector, where the cipher is asynchronous
 * @request: struct envelope_xts_request, where the cipher is not synchronous
 */
struct envelope_part {
	struct envelope_io *io;
	struct bvec_iter src;
	struct bvec_iter dst;
	u64 sector;
	struct page *scratch;
	int result;
	u8 request[] __aligned(CRYPTO_MINALIGN);
};

/**
 * enum envelope_io_kind - what device-mapper's end_io is to do with a bio
 * @ENVELOPE_IO_PLAIN:     nothing: it has no data, or is held as it came
 * @ENVELOPE_IO_READ:      decrypt it
 * @ENVELOPE_IO_DECRYPTED: nothing more
 * @ENVELOPE_IO_WRITE:     free its ciphertext
 */
enum envelope_io_kind {
	ENVELOPE_IO_PLAIN,
	ENVELOPE_IO_READ,
	ENVELOPE_IO_DECRYPTED,
	ENVELOPE_IO_WRITE,
};

/**
 * struct envelope_io - a bio under way, in device-mapper's per-bio data
 * @env:      the target
 * @bio:      device-mapper's bio
 * @kind:     what it is
 * @size:     bytes, 0 of a flush
 * @sector:   its first one, of the mapped device
 * @generation: whose key it has, while it is converted
 * @src:      the segments to convert: @bio's own
 * @dst:      the segments they go to; the same for a read
 * @segments: the ciphertext of a write
 * @share:    where several CPUs convert it
 * @work:     for the workqueue
 * @later:    for the soft interrupt, the CPU that it was given, or another key
 * @part:     what of it is to be converted by whoever has it
 */
struct envelope_io {
	struct envelope *env;
	struct bio *bio;
	enum envelope_io_kind kind;
	unsigned int size;
	sector_t sector;
	struct envelope_generation *generation;
	struct bio_vec *src;
	struct bio_vec *dst;
	struct envelope_segments segments;
	struct envelope_share *share;
	union {
		struct work_struct work;
		struct llist_node later;
	};
	struct envelope_part part;
};

/**
 * envelope_io_has_begun() - has a bio the memory that it needs?
 * @io: the bio; one that has not is as it came
 */
static inline bool envelope_io_has_begun(const struct envelope_io *io)
{
	return io->kind != ENVELOPE_IO_PLAIN;
}

/* returned instead of an error where the work takes a context that may sleep */
#define ENVELOPE_NEEDS_SLEEP	1

size_t envelope_convert_size(const struct envelope *env);
void envelope_convert_init(struct envelope_io *io, struct envelope *env, struct bio *bio);
int envelope_convert(struct envelope_io *io, bool may_sleep);

/* -spread.c */

struct envelope_spread;

int envelope_spread_init(struct envelope *env);
unsigned int envelope_spread_ask(struct envelope *env, int *cpus, unsigned int most);
void envelope_spread_done(struct envelope *env, int cpu);
bool envelope_spread_bio(struct envelope_io *io);
void envelope_spread_module_init(void);

/* -target.c */

struct envelope;

/* -fence.c */

/**
 * struct envelope_generation - a key in a cipher
 * @xts:   the cipher
 * @key:   a reference on the key, NULL without one
 * @users: bios that are converted with it
 * @idle:  there are none, and will be none
 */
struct envelope_generation {
	struct envelope_xts *xts;
	struct key *key;
	struct percpu_ref users;
	struct completion idle;
};

/**
 * enum envelope_state - what a device can do
 * @ENVELOPE_ACTIVE:  all
 * @ENVELOPE_FENCING: no bio gets the key any more, copies of it are being wiped
 * @ENVELOPE_FENCED:  there are none
 */
enum envelope_state {
	ENVELOPE_ACTIVE,
	ENVELOPE_FENCING,
	ENVELOPE_FENCED,
};

/**
 * struct envelope_life - of a device's keys
 * @generations: one for the key there is, or was, and one for the next
 * @last:        which of them that is
 * @current:     the same, for bios; NULL for none
 * @lock:        guards what follows; also against interrupts
 * @state:       changed by enter() alone
 * @reason:      why it is what it is
 * @since:       in seconds of boot time
 * @count:       of the keys it has had
 * @lease_end:   in nanoseconds of boot time, KTIME_MAX without a lease
 * @lease:       comes at @lease_end
 * @untold_active: reason of an announcement that is to be made; NULL: none is
 * @untold_fenced: the same
 * @announcement: makes them
 * @work:        wipes
 * @instance:    one of all that are watched
 */
struct envelope_life {
	struct envelope_generation generations[2];
	unsigned int last;
	struct envelope_generation __rcu *current_generation;
	spinlock_t lock;	/* see above */
	enum envelope_state state;
	const char *reason;
	time64_t since;
	unsigned int count;
	ktime_t lease_end;
	struct hrtimer lease;
	const char *untold_active;
	const char *untold_fenced;
	struct work_struct announcement;
	struct work_struct work;
	struct list_head instance;
};

int envelope_life_init(struct envelope *env);
void envelope_life_exit(struct envelope *env);
struct envelope_generation *envelope_life_next(struct envelope *env);
void envelope_life_begin(struct envelope *env, struct key *key);
int envelope_lease_renew(struct envelope *env, unsigned int seconds);
unsigned int envelope_lease_left(struct envelope *env);
void envelope_fence(struct envelope *env, const char *reason);
struct envelope_generation *envelope_generation_get(struct envelope *env);
dev_t envelope_life_find_key(void);
void envelope_life_restored(unsigned int seconds);
time64_t envelope_life_restored_at(void);
const char *envelope_state_name(enum envelope_state state);
int envelope_fence_module_init(void);
void envelope_fence_module_exit(void);

/**
 * envelope_generation_put() - a bio is not converted any more
 * @generation: as envelope_generation_get() gave it
 */
static inline void envelope_generation_put(struct envelope_generation *generation)
{
	percpu_ref_put(&generation->users);
}

/* -hibernate.c */

bool envelope_hibernate_hold_off(void);
void envelope_hibernate_allow(void);
int envelope_hibernate_module_init(void);
void envelope_hibernate_module_exit(void);

/* -restore.c */

int envelope_restore_module_init(void);
void envelope_restore_module_exit(void);

/* -hold.c */

/**
 * struct envelope_hold - bios that wait for another key
 * @begun:         struct envelope_io that have all that they need
 * @fresh:         struct envelope_io as they came
 * @count:         of both
 * @suspending:    none is to wait any more, since the device is suspended or removed
 * @over:          nor any, since there was no key for too long
 * @release_begun: takes up all @begun
 * @release_fresh: takes up all @fresh, which may wait for what the others have
 * @workqueue:     for @release_fresh
 * @timeout:       says that it is @over
 */
struct envelope_hold {
	struct llist_head begun;
	struct llist_head fresh;
	atomic_t count;
	bool suspending;
	bool over;
	struct work_struct release_begun;
	struct work_struct release_fresh;
	struct workqueue_struct *workqueue;
	struct delayed_work timeout;
};

int envelope_hold_init(struct envelope *env, const char *name);
void envelope_hold_exit(struct envelope *env);
bool envelope_hold_wants(const struct envelope *env, const struct bio *bio);
void envelope_hold_io(struct envelope_io *io);
void envelope_hold_fenced(struct envelope *env);
void envelope_hold_unfenced(struct envelope *env);
void envelope_hold_policy(struct envelope *env, enum envelope_on_key_loss policy);
void envelope_hold_release(struct envelope *env);
void envelope_hold_suspend(struct envelope *env, bool suspending);

/* -target.c */

/**
 * struct envelope - one target
 * @lock:           held by messages and by who asks for the status: for what they change
 * @ti:             what device-mapper knows of it
 * @dev:            the device below
 * @table:          its table line; @table.key changes with `key set`
 * @xts:            one of its two ciphers, for what both have in common
 * @hmac:           for key checks; holds no key between them
 * @life:           of its keys
 * @hold:           bios that wait for a key
 * @live:           it was resumed
 * @bounce:         memory for writes
 * @scratch:        pages for sectors that lie scattered in a read bio
 * @workqueue:      for what cannot be converted where it completes
 * @spread:         which CPU is given work, per CPU
 * @spread_min:     the shortest bio that is given away, in bytes
 * @stats:          per CPU
 */
struct envelope {
	struct mutex lock;	/* see above */
	struct dm_target *ti;
	struct dm_dev *dev;
	struct envelope_table table;
	struct envelope_xts *xts;
	struct crypto_shash *hmac;
	struct envelope_life life;
	struct envelope_hold hold;
	bool live;
	struct envelope_bounce bounce;
	mempool_t scratch;
	struct workqueue_struct *workqueue;
	struct envelope_spread __percpu *spread;
	unsigned int spread_min;
	struct envelope_stats __percpu *stats;
};

/* -key.c */

int envelope_key_check(struct crypto_shash *hmac, const u8 *key, unsigned int size,
		       u8 check[ENVELOPE_CHECK_SIZE]);
int envelope_key_set(struct envelope *env, const struct envelope_keyspec *spec, char **error);

/* -io.c */

int envelope_map(struct dm_target *ti, struct bio *bio);
int envelope_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error);
void envelope_io_proceed(struct work_struct *work);
void envelope_io_converted(struct envelope_io *io, int error);
void envelope_io_retry(struct envelope_io *io);
void envelope_io_module_init(void);
void envelope_io_module_exit(void);

/* -trace.c */

dev_t envelope_trace_dev(const struct envelope *env);

#endif
