/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shrinkers: allocated by the kernel since 6.7, part of the caller's memory before.
 */
#ifndef DM_ENVELOPE_COMPAT_SHRINKER_H
#define DM_ENVELOPE_COMPAT_SHRINKER_H

#include <linux/shrinker.h>

typedef unsigned long (*envelope_shrinker_fn)(struct shrinker *, struct shrink_control *);

/**
 * envelope_shrinker_register() - have the kernel ask for memory when it is short
 * @name:  shown in debugfs
 * @count: says how much there is
 * @scan:  gives it back
 *
 * One at a time. Return: for envelope_shrinker_unregister(), or NULL.
 */
static inline struct shrinker *envelope_shrinker_register(const char *name,
							  envelope_shrinker_fn count,
							  envelope_shrinker_fn scan)
{
#ifdef SHRINKER_ALLOCATED
	struct shrinker *shrinker = shrinker_alloc(0, "%s", name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
	shrinker_register(shrinker);
	return shrinker;
#else
	static struct shrinker shrinker;

	shrinker = (struct shrinker){
		.count_objects = count,
		.scan_objects = scan,
		.seeks = DEFAULT_SEEKS,
	};
	return register_shrinker(&shrinker, "%s", name) ? NULL : &shrinker;
#endif
}

/**
 * envelope_shrinker_unregister() - not any more
 * @shrinker: registered
 */
static inline void envelope_shrinker_unregister(struct shrinker *shrinker)
{
#ifdef SHRINKER_ALLOCATED
	shrinker_free(shrinker);
#else
	unregister_shrinker(shrinker);
#endif
}

#endif
