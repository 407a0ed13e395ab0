#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Bit for bit what dm-crypt writes, both ways: for each sector size, key size and IV rule, what
# one target writes the other reads. Ours gets bios of odd segments, from the module oddbio;
# dm-crypt takes none such.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"

key test:32 32 bits
key test:64 64 bits

# Newer kernels refuse a read into memory that the disk cannot reach. A virtio disk's must be at
# multiples of 512, a SCSI disk's of 4: there a sector ends anywhere in a segment.
modprobe scsi_debug dev_size_mb=32 physblk_exp=3 delay=0
ok "a SCSI disk" poll 10 test -b /dev/sda
is "… that reads to any multiple of 4" "$(cat /sys/block/sda/queue/dma_alignment)" 3
without_udev
DISK=/dev/sda GRAIN=4

map() { # map SECTORS OFFSET KEYSIZE IV_OFFSET OPTIONS…
	local sectors=$1 offset=$2 size=$3 iv=$4
	shift 4
	dmsetup create env --table \
		"0 $sectors envelope aes-xts-plain64 :$size:logon:test:$size $iv $DISK $offset $# $*" &&
		dmsetup create crypt --table \
			"0 $sectors crypt aes-xts-plain64 $(key_hex "$size" bits) $iv $DISK $offset $# $*"
}

unmap() {
	dmsetup remove --retry env && dmsetup remove --retry crypt
}

oddbio() { # oddbio FROM TO ROUNDS PARAMETER…
	modprobe oddbio write="/dev/mapper/$1" read="/dev/mapper/$2" rounds="$3" seed="$seed" \
		grain=$GRAIN "${@:4}" &&
		rmmod oddbio
}

# Not all of them at the same place of the disk; none ends where a MiB does
cases() {
	local size iv sector
	for size in 32 64; do
		for iv in 0 4294967288; do # the second passes 2^32 on the way
			echo "20481 0 $size $iv sector_size:512"
			for sector in 1024 2048 4096; do
				echo "20488 8 $size $iv sector_size:$sector"
				echo "20488 2056 $size $iv sector_size:$sector iv_large_sectors"
			done
		done
	done
}

seed=1
while read -ra words; do
	case="${words[*]:2} at ${words[1]}"
	ok "$case: both targets take the table" map "${words[@]}"
	ok "$case: dm-crypt reads what was written here" oddbio env crypt 8 odd_read=0
	ok "$case: what dm-crypt wrote is read here" oddbio crypt env 8 odd_write=0
	ok "$case: both are removed" unmap
	seed=$((seed + 1))
done < <(cases)

for DISK in /dev/sda /dev/vdb; do
	[ $DISK = /dev/sda ] || GRAIN=512
	for size in 512 4096; do
		map 40968 8 64 0 sector_size:$size
		ok "$DISK, $size: many more, odd on both sides" oddbio env env 64
		unmap
	done
done

# By the page cache, and where a bio is longer than any request
map 20488 8 64 0 sector_size:4096
dd if=/dev/urandom of=/run/pattern bs=4K count=2561 status=none
ok "through the page cache" cp /run/pattern /dev/mapper/env
sync
ok "… read by dm-crypt" cmp /run/pattern /dev/mapper/crypt
for size in 4K 20K 5M; do
	ok "past it by $size" sh -c "dd if=/dev/mapper/env bs=$size iflag=direct status=none | cmp /run/pattern"
done
unmap
ok "the kernel log is clean" kernel_clean
done_testing
