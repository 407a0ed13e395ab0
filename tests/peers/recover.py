#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Recover a volume's data encryption key without any program of the project.

usage: recover.py DEVICE KEYSTORE >KEY

Written from Documentation/on-disk-format.rst alone, with python3-cryptography.
It writes the raw key to standard output, which must not be a terminal; every
check that the document describes is made, and a failed one ends the program.
"""

import base64
import hashlib
import hmac
import json
import os
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

WITNESS_OFFSET = 16 << 20
LUKS2_SECOND_OFFSETS = [0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000]
TOKEN_MEMBERS = {"type", "keyslots", "format", "uuid", "slot", "created", "threshold", "shares",
                 "salt", "nonce", "dek"}
SHARE_MEMBERS = {"index", "kek", "version", "algorithm", "wrapped", "commitment"}


class Refused(Exception):
    """Something on the disk or in the key store is not as documented."""


def require(condition, what):
    if not condition:
        raise Refused(what)


def lp(data):
    if isinstance(data, str):
        data = data.encode("ascii")
    return struct.pack(">I", len(data)) + data


def u64(number):
    return struct.pack(">Q", number)


def b64(text):
    return base64.b64decode(text, validate=True)


def hkdf(key, salt, info, length=32):
    return HKDF(hashes.SHA256(), length, salt, info).derive(key)


def read_header_copy(disk, offset):
    """One copy of a LUKS2 header: (sequence number, uuid, metadata), None if it is damaged."""
    disk.seek(offset)
    binary = disk.read(4096)
    if len(binary) < 4096 or binary[:6] not in (b"LUKS\xba\xbe", b"SKUL\xba\xbe"):
        return None
    version, size, sequence = struct.unpack(">HQQ", binary[6:24])
    if version != 2 or not 16384 <= size <= 4 << 20:
        return None
    algorithm = binary[72:104].rstrip(b"\0").decode()
    uuid = binary[168:208].rstrip(b"\0").decode()
    disk.seek(offset)
    area = bytearray(disk.read(size))
    checksum = bytes(area[448:512])
    area[448:512] = bytes(64)
    digest = hashlib.new(algorithm, area).digest()
    if digest != checksum[:len(digest)]:
        return None
    text = bytes(area[4096:]).split(b"\0", 1)[0]
    return sequence, uuid, json.loads(text)


def read_header(disk):
    copies = [read_header_copy(disk, offset) for offset in [0] + LUKS2_SECOND_OFFSETS]
    copies = [copy for copy in copies if copy]
    require(copies, "no copy of the LUKS2 header is whole")
    _, uuid, metadata = max(copies, key=lambda copy: copy[0])
    return uuid, metadata


class KeyStore:
    def __init__(self, directory):
        self.directory = directory
        with open(os.path.join(directory, "root.key"), "rb") as file:
            root = file.read()
        require(len(root) == 32, "the root key is not 32 bytes long")
        self.wrap_key = hkdf(root, b"", b"dm-envelope keystore wrap v1")
        self.mac_key = hkdf(root, b"", b"dm-envelope keystore mac v1")

    def kek(self, name, version):
        with open(os.path.join(self.directory, name + ".json"), encoding="ascii") as file:
            kek = json.load(file)
        require(kek["type"] == "envelope-kek" and kek["format"] == 1, "not a KEK file of format 1")
        require(kek["name"] == name, "the KEK file names another KEK")
        text = lp("dm-envelope keystore v1") + lp(name) + lp(kek["created"])
        text += lp(u64(len(kek["versions"])))
        for number, entry in enumerate(kek["versions"], 1):
            require(entry["version"] == number, "KEK versions do not count up from 1")
            text += lp(u64(number)) + lp(entry["created"]) + lp(entry["state"])
            text += lp(b64(entry["wrapped"]))
        mac = hmac.new(self.mac_key, text, hashlib.sha256).digest()
        require(hmac.compare_digest(mac, b64(kek["mac"])), "the KEK file's MAC does not match")
        entry = kek["versions"][int(version) - 1]
        return aes_key_unwrap_with_padding(self.wrap_key, b64(entry["wrapped"]))


def additional_data(token, key_size, sector_size, data_offset):
    data = lp("dm-envelope slot aad v1") + lp(token["type"]) + lp(u64(token["format"]))
    data += lp(token["uuid"]) + lp(u64(token["slot"])) + lp(token["created"])
    data += lp(u64(token["threshold"])) + lp(u64(len(token["shares"])))
    for share in token["shares"]:
        data += lp(u64(share["index"])) + lp(share["kek"]) + lp(share["version"])
        data += lp(share["algorithm"]) + lp(b64(share["wrapped"])) + lp(b64(share["commitment"]))
    data += lp(b64(token["salt"])) + lp(b64(token["nonce"]))
    data += lp("aes-xts-plain64") + lp(u64(key_size)) + lp(u64(sector_size)) + lp(u64(data_offset))
    return data


def unwrap_share(token, share, store):
    require(share["algorithm"] == "A256KWP", "a wrap algorithm that this program does not know")
    plain = aes_key_unwrap_with_padding(store.kek(share["kek"], share["version"]),
                                        b64(share["wrapped"]))
    commitment = hashlib.sha256(lp("dm-envelope share commitment v1") + lp(token["uuid"])
                                + lp(b64(token["salt"])) + lp(u64(share["index"]))
                                + lp(plain)).digest()
    require(commitment == b64(share["commitment"]), "a share does not match its commitment")
    return plain


def product(a, b):
    """In GF(2^8) with the polynomial of AES."""
    result = 0
    while b:
        result ^= a * (b & 1)
        a = a << 1 ^ (0x11b if a & 0x80 else 0)
        b >>= 1
    return result


def quotient(a, b):
    return next(x for x in range(256) if product(x, b) == a)


def combine(shares):
    """The secret of Shamir's scheme: the polynomial through (index, share), at 0."""
    secret = bytes(32)
    for index, share in shares.items():
        factor = 1
        for other in shares.keys() - {index}:
            factor = product(factor, quotient(other, other ^ index))
        secret = bytes(a ^ product(factor, b) for a, b in zip(secret, share))
    return secret


