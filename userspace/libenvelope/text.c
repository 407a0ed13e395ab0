// SPDX-License-Identifier: GPL-2.0-or-later
#include "text.h"

#include <stddef.h>
#include <stdint.h>

/* The first byte of a character of so many bytes; what it stands for is at least @min */
static const struct {
	uint8_t mask, first;
	uint32_t min;
} kinds[] = {
	{ 0x80, 0x00, ' ' },
	{ 0xe0, 0xc0, 0xa0 }, /* above C1, the other control characters */
	{ 0xf0, 0xe0, 0x800 },
	{ 0xf8, 0xf0, 0x10000 },
};

static bool printable(uint32_t character)
{
	return character != 0x7f && (character < 0xd800 || character > 0xdfff) &&
	       character <= 0x10ffff;
}

/* Return: the bytes of the character that a text begins with; 0 where it is none */
static size_t character_size(const char *text)
{
	const uint8_t *bytes = (const uint8_t *)text;
	uint32_t character;
	size_t n = 0;

	while (n < sizeof(kinds) / sizeof(*kinds) && (bytes[0] & kinds[n].mask) != kinds[n].first)
		n++;
	if (n == sizeof(kinds) / sizeof(*kinds))
		return 0;
	character = bytes[0] & (uint8_t)~kinds[n].mask;
	for (size_t i = 1; i <= n; i++) {
		if ((bytes[i] & 0xc0) != 0x80) /* which the end of the text is not either */
			return 0;
		character = character << 6 | (bytes[i] & 0x3f);
	}
	return character >= kinds[n].min && printable(character) ? n + 1 : 0;
}

bool envelope_text_valid(const char *text)
{
	size_t size;

	while (*text && (size = character_size(text)))
		text += size;
	return !*text;
}

void envelope_text_clean(char *text)
{
	while (*text) {
		size_t size = character_size(text);

		if (!size)
			*text = '?';
		text += size ? size : 1;
	}
}
