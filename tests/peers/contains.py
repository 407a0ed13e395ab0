#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: contains.py FILE TEXT: exit 0 where FILE, a disk perhaps, holds TEXT, 1 where not."""

import sys

CHUNK = 8 << 20  # bytes


def contains(path, text):
    tail = b""
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            if text in tail + chunk:
                return True
            tail = chunk[-len(text):]
    return False


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(0 if contains(sys.argv[1], sys.argv[2].encode()) else 1)
