#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
crash.py work DIRECTORY MARK COUNT SEED: write to a file system, and promise after each sync, by
    "dmsetup message MARK 0 mark N", what must be there whatever happens later.
crash.py check LOG DISK COW TABLE COUNT SEED: replay to DISK what dm-log-writes has in LOG. Wherever
    something was flushed, and before the next write: map DISK with TABLE, as if the machine had
    stopped there. Half of the times some of what had not been flushed has reached the disk, too.
    The file system must be in order, and all be there that was promised. Prints how many points
    were looked at.

COUNT and SEED tell what "work" does, so "check" knows it. TABLE has @ where the disk's path goes.
"""

import hashlib
import itertools
import mmap
import os
import random
import struct
import subprocess
import sys
import threading

BLOCK = 4096
BLOCKS = 32  # of the file that is overwritten in place
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8  # drivers/md/dm-log-writes.c
MAGIC = 0x6A736677736872
FOUND = "/run/found"


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def content(number, size):
    return hashlib.shake_128(b"%d" % number).digest(size)


def size_of(number, seed):
    return random.Random(f"{seed} {number}").randrange(1, 40000)


def kind_of(number):
    return ("file", "block", "current", "record")[number % 4]


def block_of(number, seed):
    return random.Random(f"{seed} {number}").randrange(BLOCKS)


def block_content(number):
    return struct.pack("<Q", number) + content(number, BLOCK - 8)


def record(number):
    return b"%-99d\n" % number


class Work:
    """What is written, and synced, before it is promised."""

    def __init__(self, directory, seed):
        self.directory, self.seed = directory, seed
        self.folder = os.open(directory, os.O_RDONLY)
        self.blocks = self.open("blocks", os.O_RDWR | os.O_CREAT | os.O_DSYNC)
        for block in range(BLOCKS):
            os.pwrite(self.blocks, block_content(0), block * BLOCK)
        os.close(self.blocks)
        self.blocks = self.open("blocks", os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
        self.records = self.open("records", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.fsync(self.folder)

    def open(self, name, flags):
        return os.open(os.path.join(self.directory, name), flags, 0o600)

    def write(self, name, number):
        file = self.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(file, content(number, size_of(number, self.seed)))
        os.fsync(file)
        os.close(file)

    def file(self, number):
        self.write(f"file-{number}", number)
        os.fsync(self.folder)

    def block(self, number):
        page = mmap.mmap(-1, BLOCK)
        page[:] = block_content(number)
        os.pwritev(self.blocks, [page], block_of(number, self.seed) * BLOCK)

    def current(self, number):
        self.write("next", number)
        os.rename(os.path.join(self.directory, "next"), os.path.join(self.directory, "current"))
        os.fsync(self.folder)

    def record(self, number):
        os.write(self.records, record(number))
        os.fdatasync(self.records)


def noise(directory, stop):
    """What nobody syncs, so that there is always more under way."""
    number = 0
    while not stop.wait(0.01):
        path = os.path.join(directory, f"noise-{number % 8}")
        if os.path.exists(path) and number % 3:
            os.unlink(path)
        else:
            with open(path, "ab") as file:
                file.write(content(number, 30000))
        number += 1


def work(directory, mark, count, seed):
    stop = threading.Event()
    writer = threading.Thread(target=noise, args=(directory, stop))
    it = Work(directory, seed)
    writer.start()
    try:
        for number in range(int(count) + 1):
            if number:
                getattr(it, kind_of(number))(number)
            run("dmsetup", "message", mark, "0", "mark", str(number))
    finally:
        stop.set()
        writer.join()


def read(directory, name):
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


def check_blocks(directory, promised, count, seed):
    """Each block is as one of its writes made it: the last one that was promised, or a later one."""
    data = read(directory, "blocks")
    for block in range(BLOCKS):
        mine = [n for n in range(1, count + 1) if kind_of(n) == "block" and block_of(n, seed) == block]
        least = max([n for n in mine if n <= promised], default=0)
        found = data[block * BLOCK:(block + 1) * BLOCK]
        number = struct.unpack_from("<Q", found)[0]
        if number < least or number not in [0] + mine or found != block_content(number):
            raise ValueError(f"block {block} is not that of {least}, or a later one: {number}")


def check_current(directory, promised, count, seed):
    promises = [n for n in range(1, promised + 1) if kind_of(n) == "current"]
    if not promises:
        return
    found = read(directory, "current")
    later = [n for n in range(promises[-1], count + 1) if kind_of(n) == "current"]
    if all(found != content(n, size_of(n, seed)) for n in later):
        raise ValueError(f"current is not that of {promises[-1]}, or a later one")


def check_files(directory, promised, seed):
    for number in range(1, promised + 1):
        if kind_of(number) == "file" and \
                read(directory, f"file-{number}") != content(number, size_of(number, seed)):
            raise ValueError(f"file-{number} is not what was written")


def check_records(directory, promised):
    wanted = b"".join(record(n) for n in range(1, promised + 1) if kind_of(n) == "record")
    if not read(directory, "records").startswith(wanted):
        raise ValueError("a record is missing")


def check_promises(directory, promised, count, seed):
    check_files(directory, promised, seed)
    check_blocks(directory, promised, count, seed)
    check_current(directory, promised, count, seed)
    check_records(directory, promised)


def entries(path):
    """Of dm-log-writes: flags, offset, data. That of a mark is its text; what is discarded is anything."""
    with open(path, "rb") as log:
        magic, _, count, sector = struct.unpack("<QQQI", log.read(28))
        if magic != MAGIC:
            raise ValueError(f"{path}: not a log of dm-log-writes")
        at = sector
        for _ in range(count):
            log.seek(at)
            head = log.read(sector)
            first, sectors, flags, length = struct.unpack_from("<QQQQ", head)
            at += sector
            if flags & MARK:
                data = head[32:32 + length]
            elif flags & DISCARD:
                data = b"\xa5" * (sectors * sector)
            else:
                data = log.read(sectors * sector)
                at += len(data)
            yield flags, first * sector, data


def epochs(path):
    """The writes from one flush to the next, and what was promised by then: at first, nothing at all."""
    writes, promised = [], -1
    for flags, offset, data in entries(path):
        if flags & MARK:
            promised = int(data) if data.isdigit() else promised
            continue
        if writes and ended:
            yield writes, promised
            writes = []
        if data:
            writes.append((offset, data))
        ended = flags & (FLUSH | FUA)
    yield writes, promised


def apply(path, writes):
    with open(path, "r+b", buffering=0) as disk:
        for offset, data in writes:
            os.pwrite(disk.fileno(), data, offset)
        os.fsync(disk.fileno())


class Stopped:
    """The disk as it is found after the machine stopped: changes to it go elsewhere."""

    def __init__(self, disk, cow):
        with open(disk, "rb") as file:
            self.table = f"0 {file.seek(0, os.SEEK_END) // 512} snapshot {disk} {cow} N 8"

    def __enter__(self):
        run("dmsetup", "create", "stopped", "--table", self.table)
        return "/dev/mapper/stopped"

    def __exit__(self, *_):
        run("dmsetup", "remove", "--retry", "stopped")


def look(path, table, promises):
    run("dmsetup", "create", "found", "--table", table.replace("@", path))
    try:
        os.makedirs(FOUND, exist_ok=True)
        run("mount", "-o", "ro", "/dev/mapper/found", FOUND)
        try:
            check_promises(FOUND, *promises)
        finally:
            run("umount", FOUND)
        run("e2fsck", "-fn", "/dev/mapper/found")
    finally:
        run("dmsetup", "remove", "--retry", "found")


def check(log, disk, cow, table, count, seed):
    chance, point = random.Random(seed), 0
    for (writes, promised), (later, _) in itertools.pairwise(itertools.chain(epochs(log), [([], -1)])):
        apply(disk, writes)
        if promised < 0:
            continue
        point += 1
        some = [one for one in later if chance.random() < 0.5] if chance.random() < 0.5 else []
        with Stopped(disk, cow) as path:
            apply(path, some)
            try:
                look(path, table, (promised, int(count), seed))
            except (OSError, ValueError, subprocess.CalledProcessError) as error:
                output = getattr(error, "output", None) or b""
                sys.exit(f"point {point}, {promised} promised, {len(some)} writes more: {error}\n{output.decode()}")
    print(f"{point} points")


if __name__ == "__main__":
    {"work": work, "check": check}[sys.argv[1]](*sys.argv[2:])
