/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the drivers expect of x86 and User Mode Linux does not have: whether a CPU is one of theirs.
 */
#ifndef X86_FOR_UML_H
#define X86_FOR_UML_H

#ifndef __ASSEMBLY__
#include <asm/cpu_device_id.h>
#include <asm/cpufeature.h>
#define x86_match_cpu(ids) (boot_cpu_has(X86_FEATURE_AES) ? (ids) : NULL)
#endif

#endif
