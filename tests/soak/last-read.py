#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: last-read DEVICE…

Read all of them in turn, by a few threads, without the page cache, until each fails. Prints a line when all
have been read once, and at the end, for each, when the last read that succeeded came back, ms of boot time,
and how many did.
"""
import mmap
import os
import sys
import threading
import time

SIZE = 4096
REGION = 256  # blocks
names = sys.argv[1:]
n_threads = min(8, len(names))
results = {}
begun = threading.Barrier(n_threads + 1)


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000000


def read_until_they_fail(devices):
    memory = mmap.mmap(-1, SIZE)
    files = {device: os.open(device, os.O_RDONLY | os.O_DIRECT) for device in devices}
    count = 0
    while files:
        for device, fd in list(files.items()):
            try:
                os.preadv(fd, [memory], SIZE * (count % REGION))
                results[device] = (now(), count + 1)
            except OSError:
                del files[device]
        count += 1
        if count == 1:
            begun.wait()


threads = [threading.Thread(target=read_until_they_fail, args=(names[i::n_threads],))
           for i in range(n_threads)]
for thread in threads:
    thread.start()
begun.wait(60)
print("all are read", flush=True)
for thread in threads:
    thread.join()
for name, (last, reads) in sorted(results.items()):
    print(name, last, reads)
