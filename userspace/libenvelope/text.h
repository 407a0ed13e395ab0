/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sentences of strangers, which people read on terminals and programs as JSON. */
#ifndef ENVELOPE_TEXT_H
#define ENVELOPE_TEXT_H

#include <stdbool.h>

/** envelope_text_valid() - is all of this UTF-8, and no character of it a control character? */
bool envelope_text_valid(const char *text);

/** envelope_text_clean() - put a question mark for each byte that makes a text invalid */
void envelope_text_clean(char *text);

#endif
