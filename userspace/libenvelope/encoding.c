// SPDX-License-Identifier: GPL-2.0-or-later
/* LP() and U64() of Documentation/on-disk-format.rst, and base64. */
#include "crypto.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "secret.h"

#define BYTES_FIRST_ROOM 512

static int make_room(struct envelope_bytes *b, size_t more)
{
	size_t room = b->room ? b->room : BYTES_FIRST_ROOM;
	uint8_t *data;

	if (b->failed)
		return b->failed;
	if (b->room - b->size >= more)
		return 0;
	while (room - b->size < more)
		room *= 2;

	/* Not realloc(), which may leave a copy behind */
	data = malloc(room);
	if (!data) {
		b->failed = -ENOMEM;
		return b->failed;
	}
	if (b->size)
		envelope_secret_copy(data, b->data, b->size);
	if (b->data)
		envelope_secret_wipe(b->data, b->size);
	free(b->data);
	b->data = data;
	b->room = room;
	return 0;
}

void envelope_bytes_lp(struct envelope_bytes *b, const void *data, size_t size)
{
	if (make_room(b, 4 + size) < 0)
		return;
	b->data[b->size++] = (uint8_t)(size >> 24);
	b->data[b->size++] = (uint8_t)(size >> 16);
	b->data[b->size++] = (uint8_t)(size >> 8);
	b->data[b->size++] = (uint8_t)size;
	if (size)
		envelope_secret_copy(b->data + b->size, data, size);
	b->size += size;
}

void envelope_bytes_lp_text(struct envelope_bytes *b, const char *text)
{
	envelope_bytes_lp(b, text, strlen(text));
}

void envelope_bytes_lp_u64(struct envelope_bytes *b, uint64_t value)
{
	uint8_t big_endian[8];

	for (int i = 7; i >= 0; i--, value >>= 8)
		big_endian[i] = (uint8_t)value;
	envelope_bytes_lp(b, big_endian, sizeof(big_endian));
}

void envelope_bytes_free(struct envelope_bytes *b)
{
	if (b->data)
		envelope_secret_wipe(b->data, b->size);
	free(b->data);
	*b = (struct envelope_bytes) { 0 };
}

char *envelope_base64_encode(const void *data, size_t size)
{
	char *text = malloc((size + 2) / 3 * 4 + 1);

	if (text)
		EVP_EncodeBlock((unsigned char *)text, data, (int)size);
	return text;
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/*
 * Four characters to @keep bytes. OpenSSL's decoder takes white space and text that no
 * encoder writes; two texts for one value would be two tokens for one seal.
 */
static int decode_group(const char *text, int keep, uint8_t out[3])
{
	uint32_t bits = 0;

	for (int i = 0; i < 4; i++) {
		int value = i <= keep ? digit(text[i]) : 0;

		if (value < 0 || (i > keep && text[i] != '='))
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
	}
	out[0] = (uint8_t)(bits >> 16);
	out[1] = (uint8_t)(bits >> 8);
	out[2] = (uint8_t)bits;
	for (int i = keep; i < 3; i++)
		if (out[i]) /* not canonical */
			return -EINVAL;
	return 0;
}

int envelope_base64_decode(const char *text, uint8_t *out, size_t room, size_t *size)
{
	size_t length = strlen(text);

	*size = 0;
	if (length % 4)
		return -EINVAL;
	for (size_t i = 0; i < length; i += 4) {
		int keep = 3;
		uint8_t group[3];

		if (i + 4 == length && text[i + 3] == '=')
			keep = text[i + 2] == '=' ? 1 : 2;
		if (decode_group(text + i, keep, group) < 0)
			return -EINVAL;
		if (room - *size < (size_t)keep)
			return -E2BIG;
		memcpy(out + *size, group, (size_t)keep);
		*size += (size_t)keep;
	}
	return 0;
}
