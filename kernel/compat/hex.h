/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hex2bin(): in a header of its own where there is one, else with everything else.
 */
#ifndef DM_ENVELOPE_COMPAT_HEX_H
#define DM_ENVELOPE_COMPAT_HEX_H

#include <linux/kernel.h>
#ifdef __has_include	/* a checker may not have it */
#if __has_include("linux/hex.h")
#include <linux/hex.h>
#endif
#endif

#endif
