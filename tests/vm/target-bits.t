#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Bit for bit what dm-crypt writes, both ways: for each sector size, key size and IV rule, what
# one target writes in odd pieces the other reads.
. "$(dirname "$0")/lib.sh"

SECTORS=20480 # 10 MiB
OFFSET=2048
dd if=/dev/urandom of=/run/pattern bs=512 count=$SECTORS status=none

map() { # map KEYSIZE IV_OFFSET OPTIONS…
	local size=$1 iv=$2
	shift 2
	dmsetup create env --table "0 $SECTORS envelope aes-xts-plain64 :$size:logon:test:$size $iv /dev/vdb $OFFSET $# $*" &&
		dmsetup create crypt --table "0 $SECTORS crypt aes-xts-plain64 $(key_hex "$size" bits) $iv /dev/vdb $OFFSET $# $*"
}

unmap() {
	dmsetup remove env && dmsetup remove crypt
}

same() {
	cmp /run/pattern "$1"
}

# write DEVICE BLOCKSIZE: the pattern, by requests of this many bytes, past the page cache
write() {
	dd if=/run/pattern of="$1" bs="$2" oflag=direct conv=fsync status=none
}

read_direct() {
	dd if="$1" bs="$2" iflag=direct status=none | cmp /run/pattern -
}

key test:32 32 bits
key test:64 64 bits
for case in "64 0" "32 0" "64 1234567890" "64 0 sector_size:1024" "32 8 sector_size:2048" \
	"64 0 sector_size:4096" "64 8 sector_size:4096 iv_large_sectors" \
	"64 4294967288 sector_size:512" "64 4294967288 sector_size:4096 iv_large_sectors"; do
	read -ra words <<<"$case"
	ok "$case: both targets take the table" map "${words[@]}"
	ok "$case: written here in 1 MiB" write /dev/mapper/env 1M
	echo 3 >/proc/sys/vm/drop_caches
	ok "$case: … read by dm-crypt" same /dev/mapper/crypt
	dd if=/dev/zero of=/dev/mapper/crypt bs=1M count=10 oflag=direct status=none
	ok "$case: written by dm-crypt in 20 KiB" write /dev/mapper/crypt 20K
	echo 3 >/proc/sys/vm/drop_caches
	ok "$case: … read here through the page cache" same /dev/mapper/env
	ok "$case: … and past it in 4 KiB" read_direct /dev/mapper/env 4K
	ok "$case: … and in 5 MiB" read_direct /dev/mapper/env 5M
	ok "$case: both are removed" unmap
done

ok "the kernel log is clean" kernel_clean
done_testing
