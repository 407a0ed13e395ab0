#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: report.py KERNEL SAMPLES RESULTS: samples to a table for people and JSON for programs."""

import collections
import json
import statistics
import sys

DEVICES = ["raw", "linear", "crypt", "crypt-tuned", "envelope"]


def read_samples(path):
    samples = collections.defaultdict(list)
    with open(path, encoding="ascii") as file:
        for line in file:
            _, device, op, value = line.split()
            samples[device, op].append(int(value))
    return samples


def rows(kernel, samples):
    for (device, op), values in samples.items():
        yield {"kernel": kernel, "host": "icount", "backing": "brd", "device": device, "op": op,
               "engine": "psync", "bs": 4096, "sector": 4096, "qd": 1, "jobs": 1,
               "metric": "instructions", "min": min(values),
               "median": int(statistics.median(values)), "n": len(values)}


def print_table(samples):
    best = {key: min(values) for key, values in samples.items()}
    print("4 KiB, queue depth 1, on a ramdisk: instructions per I/O (and over dm-crypt tuned)\n")
    print(f"{'device':<12} {'read':>16} {'write':>16}")
    for device in DEVICES:
        cells = []
        for op in ("read", "write"):
            ratio = best[device, op] / best["crypt-tuned", op]
            cells.append(f"{best[device, op]:>8} ({ratio:.2f})")
        print(f"{device:<12} {cells[0]:>16} {cells[1]:>16}")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    samples = read_samples(sys.argv[2])
    with open(sys.argv[3], "w", encoding="ascii") as file:
        json.dump({"rows": list(rows(sys.argv[1], samples))}, file, indent=1)
    print_table(samples)


if __name__ == "__main__":
    main()
