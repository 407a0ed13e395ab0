#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What people do with disks, on encrypted ones: file systems, volume managers above and below,
# swap, many devices, another table under load.
. "$(dirname "$0")/lib.sh"

MIB=2048 # sectors

key test:use 64 use
CHECK=$(key_check 64 use)

table() { # table SECTORS DISK OFFSET OPTION…
	echo "0 $1 envelope aes-xts-plain64 :64:logon:test:use 0 $2 $3 $(($# - 2)) key_check:$CHECK ${*:4}"
}

map() { # map NAME SECTORS DISK OFFSET OPTION…
	dmsetup create "$1" --table "$(table "${@:2}")"
}

unmap() { # udev may still look at it
	dmsetup remove --retry "$1"
}

zeros_on_disk() { # zeros_on_disk BYTES: so many, from sector 8 of /dev/vdb
	echo 3 >/proc/sys/vm/drop_caches
	cmp -s -n "$1" -i 0:4096 /dev/zero /dev/vdb
}

verify() { # verify NAME FILE SIZE OPTION…: write and read it, by several at once
	fio --name="$1" --filename="$2" --size="$3" --rw=randrw --bsrange=4k-256k --direct=1 \
		--ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --verify_backlog=32 \
		--group_reporting "${@:4}"
}

# The key check of a table made by hand
is "envelopectl key-check says what a table takes" \
	"$(key_hex 64 use | python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' |
		envelopectl key-check)" "$CHECK"
ok "dmsetup, by hand" map data $((700 * MIB)) /dev/vdb 8 sector_size:4096 allow_discards

for fs in ext4 xfs; do
	ok "$fs: made" make_fs $fs /dev/mapper/data
	mount -o discard /dev/mapper/data /mnt
	ok "$fs: what is written under load is read" verify $fs /mnt/file 12M
	cp -r /usr/lib/python3.11/json /mnt/
	fstrim /mnt
	ok "$fs: unmounted in use it is not" sh -c "exec 3</mnt/file; ! umount /mnt"
	umount /mnt
	ok "$fs: nothing to repair" nothing_to_repair $fs /dev/mapper/data
	mount /dev/mapper/data /mnt
	ok "$fs: the files are the files" diff -r /usr/lib/python3.11/json /mnt/json
	umount /mnt
done

ok "blkdiscard" blkdiscard -f /dev/mapper/data
ok "… reaches the disk" zeros_on_disk 67108864
not_ok "blkdiscard --secure is refused" blkdiscard -f --secure /dev/mapper/data
ok "blkdiscard --zeroout writes encrypted zeros" blkdiscard -f -z -l 1MiB /dev/mapper/data
ok "… that are read as zeros" cmp -n 1048576 /dev/zero /dev/mapper/data
not_ok "… and are none on the disk" zeros_on_disk 4096
unmap data
map data $((64 * MIB)) /dev/vdb 8
not_ok "without allow_discards there is none" blkdiscard -f /dev/mapper/data
unmap data

# Another table under load
map data $((64 * MIB)) /dev/vdb 8
verify swap /dev/mapper/data 8M --time_based --runtime=2 >/run/fio.log 2>&1 &
fio=$!
swap_tables() {
	local option
	for option in allow_discards "lease:600" "on_key_loss:queue" allow_discards; do
		dmsetup reload data --table "$(table $((64 * MIB)) /dev/vdb 8 "$option")" &&
			dmsetup suspend data && dmsetup resume data &&
			dmsetup table data | grep -q " ${option%:*}" || return
	done
}
ok "tables are swapped under load" swap_tables
wait $fio
is "… and no request is lost" "$?" 0
not_ok "a table with another key is refused" dmsetup reload data --table \
	"$(table $((64 * MIB)) /dev/vdb 8 | sed "s/key_check:$CHECK/key_check:0000000000000000/")"
ok "… the device goes on" cmp -n 4096 /dev/mapper/data /dev/mapper/data
unmap data

# Volume managers above, and below
map one $((80 * MIB)) /dev/vdb 8
map two $((80 * MIB)) /dev/vdc 8
lvm_above() {
	pvcreate -q /dev/mapper/one /dev/mapper/two && vgcreate -q vg /dev/mapper/one /dev/mapper/two &&
		lvcreate -q -y -n plain -L 88M vg && lvcreate -q -y --type thin-pool -n pool -L 48M vg &&
		lvcreate -q -y -V 300M -n thin --thinpool vg/pool
}
ok "LVM on two of them" lvm_above
ok "… across both" verify lvm /dev/vg/plain 16M --offset=68M
ok "… thin, with more than there is" verify thin /dev/vg/thin 8M
ok "encrypted on a thin volume, on encrypted disks" map inner $((250 * MIB)) /dev/vg/thin 0 allow_discards
ok "… what is written is read" verify inner /dev/mapper/inner 8M
used() {
	lvs --noheadings --nosuffix -o data_percent vg/pool | tr -d ' .'
}
before=$(used)
blkdiscard -f /dev/mapper/inner
ok "… a discard gives room back to the pool" test "$(used)" -lt "$before"
like "dmsetup ls --tree shows what lies on what" "$(dmsetup ls --tree -o ascii | tr -d '\n')" \
	"inner*vg-thin*vg-pool*one*(254:16)*"
