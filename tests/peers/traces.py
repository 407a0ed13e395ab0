#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the secrets of a volume look like in memory.

By traces() each kind of trace has a name, and some bytes that give it away wherever they
are found: of what is raw every 8 bytes; of what is text every 16 characters. Computed from
the disk and the key store by recover.py, and from the standards alone.
"""

import base64
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC

from recover import (KeyStore, b64, check_digest, combine, hkdf, open_slot, read_header,
                     unwrap_share, unwrap_shares)

SHA256_START = (0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
                0x5be0cd19)


def root_bits(number, power):
    """The first 32 bits of the fraction of a root, as FIPS 180-4 has its constants."""
    scaled, low, high = number << 32 * power, 0, 1 << 40
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle ** power <= scaled else (low, middle)
    return low & 0xffffffff


PRIMES = [n for n in range(2, 312) if all(n % d for d in range(2, n))]
SHA256_CONSTANTS = [root_bits(prime, 3) for prime in PRIMES]


def rotate(word, by):
    return (word >> by | word << 32 - by) & 0xffffffff


def sha256_schedule(block):
    words = list(struct.unpack(">16I", block))
    for i in range(16, 64):
        a, b = words[i - 15], words[i - 2]
        a = rotate(a, 7) ^ rotate(a, 18) ^ a >> 3
        b = rotate(b, 17) ^ rotate(b, 19) ^ b >> 10
        words.append(words[i - 16] + a + words[i - 7] + b & 0xffffffff)
    return words


def sha256_state(block):
    """After one block."""
    a, b, c, d, e, f, g, h = SHA256_START
    for word, constant in zip(sha256_schedule(block), SHA256_CONSTANTS):
        t = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (e & f ^ ~e & g)
             + constant + word) & 0xffffffff
        u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = t + u & 0xffffffff, a, b, c, d + t & 0xffffffff, e, f, g
    return [x + y & 0xffffffff for x, y in zip(SHA256_START, (a, b, c, d, e, f, g, h))]


def gf_multiply(a, b):
    """In the field of AES."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a, b = a << 1 ^ (0x11b if a & 0x80 else 0), b >> 1
    return product


def make_sbox():
    box = [0] * 256
    for x in range(256):
        inverse = next((y for y in range(256) if gf_multiply(x, y) == 1), 0)
        for turn in range(5):
            box[x] ^= inverse << turn & 0xff | inverse >> 8 - turn
        box[x] ^= 0x63
    return bytes(box)


SBOX = make_sbox()