def unwrap_shares(token, store):
    """As many as it takes, by index."""
    shares = token["shares"][:token["threshold"]]
    return {share["index"]: unwrap_share(token, share, store) for share in shares}


def open_slot(token, uuid, segment, store):
    require(set(token) == TOKEN_MEMBERS and token["format"] == 1 and token["keyslots"] == [],
            "a slot token is not of format 1")
    require(all(set(share) == SHARE_MEMBERS for share in token["shares"]), "a share is malformed")
    require(token["uuid"] == uuid, "a slot was sealed for another volume")
    require(1 <= token["threshold"] <= len(token["shares"]) <= 8, "no such threshold")
    secret = combine(unwrap_shares(token, store))
    slot_key = hkdf(secret, b64(token["salt"]), b"dm-envelope slot v1" + uuid.encode())
    sealed = b64(token["dek"])
    aad = additional_data(token, len(sealed) - 16, segment["sector_size"], int(segment["offset"]))
    return AESGCM(slot_key).decrypt(b64(token["nonce"]), sealed, aad)


def check_digest(metadata, dek):
    digest = metadata["digests"]["0"]
    require(digest["type"] == "pbkdf2", "a digest that is not PBKDF2")
    expected = b64(digest["digest"])
    found = hashlib.pbkdf2_hmac(digest["hash"], dek, b64(digest["salt"]), digest["iterations"],
                                len(expected))
    require(found == expected, "the key does not match the LUKS2 digest")


def check_witness(disk, uuid, dek):
    disk.seek(WITNESS_OFFSET)
    block = disk.read(4096)
    require(block[:16] == b"DM-ENVELOPE-WIT1" and block[112:] == bytes(3984), "no witness")
    key = hkdf(dek, b"", b"dm-envelope witness v1" + uuid.encode())
    known = AESGCM(key).decrypt(block[16:28], block[28:112], block[:16])
    require(known == b"dm-envelope witness known bytes." + uuid.encode(),
            "the witness is of another volume")


def recover(device, keystore):
    store = KeyStore(keystore)
    with open(device, "rb") as disk:
        uuid, metadata = read_header(disk)
        segment = metadata["segments"]["0"]
        require(segment["encryption"] == "aes-xts-plain64", "another cipher")
        tokens = [token for token in metadata["tokens"].values() if token["type"] == "envelope"]
        require(tokens, "no slot")
        dek = open_slot(min(tokens, key=lambda token: token["slot"]), uuid, segment, store)
        check_digest(metadata, dek)
        check_witness(disk, uuid, dek)
    return dek


def main():
    if len(sys.argv) != 3 or sys.stdout.isatty():
        sys.exit(__doc__.strip())
    try:
        sys.stdout.buffer.write(recover(sys.argv[1], sys.argv[2]))
    except (InvalidTag, InvalidUnwrap) as error:
        sys.exit(f"recover.py: {sys.argv[1]}: a seal does not hold ({type(error).__name__})")
    except (Refused, OSError, KeyError, ValueError) as error:
        sys.exit(f"recover.py: {sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