unmap inner
vgremove -q -f vg >/dev/null 2>&1
wipefs -qa /dev/mapper/one /dev/mapper/two

ok "md raid1 on two of them" sh -c "mdadm --create /dev/md0 --run --level=1 --raid-devices=2 \
	--metadata=1.2 /dev/mapper/one /dev/mapper/two </dev/null"
ok "… what is written is read" verify md /dev/md0 8M
ok "… a half that fails" mdadm /dev/md0 --fail /dev/mapper/two --remove /dev/mapper/two
ok "… what is written is read all the same" verify md /dev/md0 8M
mdadm --quiet /dev/md0 --add /dev/mapper/two
ok "… and is made anew" mdadm --wait /dev/md0
consistent() {
	echo check >/sys/block/md0/md/sync_action && mdadm --wait /dev/md0
	[ "$(cat /sys/block/md0/md/mismatch_cnt)" = 0 ]
}
ok "… both halves are the same" consistent
mdadm --quiet --stop /dev/md0
unmap one
unmap two

ok "encrypted on md raid1" sh -c "mdadm --create /dev/md0 --run --assume-clean --level=1 --raid-devices=2 \
	--metadata=1.2 /dev/vdb /dev/vdc </dev/null"
map data $((64 * MIB)) /dev/md0 0
ok "… what is written is read" verify md /dev/mapper/data 8M
unmap data
mdadm --quiet --stop /dev/md0
wipefs -qa /dev/vdb /dev/vdc

lvm_below() {
	pvcreate -q /dev/vdb && vgcreate -q vg /dev/vdb && lvcreate -q -y -n low -L 128M vg
}
ok "a logical volume" lvm_below
ok "encrypted on it" map data $((100 * MIB)) /dev/vg/low 0
ok "… what is written is read" verify lv /dev/mapper/data 8M
ok "… the volume grows below it" lvextend -q -L 200M vg/low
ok "… and the device with it" sh -c "dmsetup reload data --table '$(table $((180 * MIB)) /dev/vg/low 0)' &&
	dmsetup suspend data && dmsetup resume data && test \$(blockdev --getsz /dev/mapper/data) = $((180 * MIB))"
unmap data
vgremove -q -f vg >/dev/null 2>&1
wipefs -qa /dev/vdb

# Loop devices above and below
truncate -s 64M /run/image
LOOP=$(losetup -f --show --sector-size 4096 /run/image)
ok "on a loop device with sectors of 4096" map data $((64 * MIB)) "$LOOP" 0 sector_size:4096
UPPER=$(losetup -f --show --direct-io=on /dev/mapper/data)
ok "a loop device on it" verify loop "$UPPER" 8M
losetup -d "$UPPER"
unmap data
losetup -d "$LOOP"

# Swap
map swap $((512 * MIB)) /dev/vdc 0 sector_size:4096
mkswap -q /dev/mapper/swap
swapon /dev/mapper/swap
squeeze() ( # more than twice as much as it may have, read again and compared
	group=/sys/fs/cgroup/squeeze
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $group
	echo 24M >$group/memory.max
	echo $BASHPID >$group/cgroup.procs
	python3 - <<-'PY'
		import hashlib
		mib = lambda i: hashlib.shake_128(str(i).encode()).digest(64) * 16384
		pages = [mib(i) for i in range(64)]
		used = [line.split() for line in open("/proc/swaps")][1][3]
		assert int(used) > 32 * 1024, used
		assert all(page == mib(i) for i, page in enumerate(pages)), "memory changed"
	PY
)
ok "memory that was swapped out comes back as it was" squeeze
ok "swapoff" swapoff /dev/mapper/swap
unmap swap

# Many
without_udev
many() {
	local n
	for n in $(seq 0 63); do
		map "many$n" $((8 * MIB)) /dev/vdb $((n * 16 * MIB)) || return
	done
	for n in $(seq 0 63); do
		printf '[many%s]\nfilename=/dev/mapper/many%s\n' "$n" "$n"
	done >/run/many.fio
}
ok "64 devices" many
ok "… all written and read at once" fio --rw=randwrite --bs=16k --size=128k --direct=1 --ioengine=libaio \
	--iodepth=4 --verify=crc32c --verify_fatal=1 --group_reporting --thread /run/many.fio
remove_many() {
	local n
	for n in $(seq 0 63); do
		unmap "many$n" || return
	done
}
ok "… all removed" remove_many
ok "nothing is left" test -z "$(dmsetup ls --target envelope | grep -v 'No devices')"
ok "the kernel log is clean" kernel_clean
done_testing