def round_keys(key):
    """FIPS 197, section 5.2, for 256 bits."""
    words = [key[i:i + 4] for i in range(0, 32, 4)]
    for i in range(8, 60):
        word = words[-1]
        if i % 8 == 0:
            word = bytes(SBOX[byte] for byte in word[1:] + word[:1])
            word = bytes([word[0] ^ 1 << i // 8 - 1]) + word[1:]
        elif i % 8 == 4:
            word = bytes(SBOX[byte] for byte in word)
        words.append(bytes(a ^ b for a, b in zip(words[i - 8], word)))
    return [b"".join(words[i:i + 4]) for i in range(0, 60, 4)]


def inverse_mix(word):
    return bytes(gf_multiply(word[i], 14) ^ gf_multiply(word[(i + 1) % 4], 11)
                 ^ gf_multiply(word[(i + 2) % 4], 13) ^ gf_multiply(word[(i + 3) % 4], 9)
                 for i in range(4))


def inverse_round_key(key):
    return b"".join(inverse_mix(key[i:i + 4]) for i in range(0, 16, 4))


def swapped(data):
    """As words of 32 bits in the order of the machine."""
    return b"".join(data[i:i + 4][::-1] for i in range(0, len(data), 4))


def pieces(data, size=8):
    return [data[i:i + size] for i in range(0, len(data) - size + 1, size)]


def raw(secret):
    return pieces(secret)


def text(secret):
    for digits in (secret.hex(), secret.hex().upper()):
        yield from pieces(digits.encode(), 16)
    for shift in range(3):
        # What a group of base64 shares with bytes that are not the secret's says less of it
        letters = base64.b64encode(bytes(shift) + secret)
        yield from pieces(letters[4 if shift else 0:(shift + len(secret)) // 3 * 4], 16)


def rounds(secret):
    """What AES-256 makes of each key there, for either direction and in either order of bytes."""
    for at in range(0, len(secret), 32):
        expanded = round_keys(secret[at:at + 32])
        inverse = [inverse_round_key(key) for key in expanded[1:-1]]
        for key in expanded[2:] + inverse:
            yield from pieces(key) + pieces(swapped(key))
        yield from pieces(swapped(b"".join(expanded[:2])))


def as_words(words):
    for pair in zip(words[::2], words[1::2]):
        yield struct.pack("<2I", *pair)


def hashed(block, secret_words):
    """What SHA-256 makes of a block, the first words of which are secret, on its way."""
    words = sha256_schedule(block)
    sums = [word + constant & 0xffffffff for word, constant in zip(words, SHA256_CONSTANTS)]
    for kind in (words, sums):
        yield from as_words(kind[:secret_words] + kind[16:])


def keyed(secret):
    """What HMAC-SHA-256 makes of it as its key, and SHA-256 of it as a message."""
    for pad in (0x36, 0x5c):
        padded = bytes(byte ^ pad for byte in secret)
        block = padded + bytes([pad]) * (64 - len(secret))
        state = sha256_state(block)
        yield from raw(padded)
        yield from hashed(block, len(secret) // 4)
        yield from as_words(state)
        yield from as_words(state[1::-1] + state[5:3:-1] + state[3:1:-1] + state[7:5:-1])
        yield from pieces(struct.pack(">8I", *state))
    # As HKDF does, after a block that is none of it
    length = struct.pack(">Q", 8 * (64 + len(secret)))
    block = secret if len(secret) == 64 else (secret + b"\x80").ljust(56, b"\0") + length
    yield from hashed(block, len(secret) // 4)


def extracted(key, secret):
    """The first half of HKDF-SHA-256."""
    mac = HMAC(key or bytes(32), hashes.SHA256())
    mac.update(secret)
    return mac.finalize()


def hash_subkey(key):
    """What AES-GCM makes of its key."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(bytes(16))


def of_data_key(key):
    yield "data-key", raw(key)
    yield "data-key-text", text(key)
    yield "data-key-rounds", rounds(key)
    yield "data-key-hashed", keyed(key)


def of_slot(token, uuid, secret, key):
    extract = extracted(b64(token["salt"]), secret)
    slot_key = hkdf(secret, b64(token["salt"]), b"dm-envelope slot v1" + uuid.encode())
    subkey = hash_subkey(slot_key)
    yield "slot-secret", raw(secret)
    yield "slot-secret-text", text(secret)
    yield "slot-secret-hashed", [*keyed(secret), *raw(extract), *keyed(extract)]
    yield "slot-key", raw(slot_key)
    yield "slot-key-text", text(slot_key)
    yield "slot-key-rounds", [*rounds(slot_key), *raw(subkey), *(piece[::-1] for piece in raw(subkey))]
    yield "slot-key-stream", raw(bytes(a ^ b for a, b in zip(b64(token["dek"]), key)))


def of_shares(token, shares):
    if token["threshold"] > 1:
        yield "shares", [trace for share in shares for trace in raw(share)]
        yield "shares-text", [trace for share in shares for trace in text(share)]


def of_witness(uuid, key):
    extract = extracted(b"", key)
    witness_key = hkdf(key, b"", b"dm-envelope witness v1" + uuid.encode())
    yield "witness-key", [*raw(extract), *keyed(extract), *raw(witness_key), *rounds(witness_key)]


def traces(device, keystore):
    """A dictionary of lists, of the first slot, and of its shares where each is none that opens it alone."""
    store = KeyStore(keystore)
    with open(device, "rb") as disk:
        uuid, metadata = read_header(disk)
    token = min(metadata["tokens"].values(), key=lambda token: token["slot"])
    shares = [unwrap_share(token, share, store) for share in token["shares"]]
    secret = combine(unwrap_shares(token, store))
    key = open_slot(token, uuid, metadata["segments"]["0"], store)
    check_digest(metadata, key)
    return {kind: sorted(set(bits)) for of in (of_data_key(key), of_slot(token, uuid, secret, key),
                                               of_shares(token, shares), of_witness(uuid, key))
            for kind, bits in of}
