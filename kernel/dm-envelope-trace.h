/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: requests that come and go, and what becomes of keys. They tell what the status
 * tells, and what whoever sends a request knows: no key, and not the name of one.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dm_envelope

#if !defined(DM_ENVELOPE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DM_ENVELOPE_TRACE_H

#include <linux/blktrace_api.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "dm-envelope.h"

#define ENVELOPE_TRACE_RWBS	16	/* as blk_fill_rwbs() writes it */
#define ENVELOPE_TRACE_REASON	16	/* the longest of an envelope_life */

TRACE_EVENT(envelope_request,
	    TP_PROTO(const struct envelope_io *io, const struct envelope *env,
		     const struct bio *bio),
	    TP_ARGS(io, env, bio),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u64, sector)
			     __field(unsigned int, bytes)
			     __array(char, rwbs, ENVELOPE_TRACE_RWBS)
	    ),
	    TP_fast_assign(__entry->dev = envelope_trace_dev(env);
			   __entry->sector = io->sector;
			   __entry->bytes = io->size;
			   blk_fill_rwbs(__entry->rwbs, bio->bi_opf);
	    ),
	    TP_printk("%u:%u %s sector=%llu bytes=%u", MAJOR(__entry->dev), MINOR(__entry->dev),
		      __entry->rwbs, __entry->sector, __entry->bytes)
);

TRACE_EVENT(envelope_request_done,
	    TP_PROTO(const struct envelope_io *io, const struct envelope *env,
		     const struct bio *bio, blk_status_t status),
	    TP_ARGS(io, env, bio, status),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u64, sector)
			     __field(unsigned int, bytes)
			     __field(int, error)
			     __array(char, rwbs, ENVELOPE_TRACE_RWBS)
	    ),
	    TP_fast_assign(__entry->dev = envelope_trace_dev(env);
			   __entry->sector = io->sector;
			   __entry->bytes = io->size;
			   __entry->error = blk_status_to_errno(status);
			   blk_fill_rwbs(__entry->rwbs, bio->bi_opf);
	    ),
	    TP_printk("%u:%u %s sector=%llu bytes=%u error=%d", MAJOR(__entry->dev),
		      MINOR(__entry->dev), __entry->rwbs, __entry->sector, __entry->bytes,
		      __entry->error)
);

TRACE_DEFINE_ENUM(ENVELOPE_ACTIVE);
TRACE_DEFINE_ENUM(ENVELOPE_FENCING);
TRACE_DEFINE_ENUM(ENVELOPE_FENCED);

TRACE_EVENT(envelope_state,
	    TP_PROTO(const struct envelope *env),
	    TP_ARGS(env),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(unsigned int, state)
			     __array(char, reason, ENVELOPE_TRACE_REASON)
	    ),
	    TP_fast_assign(__entry->dev = envelope_trace_dev(env);
			   __entry->state = env->life.state;
			   strscpy(__entry->reason, env->life.reason, ENVELOPE_TRACE_REASON);
	    ),
	    TP_printk("%u:%u %s reason=%s", MAJOR(__entry->dev), MINOR(__entry->dev),
		      __print_symbolic(__entry->state,
				       { ENVELOPE_ACTIVE, "active" },
				       { ENVELOPE_FENCING, "fencing" },
				       { ENVELOPE_FENCED, "fenced" }),
		      __entry->reason)
);

TRACE_EVENT(envelope_key_set,
	    TP_PROTO(const struct envelope *env, int result),
	    TP_ARGS(env, result),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(unsigned int, generation)
			     __field(int, result)
	    ),
	    TP_fast_assign(__entry->dev = envelope_trace_dev(env);
			   __entry->generation = env->life.count;
			   __entry->result = result;
	    ),
	    TP_printk("%u:%u generation=%u result=%d", MAJOR(__entry->dev), MINOR(__entry->dev),
		      __entry->generation, __entry->result)
);

TRACE_EVENT(envelope_lease,
	    TP_PROTO(const struct envelope *env, unsigned int seconds),
	    TP_ARGS(env, seconds),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(unsigned int, seconds)
	    ),
	    TP_fast_assign(__entry->dev = envelope_trace_dev(env);
			   __entry->seconds = seconds;
	    ),
	    TP_printk("%u:%u seconds=%u", MAJOR(__entry->dev), MINOR(__entry->dev),
		      __entry->seconds)
);

#endif

/* Where this file is, Kbuild says */
#include <trace/define_trace.h>
