// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host program: writes vectors that OpenSSL computed, as headers for the KUnit suites.
 *
 * usage: gen-xts-vectors xts        AES-XTS over sectors of every size
 *        gen-xts-vectors key-check  key checks
 *
 * Keys, IVs and plaintexts come from a keystream, so that each run writes the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define SECTOR_MAX	4096
#define KEY_MAX		64
#define ROUNDS		48	/* of each sector size and key size */
#define EDGES		10	/* of them with an IV at an edge */
#define KEY_CHECKS	32
#define CHECK_SIZE	8
#define CHECK_LABEL	"dm-envelope key check v1"

static void fail(const char *what)
{
	fprintf(stderr, "gen-xts-vectors: OpenSSL: %s failed\n", what);
	exit(EXIT_FAILURE);
}

/* The next bytes of AES-256-CTR under a fixed key */
static void next_bytes(unsigned char *bytes, int size)
{
	static EVP_CIPHER_CTX *stream;
	static const unsigned char key[32] = "dm-envelope XTS vectors";
	static const unsigned char iv[16];
	int n;

	if (!stream) {
		stream = EVP_CIPHER_CTX_new();
		if (!stream || !EVP_EncryptInit_ex(stream, EVP_aes_256_ctr(), NULL, key, iv))
			fail("keystream");
	}
	memset(bytes, 0, size);
	if (!EVP_EncryptUpdate(stream, bytes, &n, bytes, size))
		fail("keystream");
}

/* The edges of 32 and 64 bits first, then any */
static unsigned long long choose_iv(unsigned int round)
{
	static const unsigned long long edges[EDGES] = {
		0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x100000001,
		0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
	};
	unsigned long long iv;

	if (round < EDGES)
		return edges[round];
	next_bytes((unsigned char *)&iv, sizeof(iv));
	return iv;
}

static void encrypt(const unsigned char *key, unsigned int key_size, unsigned long long iv,
		    const unsigned char *plain, unsigned char *cipher, unsigned int size)
{
	const EVP_CIPHER *algorithm = key_size == 32 ? EVP_aes_128_xts() : EVP_aes_256_xts();
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	unsigned char tweak[16] = { 0 };
	unsigned int i;
	int n;

	for (i = 0; i < sizeof(iv); i++)
		tweak[i] = iv >> (8 * i);
	if (!context || !EVP_EncryptInit_ex(context, algorithm, NULL, key, tweak) ||
	    !EVP_EncryptUpdate(context, cipher, &n, plain, size) || n != (int)size)
		fail("AES-XTS");
	EVP_CIPHER_CTX_free(context);
}

static void print_bytes(const unsigned char *bytes, unsigned int size)
{
	unsigned int i;

	printf("\t\t(const u8 []){");
	for (i = 0; i < size; i++)
		printf("%s0x%02x,", i % 16 ? " " : "\n\t\t\t", bytes[i]);
	printf("\n\t\t},\n");
}

static void print_xts_vector(unsigned int round, unsigned int key_size, unsigned int size)
{
	unsigned char key[KEY_MAX], plain[SECTOR_MAX], cipher[SECTOR_MAX];
	unsigned long long iv = choose_iv(round);

	next_bytes(key, key_size);
	next_bytes(plain, size);
	encrypt(key, key_size, iv, plain, cipher, size);
	printf("\t{\n\t\t%u, %u, 0x%llxULL,\n", key_size, size, iv);
	print_bytes(key, key_size);
	print_bytes(plain, size);
	print_bytes(cipher, size);
	printf("\t},\n");
}

static void print_key_check(unsigned int key_size)
{
	unsigned char key[KEY_MAX], digest[EVP_MAX_MD_SIZE];

	next_bytes(key, key_size);
	if (!HMAC(EVP_sha256(), key, key_size, (const unsigned char *)CHECK_LABEL,
		  strlen(CHECK_LABEL), digest, NULL))
		fail("HMAC-SHA-256");
	printf("\t{\n\t\t%u,\n", key_size);
	print_bytes(key, key_size);
	print_bytes(digest, CHECK_SIZE);
	printf("\t},\n");
}

static void print_xts_vectors(void)
{
	unsigned int round, key_size, size;

	printf("static const struct xts_vector openssl_xts_vectors[] = {\n");
	for (size = 512; size <= SECTOR_MAX; size *= 2)
		for (key_size = 32; key_size <= KEY_MAX; key_size *= 2)
			for (round = 0; round < ROUNDS; round++)
				print_xts_vector(round, key_size, size);
	printf("};\n");
}

static void print_key_checks(void)
{
	unsigned int round;

	printf("static const struct key_check_vector openssl_key_checks[] = {\n");
	for (round = 0; round < KEY_CHECKS; round++)
		print_key_check(round % 2 ? 32 : KEY_MAX);
	printf("};\n");
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	printf("/* Computed by OpenSSL. */\n\n");
	if (!strcmp(what, "xts")) {
		print_xts_vectors();
	} else if (!strcmp(what, "key-check")) {
		print_key_checks();
	} else {
		fprintf(stderr, "usage: gen-xts-vectors xts|key-check\n");
		return EXIT_FAILURE;
	}

	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "gen-xts-vectors: cannot write: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
