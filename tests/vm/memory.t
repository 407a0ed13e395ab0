#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: --memory 256 --all-cpus --timeout 600
# Short of memory: writes go on, all of them, with what there is. And what they take has bounds, and
# is given back.
. "$(dirname "$0")/lib.sh"
without_udev

SECTORS=1048576 # 512 MiB
PARAMETERS=/sys/module/dm_envelope/parameters
RESERVE=16 # KiB for each device
key test:memory 64 memory

map() { # map NAME DEVICE
	dmsetup create "$1" --table "0 $SECTORS envelope aes-xts-plain64 :64:logon:test:memory 0 $2 0 1 sector_size:4096"
}

count() { # count WHAT [NAME]: so many its status says
	dmsetup status "${2:-env}" | sed "s/.* $1:\([0-9]*\).*/\1/"
}

in_all() {
	cat $PARAMETERS/bounce_kib
}

map env /dev/vdb
MOST=$(cat $PARAMETERS/bounce_max_kib)
total=$(awk '/MemTotal/ { print $2 }' /proc/meminfo)
ok "$MOST KiB at most for the ciphertext of writes: 2 % of memory" \
	test $((total * 15)) -le $((MOST * 1000)) -a $((MOST * 100)) -le $((total * 3))

verified() { # verified FIO-OPTION…: what is written is read back
	fio --name=memory --filename=/dev/mapper/env --direct=1 --ioengine=libaio --iodepth=16 --size=32M \
		--rw=randwrite --verify=crc32c --verify_fatal=1 "$@" >/run/fio.log 2>&1 || { cat /run/fio.log; false; }
}

# Nothing but the reserve
echo 0 >$PARAMETERS/bounce_max_kib
echo 2 >/proc/sys/vm/drop_caches
before=$(count reserved)
for bs in 4k 64k 1m; do
	ok "with nothing but a reserve of $RESERVE KiB: written by $bs" verified --bs=$bs
done
reserved=$(($(count reserved) - before))
ok "… which they drew on: $reserved times" test $reserved -gt 1000
used=$(in_all)
ok "… and they left it as it was: $used KiB in use" test "$used" -le $RESERVE
echo "$MOST" >$PARAMETERS/bounce_max_kib

# A device that is slow has much under way; another has room beside it
echo 16384 >$PARAMETERS/bounce_max_kib
dmsetup create slow --table "0 $SECTORS delay /dev/vdc 0 0 /dev/vdc 0 300"
map hog /dev/mapper/slow
fio --name=hog --filename=/dev/mapper/hog --direct=1 --ioengine=libaio --iodepth=64 --bs=1m --size=128M \
	--rw=write >/dev/null 2>&1 &
hog=$!
has_its_share() {
	[ "$(count bounce hog)" -ge 4096 ]
}
ok "a slow device gets a large share" poll 20 has_its_share
before=$(count reserved)
ok "… a second one writes beside it" verified --bs=4k --iodepth=1 --size=1M
is "… without its reserve" "$(($(count reserved) - before))" 0
most=0 share=0
while kill -0 $hog 2>/dev/null; do
	now=$(in_all)
	[ "$now" -le $most ] || most=$now
	now=$(count bounce hog)
	[ "$now" -le $share ] || share=$now
done
wait $hog
ok "all devices together: at most $most KiB of 16384" test $most -le $((16384 + 2 * RESERVE))
ok "one of them: at most $share KiB, half of it and a write" test $share -le 9728
echo "$MOST" >$PARAMETERS/bounce_max_kib
is "… and nothing when its writes are done" "$(count bounce hog)" 0
echo 2 >/proc/sys/vm/drop_caches
used=$(in_all)
ok "asked for memory, the target gives back all but the reserves: $used KiB left" test "$used" -le $((2 * RESERVE))
dmsetup remove hog
dmsetup remove slow

# Swap, with more asked for than there is
swapped() {
	awk '/^pswpout/ { print $2 }' /proc/vmstat
}
mkswap /dev/mapper/env >/dev/null
swapoff -a
swapon /dev/mapper/env
before=$(swapped)
ok "swap: programs that take half as much again as there is, and verify it" \
	stress-ng --vm 2 --vm-bytes $((total * 3 / 2))k --vm-method write64 --vm-keep --verify --vm-ops 300 --timeout 60 --oomable
swapped=$(($(swapped) - before))
ok "… $swapped pages of it to the device" test $swapped -gt $((total / 16))
swapoff /dev/mapper/env

# A file system
mkfs.ext4 -q -F /dev/mapper/env
mount /dev/mapper/env /mnt
head -c 64M /dev/urandom >/mnt/data
sum=$(md5sum </mnt/data)
copied() { # copied NAME: it is what it should be, read from the disk
	sync
	echo 3 >/proc/sys/vm/drop_caches
	[ "$(md5sum <"/mnt/$1")" = "$sum" ]
}
ok "written by a control group of 8 MiB" systemd-run --quiet --scope -p MemoryMax=8M -p MemorySwapMax=0 \
	dd if=/mnt/data of=/mnt/small bs=1M conv=fsync status=none
ok "… it is what it should be" copied small

# Hardly a page to be had without waiting
free() {
	awk '/MemAvailable/ { print $2 }' /proc/meminfo
}
echo 3 >/proc/sys/vm/drop_caches
before=$(count reserved)
least=$(cat /proc/sys/vm/min_free_kbytes)
echo $((8 * least)) >/proc/sys/vm/min_free_kbytes # first: the free ones are those above it
mount -t tmpfs -o size=100% tmpfs /media
dd if=/dev/zero of=/media/full bs=1M count=$((($(free) - 20480) / 1024)) status=none
ok "written with $(free) KiB available" dd if=/mnt/data of=/mnt/full bs=1M oflag=direct status=none
ok "… and through the page cache" dd if=/mnt/data of=/mnt/cached bs=1M conv=fsync status=none
echo "$least" >/proc/sys/vm/min_free_kbytes
umount /media
ok "… it is what it should be" copied full
ok "… both" copied cached
reserved=$(($(count reserved) - before))
ok "… $reserved writes drew on the reserve" test $reserved -gt 0
umount /mnt
ok "nothing to repair" nothing_to_repair ext4 /dev/mapper/env
ok "the kernel log is clean" kernel_clean
done_testing
