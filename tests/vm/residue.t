#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: --memory 256
# What is left in memory: of the text that was written and read nothing, and of a key nothing once
# it is taken away. All of it is searched.
. "$(dirname "$0")/lib.sh"
without_udev

# count KIND [COMMAND…]: how many words are found of text, key or round-keys, after what it does
count() {
	residue "${@:2}" search | sed "s/.*\b$1:\([0-9]*\).*/\1/"
}

none() { # none KIND: searched for until it is true, where the kernel frees later
	[ "$(count "$1")" = 0 ]
}

some() {
	[ "$(count "$1")" -gt 0 ]
}

swapoff -a
ok "a key" residue key test:residue
ok "the search finds it" some key
is "… but none of what AES makes of it" "$(count round-keys)" 0
ok "a device with it" dmsetup create env --table \
	"0 131072 envelope aes-xts-plain64 :64:logon:test:residue 0 /dev/vdb 0 1 sector_size:4096"
ok "the search finds what AES makes of it" some round-keys

is "of text that is written none is left" "$(count text write /dev/mapper/env 256)" 0
is "… nor where it is read" "$(count text read /dev/mapper/env 256)" 0
is "… nor where each sector is put together elsewhere" "$(count text read-scattered /dev/mapper/env 256)" 0

keyctl clear @s
dmsetup remove env
ok "without device and key: none of the key" poll 20 none key
ok "… nor of what AES makes of it" poll 20 none round-keys

# Text is where a write is to go before it is encrypted, and stays there when that fails
key test:other 64 other
echo 1 >/sys/module/cryptomgr/parameters/notests
ok "a cipher that will fail" modprobe badcrypto works=1
ok "a device with it" dmsetup create env --table \
	"0 131072 envelope aes-xts-plain64 :64:logon:test:other 0 /dev/vdb 0 1 sector_size:4096"
like "…" "$(dmsetup status env)" "*cipher:xts-aes-badcrypto *"
echo 5 >/sys/module/badcrypto/parameters/error
is "of text that cannot be encrypted none is left" "$(count text write-in-vain /dev/mapper/env 64)" 0
dmsetup remove env
modprobe -r badcrypto

# What the search does find
ok "the key again" residue key test:residue
dmsetup create env --table "0 131072 envelope aes-xts-plain64 :64:logon:test:residue 0 /dev/vdb 0 1 sector_size:4096"
exec 3</dev/mapper/env # what is cached is dropped with the last who has it open
dd of=/dev/null bs=64K count=1 status=none <&3
ok "text in the page cache is found" some text
ok "the kernel log is clean" kernel_clean
done_testing
