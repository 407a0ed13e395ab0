#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Under load: verified I/O of odd sizes and alignments, suspend and resume, a file system.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"
without_udev

key test:load 64 load
SECTORS=1048576 # 512 MiB
for sector in 512 4096; do
	ok "$sector: mapped" dmsetup create t --table \
		"0 $SECTORS envelope aes-xts-plain64 :64:logon:test:load 0 /dev/vdb 0 2 allow_discards sector_size:$sector"
	ok "$sector: random sizes and buffers at odd addresses come back as written" \
		fio --name=odd --filename=/dev/mapper/t --rw=randwrite --bsrange=$sector-1M --blockalign=$sector \
		--direct=1 --iomem_align=512 --ioengine=libaio --iodepth=16 --size=16M --verify=crc32c \
		--verify_fatal=1 --random_generator=tausworthe64 --group_reporting
	fio --name=live --filename=/dev/mapper/t --rw=randrw --bs=4k --direct=1 --ioengine=libaio \
		--iodepth=8 --size=32M --offset=64M --time_based --runtime=3 --verify=crc32c --verify_fatal=1 \
		--verify_backlog=64 >/run/fio.log 2>&1 &
	fio=$!
	for _ in 1 2 3 4 5; do
		dmsetup suspend t && dmsetup resume t && dmsetup message t 0 key set :64:logon:test:load
	done
	wait $fio
	is "$sector: suspend, key set and resume under I/O" "$?: $(grep -c verify: /run/fio.log)" "0: 0"
	like "$sector: five more generations of the key" "$(dmsetup status t)" "*key_generation:6 *errors:0 *"
	ok "$sector: mkfs.ext4" mkfs.ext4 -q -E discard /dev/mapper/t
	mount -o discard /dev/mapper/t /mnt
	cp -r /srv/dm-envelope /mnt/
	sync
	umount /mnt
	echo 3 >/proc/sys/vm/drop_caches
	ok "$sector: fsck" fsck.ext4 -fn /dev/mapper/t
	mount /dev/mapper/t /mnt
	ok "$sector: the files are the files" diff -r /srv/dm-envelope /mnt/dm-envelope
	umount /mnt
	ok "$sector: removed" dmsetup remove --retry t
done

ok "the kernel log is clean" kernel_clean
done_testing
