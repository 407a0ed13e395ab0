// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: vectors STOP: hold values in all vector registers, again and again until there is a file
 * STOP, and see that they are still there: whatever the kernel does with these meanwhile, it must
 * put them back.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REGISTERS 16
#define SPIN	  20000 /* times around while they are held: some 10 µs, and more in an emulator */

struct registers {
	uint64_t words[REGISTERS][4] __attribute__((aligned(32)));
};

#define EACH(x)                                                                                    \
	x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9) x(10) x(11) x(12) x(13) x(14) x(15)
#define LOAD(n)	 "vmovdqa " #n "*32(%[in]), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqa %%ymm" #n ", " #n "*32(%[out])\n\t"

__attribute__((target("avx"))) static void hold(const struct registers *in, struct registers *out)
{
	unsigned long spin = SPIN;

	asm volatile(EACH(LOAD) "1:\n\tdec %[spin]\n\tjnz 1b\n\t" EACH(STORE) "vzeroupper"
		     : [spin] "+r"(spin)
		     : [in] "r"(in), [out] "r"(out)
		     : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static void check(const struct registers *in, const struct registers *out, unsigned long rounds)
{
	int i;

	for (i = 0; i < REGISTERS; i++) {
		if (!memcmp(in->words[i], out->words[i], sizeof(in->words[i])))
			continue;
		printf("vectors: after %lu rounds register %d is %016llx%016llx…\n", rounds, i,
		       (unsigned long long)out->words[i][0], (unsigned long long)out->words[i][1]);
		exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	static struct registers in, out;
	unsigned long rounds;

	if (argc != 2 || !__builtin_cpu_supports("avx")) {
		fprintf(stderr, "usage: vectors STOP, on a CPU with AVX\n");
		return 2;
	}
	for (rounds = 0; access(argv[1], F_OK); rounds++) {
		int i, j;

		for (i = 0; i < REGISTERS; i++)
			for (j = 0; j < 4; j++)
				in.words[i][j] = (rounds << 8 | i << 4 | j) * 0x9e3779b97f4a7c15;
		hold(&in, &out);
		check(&in, &out, rounds);
	}
	printf("vectors: %lu rounds\n", rounds);
	return EXIT_SUCCESS;
}
