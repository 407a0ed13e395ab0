#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: report.py DIRECTORY <SAMPLES: tables for people, DIRECTORY/results.json for programs,
DIRECTORY/*.svg to look at.

A sample is a line: kernel host backing device op engine bs sector qd jobs devices metric value.
"""

import collections
import json
import os
import statistics
import subprocess
import sys

FIELDS = ["kernel", "host", "backing", "device", "op", "engine", "bs", "sector", "qd", "jobs",
          "devices", "metric"]
NUMBERS = {"bs", "sector", "qd", "jobs", "devices"}
DEVICES = ["raw", "linear", "crypt", "crypt-tuned", "envelope"]
TWIN = "crypt-tuned-twin"  # a table like another one, which shows the noise
LEAST = {"instructions", "ns", "irqs_off_ns", "preempt_off_ns"}


def read_samples(lines):
    samples = collections.defaultdict(list)
    for line in lines:
        *words, value = line.split()
        key = tuple(int(w) if f in NUMBERS else w for f, w in zip(FIELDS, words, strict=True))
        samples[key].append(int(value))
    return samples


def to_rows(samples):
    return [dict(zip(FIELDS, key)) | {"min": min(values), "median": int(statistics.median(values)),
                                      "n": len(values)} for key, values in samples.items()]


class Cells:
    """The rows of all devices, by what they were measured with."""

    def __init__(self, rows):
        self.cells = collections.defaultdict(dict)
        for row in rows:
            self.cells[self.key_of(row)][row["device"]] = row

    @staticmethod
    def key_of(row):
        return tuple(row[f] for f in FIELDS if f != "device")

    def find(self, **wanted):
        names = [f for f in FIELDS if f != "device"]
        for key, devices in self.cells.items():
            cell = dict(zip(names, key))
            if all(cell[name] == value for name, value in wanted.items()):
                yield cell, devices


def value(row):
    """What recurs with each request is seen in each round: the least is the truth. Else the median."""
    return row["min"] if row["metric"] in LEAST else row["median"]


def ratio(devices, other):
    if "envelope" not in devices or other not in devices or not value(devices[other]):
        return None
    return value(devices["envelope"]) / value(devices[other])


def print_cells(cells, host, metric):
    shown = False
    for cell, devices in cells.find(host=host, metric=metric):
        if not shown:
            print(f"\n{host}, {metric}\n{'':<66}" + "".join(f"{d:>12}" for d in DEVICES) +
                  f"{'/crypt':>8}{'/tuned':>8}")
            shown = True
        name = "{kernel} {backing} {op} {engine} bs {bs} sector {sector} qd {qd} jobs {jobs} x{devices}"
        if "envelope" not in devices:
            continue
        line = f"{name.format(**cell):<66}"
        line += "".join(f"{value(devices[d]) if d in devices else '-':>12}" for d in DEVICES)
        for other in ("crypt", "crypt-tuned"):
            r = ratio(devices, other)
            line += f"{r:>8.2f}" if r is not None else f"{'-':>8}"
        print(line)


def print_overhead(cells):
    """What a request costs above what cannot be spared: dm-linear, and the bare cipher."""
    print("\n4 KiB, depth 1, ramdisk: above dm-linear + the bare cipher")
    for metric, host in (("instructions", "icount"), ("ns", "uml")):
        for cell, devices in cells.find(host=host, metric=metric, backing="brd", engine="kernel", bs=4096,
                                        sector=4096, qd=1, jobs=1):
            if not {"cipher", "linear", "crypt-tuned", "envelope"} <= set(devices):
                continue
            floor = value(devices["linear"]) + value(devices["cipher"])
            over = {d: value(devices[d]) - floor for d in ("crypt-tuned", "envelope")}
            print(f"{host} {cell['kernel']:<5} {cell['op']:<6} floor {floor:>6} {metric}, crypt-tuned "
                  f"+{over['crypt-tuned']}, envelope +{over['envelope']}: "
                  f"{over['envelope'] / max(over['crypt-tuned'], 1):.2f} of it")


def print_noise(cells):
    for cell, devices in cells.find(host="uml", metric="ns"):
        if TWIN in devices:
            r = value(devices[TWIN]) / value(devices["crypt-tuned"])
            print(f"uml noise, two tables alike: {cell['op']} bs {cell['bs']} qd {cell['qd']}: {r:.3f}")


def plot(directory, name, title, label, groups, cells_of_groups):
    """Bars: a group for each cell, a bar in it for each device."""
    lines = ["x " + " ".join(DEVICES)]
    for group, devices in zip(groups, cells_of_groups):
        lines.append(f'"{group}" ' + " ".join(str(value(devices[d])) if d in devices else "0" for d in DEVICES))
    script = f"""
set terminal svg size 900,420 font "sans,12" background "white"
set output "{os.path.join(directory, name)}.svg"
set title "{title}"
set ylabel "{label}"
set style data histograms
set style fill solid 0.8 border -1
set key outside
set yrange [0:*]
plot for [i=2:{len(DEVICES) + 1}] "-" using i:xtic(1) title columnheader(i)
""" + ("\n".join(lines) + "\ne\n") * len(DEVICES)
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def plots(directory, cells):
    wanted = [
        ("icount-4k", "instructions for 4 KiB, ramdisk, depth 1", "instructions",
         dict(host="icount", metric="instructions", backing="brd", engine="kernel", bs=4096, sector=4096, qd=1,
              jobs=1), "{kernel} {op}"),
        ("uml-ns", "ns for a request, ramdisk, depth 1, User Mode Linux", "ns",
         dict(host="uml", metric="ns", qd=1, jobs=1, bs=4096), "{op} {bs}"),
        ("smp-mbps", "MB/s, ramdisk, one submitter, two CPUs", "MB/s",
         dict(host="smp", metric="mbps", backing="brd", engine="kernel", jobs=1), "{op} {bs} qd {qd}"),
    ]
    for name, title, label, where, group in wanted:
        found = sorted(cells.find(**where), key=lambda each: (each[0]["op"], each[0]["bs"], each[0]["qd"]))
        if found:
            plot(directory, name, title, label, [group.format(**c) for c, _ in found], [d for _, d in found])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows = to_rows(read_samples(sys.stdin))
    with open(os.path.join(sys.argv[1], "results.json"), "w", encoding="ascii") as file:
        json.dump({"rows": [r for r in rows if r["device"] != TWIN],
                   "noise": [r for r in rows if r["device"] == TWIN]}, file, indent=1)
    cells = Cells(rows)
    for host, metric in (("icount", "instructions"), ("icount", "irqs_off_ns"), ("icount", "preempt_off_ns"),
                         ("uml", "ns"), ("smp", "mbps"), ("smp", "p50_us"), ("smp", "p99_us"), ("smp", "p999_us"),
                         ("smp", "punts")):
        print_cells(cells, host, metric)
    print_overhead(cells)
    print_noise(cells)
    plots(sys.argv[1], cells)


if __name__ == "__main__":
    main()
