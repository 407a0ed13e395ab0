#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the mapped device says of itself: as the device below does, but for what encryption changes;
# wanted() tells why. And on devices of many kinds what is written is read.
. "$(dirname "$0")/lib.sh"
without_udev

SECTORS=4096
dd if=/dev/urandom of=/run/data bs=512 count=$SECTORS status=none
key test:limits 64 limits
modprobe sd_mod

map() { # map DEVICE OFFSET OPTION…
	dmsetup create env --table \
		"0 $SECTORS envelope aes-xts-plain64 :64:logon:test:limits 0 $1 $2 $(($# - 2)) ${*:3}"
}

# wanted BELOW OFFSET OPTION…: NAME=VALUE for each attribute of a mapped device, by those below
wanted() {
	python3 - "$@" <<-'PY'
		import sys
		below, offset, options = "/sys/block/" + sys.argv[1], int(sys.argv[2]) * 512, sys.argv[3:]
		size = max([512] + [int(o.split(":")[1]) for o in options if o.startswith("sector_size:")])

		def of(name):
		    with open(f"{below}/{name}") as file:
		        return file.read().strip()
		def number(name):
		    return int(of("queue/" + name))
		def say(name, value):
		    print(f"{name}={value}")

		# What has one IV is written as a whole: nothing less arrives, is written at once, or is worth it
		logical = max(number("logical_block_size"), size)
		physical = max(number("physical_block_size"), size)
		say("queue/logical_block_size", logical)
		say("queue/physical_block_size", physical)
		say("queue/minimum_io_size", max(number("minimum_io_size"), size))
		# Sectors stay where they are: what suits the disk suits the mapped device
		say("queue/optimal_io_size", number("optimal_io_size"))
		say("queue/chunk_sectors", number("chunk_sectors"))
		say("queue/rotational", number("rotational"))
		period = max(number("physical_block_size"), number("minimum_io_size"))
		say("alignment_offset", (int(of("alignment_offset")) - offset) % period)
		# A read goes down with the pages of who reads: what cannot be read there cannot be read here.
		# device-mapper asks for 512; requests are of whole sectors
		say("queue/dma_alignment", max(511, number("dma_alignment")))
		for name in "max_segments", "max_segment_size", "virt_boundary_mask":
		    say("queue/" + name, number(name))
		for name in "max_hw_sectors_kb", "max_sectors_kb":
		    say("queue/" + name, number(name) * 1024 // logical * logical // 1024)
		# Discards show which sectors are free: only where that was allowed, and never half of one
		discards = "allow_discards" in options
		granularity = number("discard_granularity")
		for name in "discard_max_hw_bytes", "discard_max_bytes":
		    say("queue/" + name, number(name) // size * size if discards else 0)
		say("queue/discard_granularity", max(granularity, size) if discards and granularity else 0)
		# Zeros below are none above, nor is one sector twice the same
		for name in "write_zeroes_max_bytes", "write_same_max_bytes", "zone_append_max_bytes":
		    say("queue/" + name, 0)
		# What was written is lost where the disk loses it, and nowhere else
		say("queue/write_cache", of("queue/write_cache"))
		say("queue/fua", number("fua"))
	PY
}

# limits WHAT BELOW OFFSET OPTION…: they are as wanted, and what is written is read
limits() {
	local what=$1 below=$2 env name
	shift 2
	map "/dev/$below" "$@"
	env=/sys/dev/block/$(dmsetup info -c --noheadings --separator : -o major,minor env)
	wanted "$below" "$@" >/run/wanted
	while IFS='=' read -r name _; do
		echo "$name=$(<"$env/$name")"
	done </run/wanted >/run/got
	ok "$what" diff /run/wanted /run/got
	ok "… what is written is read" written_and_read
	dmsetup remove --retry env
}

written_and_read() { # by another size
	dd if=/run/data of=/dev/mapper/env bs=1M oflag=direct status=none &&
		dd if=/dev/mapper/env bs=12K iflag=direct status=none | cmp - /run/data
}

across() { # across WHAT COMMAND…: refused, by device-mapper itself
	not_ok "$@"
	like "… with the reason" "$(kernel_said)" "*not aligned to h/w logical block size 4096 of sda*"
}

scsi() { # scsi OPTION…: /dev/sda
	modprobe scsi_debug dev_size_mb=8 delay=0 "$@" && poll 10 test -b /dev/sda
}

scsi
limits "on a disk of 512: sectors of 512" sda 0
limits "… anywhere" sda 7
limits "… of 4096" sda 8 sector_size:4096
across "… not where each would lie in two of its own" map /dev/sda 7 sector_size:4096
modprobe -r scsi_debug

scsi physblk_exp=3 opt_blks=128 opt_xferlen_exp=6
limits "512e" sda 0
limits "… misaligned, as a partition of DOS" sda 63
limits "… sectors of 4096" sda 64 sector_size:4096
modprobe -r scsi_debug
scsi physblk_exp=3 lowest_aligned=7
limits "512e that is aligned from its sector 7 on" sda 0
limits "… from there" sda 7
modprobe -r scsi_debug

scsi sector_size=4096
limits "4Kn" sda 0 sector_size:4096
limits "… sectors of 512, eight at a time" sda 8
limits "… of 2048" sda 8 sector_size:2048
across "… not where eight are no sector of its" map /dev/sda 4
modprobe -r scsi_debug

scsi lbpu=1 unmap_granularity=16 unmap_alignment=5 unmap_max_blocks=1024
limits "a device that takes discards" sda 0
limits "… that may" sda 0 allow_discards
limits "… by sectors of 4096" sda 0 sector_size:4096 allow_discards
modprobe -r scsi_debug
scsi lbpu=1 unmap_max_blocks=1025
limits "… by 512, and a number of them that is odd: by sectors of 4096" sda 0 sector_size:4096 allow_discards
modprobe -r scsi_debug

modprobe null_blk nr_devices=1 gb=1 memory_backed=1 bs=512 virt_boundary=1 max_sectors=129 queue_mode=2
limits "a device of few segments" nullb0 0
limits "… sectors of 4096" nullb0 0 sector_size:4096
rmmod null_blk
truncate -s 8M /run/disk
LOOP=$(losetup -f --show -b 4096 /run/disk)
limits "a loop device of 4096" "$(basename "$LOOP")" 0
limits "… discards" "$(basename "$LOOP")" 0 sector_size:4096 allow_discards
losetup -d "$LOOP"
limits "a disk" vdb 0 sector_size:4096 allow_discards

ok "the kernel log is clean" kernel_clean
done_testing
