#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Look for the secrets of a volume where none may be.

usage: scan.py DEVICE KEYSTORE process PID | file PATH | text

The secrets are what recover.py makes of DEVICE and KEYSTORE: the data key, the slot secret,
the KEK and the root key; raw, and as text (hexadecimal, base64). They are looked for in all
memory of a process, in a file, or in standard input. Prints what is found, and where; exit
status 1 then. With WITNESS_TEXT in the environment that text must be found too, which shows
that the search works.
"""

import base64
import os
import sys

from recover import KeyStore, check_digest, open_slot, read_header, unwrap_share


def secrets_of(device, keystore):
    store = KeyStore(keystore)
    with open(device, "rb") as disk:
        uuid, metadata = read_header(disk)
    segment = metadata["segments"]["0"]
    secrets = {"wrap key": store.wrap_key, "MAC key": store.mac_key}
    with open(os.path.join(keystore, "root.key"), "rb") as file:
        secrets["root key"] = file.read()
    for token in metadata["tokens"].values():
        share = token["shares"][0]
        secrets["KEK"] = store.kek(share["kek"], share["version"])
        secrets["slot secret"] = unwrap_share(token, share, store)
        secrets["data key"] = open_slot(token, uuid, segment, store)
        check_digest(metadata, secrets["data key"])
    return secrets


def needles(secrets):
    """Half a key is as bad as a key; and XTS keys are two of them."""
    for name, secret in secrets.items():
        for half in (secret[:16], secret[-16:]):
            yield name, half
            yield name + " in hexadecimal", half.hex().encode()
        yield name + " in base64", base64.b64encode(secret)[:20]


def chunks_of_process(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            words = line.split()
            begin, end = (int(x, 16) for x in words[0].split("-"))
            if "r" not in words[1] or words[-1] in ("[vvar]", "[vsyscall]"):
                continue
            mem.seek(begin)
            try:
                yield f"{line.strip()}", mem.read(end - begin)
            except OSError:
                continue


def chunks(kind, where):
    if kind == "process":
        yield from chunks_of_process(int(where[0]))
    elif kind == "file":
        with open(where[0], "rb") as file:
            yield where[0], file.read()
    else:
        yield "standard input", sys.stdin.buffer.read()


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    device, keystore, kind, *where = sys.argv[1:]
    wanted = list(needles(secrets_of(device, keystore)))
    control = os.environ.get("WITNESS_TEXT", "").encode()
    found, seen = [], not control
    for name, data in chunks(kind, where):
        seen = seen or control in data
        found += [f"{what} in {name}" for what, needle in wanted if needle in data]
    if not seen:
        sys.exit("the search does not even find what must be there")
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
