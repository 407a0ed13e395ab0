#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: last-read DEVICE…

Read all of them, each by a thread of its own, without the page cache, until each fails. Prints a line
when all have been read once, and at the end, for each, when the last read that succeeded came back, ms of
boot time, and how many did.
"""
import mmap
import os
import sys
import threading
import time

SIZE = 4096
REGION = 256  # blocks
results = {}
begun = threading.Barrier(len(sys.argv))


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000000


def read_until_it_fails(device):
    memory = mmap.mmap(-1, SIZE)
    fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
    last, count = 0, 0
    try:
        while True:
            os.preadv(fd, [memory], SIZE * (count % REGION))
            last, count = now(), count + 1
            if count == 1:
                begun.wait()
    except OSError:
        results[device] = (last, count)


threads = [threading.Thread(target=read_until_it_fails, args=(device,)) for device in sys.argv[1:]]
for thread in threads:
    thread.start()
begun.wait(60)
print("all are read", flush=True)
for thread in threads:
    thread.join()
for device, (last, count) in sorted(results.items()):
    print(device, last, count)
