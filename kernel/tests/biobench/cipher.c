// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bare cipher: sectors converted in place, with no block layer around them.
 */
#include <linux/bvec.h>
#include <linux/ktime.h>
#include <linux/mm.h>

#include "../../dm-envelope.h"
#include "biobench.h"

static int convert(struct envelope_xts *xts, const struct biobench_cell *cell, struct page *pages,
		   u64 *ns)
{
	u64 begin = ktime_get_ns(), iv = 0;
	unsigned int i, at;
	int r = 0;

	for (i = 0; !r && i < cell->count; i++) {
		for (at = 0; !r && at < cell->size; at += BIOBENCH_SECTOR) {
			struct bio_vec place;

			bvec_set_page(&place, pages, BIOBENCH_SECTOR, at);
			r = envelope_xts_crypt(xts, NULL, cell->write, iv++, &place, &place,
					       BIOBENCH_SECTOR);
		}
	}
	*ns = ktime_get_ns() - begin;
	return r;
}

/**
 * biobench_cipher() - measure the cipher that the target would take
 * @cell: of it, @cell->depth and @cell->jobs do not matter
 * @ns:   of all
 *
 * Return: 0 or -errno.
 */
int biobench_cipher(const struct biobench_cell *cell, u64 *ns)
{
	unsigned int order = get_order(cell->size);
	struct page *pages = alloc_pages(GFP_KERNEL | __GFP_COMP, order);
	struct envelope_xts *xts = envelope_xts_alloc();
	int r = pages ? PTR_ERR_OR_ZERO(xts) : -ENOMEM;

	if (!r)
		r = envelope_xts_check(xts);	/* leaves it with a key */
	if (!r && !envelope_xts_is_synchronous(xts))
		r = -EOPNOTSUPP;
	if (!r)
		r = convert(xts, cell, pages, ns);
	if (!IS_ERR(xts))
		envelope_xts_free(xts);
	if (pages)
		__free_pages(pages, order);
	return r;
}
