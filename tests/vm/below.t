#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What goes wrong in the device below reaches who asked for it, once, and nobody else: errors of
# every kind, and a device that is slow, shrinks, vanishes, or has no path for a while.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"
without_udev

SECTORS=8192 # 4 MiB
SIZE=$((SECTORS * 512))
HOLE=$((2 * 1048576)) HOLE_SIZE=65536
key test:below 64 below
modprobe -a dm_flakey dm_delay dm_multipath dm_round_robin dm_thin_pool sd_mod

# below TABLE: what /dev/mapper/low is from here on
below() {
	if dmsetup info low >/dev/null 2>&1; then
		dmsetup reload low --table "$1" && dmsetup suspend low && dmsetup resume low
	else
		dmsetup create low --table "$1"
	fi
}

linear() {
	echo "0 $SECTORS linear /dev/vdb 0"
}

with_hole() {
	local first=$((HOLE / 512)) last=$(((HOLE + HOLE_SIZE) / 512))
	printf '0 %s linear /dev/vdb 0\n%s %s error\n%s %s linear /dev/vdb %s\n' \
		$first $first $((last - first)) $last $((SECTORS - last)) $last
}

# map DEVICE [SECTORS]: as /dev/mapper/env
map() {
	dmsetup create env --table \
		"0 ${2:-$SECTORS} envelope aes-xts-plain64 :64:logon:test:below 0 $1 0 1 sector_size:4096"
}

unmap() {
	dmsetup remove --retry env
}

# count WHAT: so many the status says
count() {
	dmsetup status env | sed "s/.* $1:\([0-9]*\).*/\1/"
}

# counted N: as many errors as the last test had
COUNTED=0
counted() {
	local errors
	errors=$(count errors)
	is "… and each is counted, once: $1" "$((errors - COUNTED))" "$1"
	COUNTED=$errors
}

# under_way N: so many requests are
under_way() {
	local reads writes
	read -r reads writes <"/sys/block/dm-$(dmsetup info -c --noheadings -o minor env)/inflight"
	[ $((reads + writes)) -eq "$1" ]
}

# each OPERATION BYTES FILE [ERROR FROM LENGTH]: all of the device, by so many bytes, from FILE or
# compared with it. What touches the bytes FROM… must end with ERROR, and nothing else.
each() {
	python3 - "$@" <<-'PY'
		import errno, mmap, os, sys
		operation, size, data = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], "rb").read()
		wanted, first, length = (sys.argv[4:] + ["", "0", "0"])[:3]
		direct = 0 if operation.startswith("cached") else os.O_DIRECT
		device = os.open("/dev/mapper/env", os.O_RDWR | direct)
		os.posix_fadvise(device, 0, 0, os.POSIX_FADV_RANDOM)
		buffer = mmap.mmap(-1, size)
		def once(at):
		    if operation.endswith("write"):
		        buffer[:] = data[at:at + size]
		        assert os.pwritev(device, [buffer], at) == size
		        if not direct:
		            os.fsync(device)
		    else:
		        assert os.preadv(device, [buffer], at) == size
		        assert buffer[:] == data[at:at + size], f"other data at {at}"
		for at in range(0, len(data), size):
		    got = ""
		    try:
		        once(at)
		    except OSError as error:
		        got = errno.errorcode[error.errno]
		    hit = at < int(first) + int(length) and at + size > int(first)
		    assert got == (wanted if hit else ""), f"{got or 'no error'} at {at}"
	PY
}

# until_gone: sixteen write and read, each some sectors of its own, until it meets an error
until_gone() {
	python3 - <<-'PY'
		import concurrent.futures, errno, mmap, os
		device = os.open("/dev/mapper/env", os.O_RDWR | os.O_DIRECT)
		def work(number):
		    written, read = mmap.mmap(-1, 65536), mmap.mmap(-1, 65536)
		    try:
		        while True:
		            written[:] = os.urandom(64) * 1024
		            assert os.pwritev(device, [written], number * 65536) == 65536
		            assert os.preadv(device, [read], number * 65536) == 65536
		            assert read[:] == written[:]
		    except OSError as error:
		        assert error.errno in (errno.EIO, errno.ENODEV) # gone, and just going
		with concurrent.futures.ThreadPoolExecutor(16) as pool:
		    list(pool.map(work, range(16)))
	PY
}

# deep OPERATION PATTERN: all of the device by 16 KiB, 32 at a time; prints how many failed, or
# have read another pattern
deep() {
	fio --name=deep --filename=/dev/mapper/env --direct=1 --ioengine=libaio --iodepth=32 --size=$SIZE \
		--bs=16k --rw="$1" --verify=pattern --verify_pattern="$2" --do_verify=0 \
		--continue_on_error=all --output-format=json >/run/fio.json 2>/run/fio.log
	jq '.jobs[0].total_err' /run/fio.json
}

# A hole in the middle
dd if=/dev/urandom of=/run/old bs=1M count=4 status=none
dd if=/dev/urandom of=/run/new bs=1M count=4 status=none
cp /run/new /run/mixed
dd if=/run/old of=/run/mixed bs=64K skip=$((HOLE / 65536)) seek=$((HOLE / 65536)) count=1 conv=notrunc status=none
below "$(linear)"
map /dev/mapper/low
ok "below all is well: written" each write 1048576 /run/old
below "$(with_hole)"
for bytes in 4096 1048576; do
	n=$((HOLE_SIZE / bytes))
	ok "a hole below, read by $bytes: what touches it fails, the rest is right" \
		each read $bytes /run/old EIO $HOLE $HOLE_SIZE
	counted $((n ? n : 1))
	ok "… written" each write $bytes /run/new EIO $HOLE $HOLE_SIZE
	counted $((n ? n : 1))
	below "$(linear)"
	ok "… what failed is as it was, all else is new" each read 1048576 /run/mixed
	ok "… as before" each write 1048576 /run/old
	below "$(with_hole)"
done
ok "by the page cache" each cached-read 4096 /run/old EIO $HOLE $HOLE_SIZE
COUNTED=$(count errors) # it asks more than once
ok "… written" each cached-write 4096 /run/new EIO $HOLE $HOLE_SIZE
counted $((HOLE_SIZE / 4096))

# Many at a time, of which another CPU is given some
unmap
map /dev/mapper/low
COUNTED=0
below "$(linear)"
is "many at a time" "$(deep randwrite %o)" 0
below "$(with_hole)"
given=$(count given)
is "… a hole below, read: what touches it fails, the rest is right" "$(deep randread %o)" 4
counted 4
given_read=$(($(count given) - given))
is "… written" "$(deep randwrite 0xbad%o)" 4
counted 4
given=$(($(count given) - given - given_read))
below "$(linear)"
is "… what failed is as it was, all else is new" "$(deep read 0xbad%o)" 4
ok "… another CPU was given some: $given_read read, $given written" test $given_read -gt 0 -a $given -gt 0

not_ok "what is below is not removed" dmsetup remove low

# Behind its end the device below goes on
unmap
map /dev/mapper/low $((SECTORS - 8))
COUNTED=0
dd if=/dev/vdb of=/run/behind bs=4K skip=$((SECTORS / 8 - 1)) count=1 iflag=direct status=none
is "read across its end: what is before it" \
	"$(dd if=/dev/mapper/env bs=64K skip=$((SIZE / 65536 - 1)) iflag=direct status=none | wc -c)" $((65536 - 4096))
not_ok "… written: no more than that" \
	dd if=/run/new of=/dev/mapper/env bs=64K seek=$((SIZE / 65536 - 1)) count=1 oflag=direct
ok "… what is behind it is as it was" cmp -n 4096 -i 0:$((SIZE - 4096)) /run/behind /dev/vdb
counted 0
unmap
map /dev/mapper/low
COUNTED=0
ok "as before" each write 1048576 /run/old

# dm-flakey
below "0 $SECTORS flakey /dev/vdb 0 0 1 1 error_writes"
ok "writes fail below" each write 1048576 /run/new EIO 0 $SIZE
counted $((SIZE / 1048576))
not_ok "… and flushes" sync /dev/mapper/env
counted 1
ok "… nothing was written, reads are right" each read 1048576 /run/old
if below "0 $SECTORS flakey /dev/vdb 0 0 1 1 error_reads" 2>/dev/null; then
	ok "reads fail below" each read 65536 /run/old EIO 0 $SIZE
	counted $((SIZE / 65536))
	ok "… writes do not" each write 1048576 /run/new
fi

# Slow
below "0 $SECTORS delay /dev/vdb 0 5"
is "each is late: written" "$(deep randwrite %o)" 0
is "… and read" "$(deep randread %o)" 0
below "0 $SECTORS delay /dev/vdb 0 500"
dd if=/run/new of=/dev/mapper/env bs=64K count=1 oflag=direct status=none &
writer=$!
dd if=/dev/mapper/env of=/run/late bs=64K skip=1 count=1 iflag=direct status=none &
reader=$!
ok "two on their way" poll 10 under_way 2
ok "… suspend waits for them" dmsetup suspend env
ok "… they are done" under_way 0
ok "… without a key too" dmsetup message env 0 key wipe
wait $writer $reader
is "… and well" "$?" 0
key test:below 64 below # the last one was revoked
dmsetup message env 0 key set :64:logon:test:below
dmsetup resume env
below "$(linear)"
ok "… what was written" cmp -n 65536 /run/new /dev/mapper/env
counted 0

# Without a path for a while
unmap
dmsetup remove low
for mode in rq bio; do
	dmsetup create paths --table "0 $SECTORS multipath 3 queue_if_no_path queue_mode $mode 0 1 1 round-robin 0 1 1 /dev/vdb 1"
	map /dev/mapper/paths
	COUNTED=0
	ok "multipath by $mode: written" each write 1048576 /run/old
	before="$(($(count reads) + 1)) $(($(count writes) + 1))"
	dmsetup message paths 0 fail_path 254:16
	dd if=/run/new of=/dev/mapper/env bs=1M count=1 oflag=direct status=none &
	writer=$!
	dd if=/dev/mapper/env of=/run/late bs=1M skip=1 count=1 iflag=direct status=none &
	reader=$!
	ok "… no path: two wait" poll 10 under_way 2
	dmsetup suspend --noflush --nolockfs paths
	ok "… still, when they are pushed back below" under_way 2
	dmsetup resume paths
	dmsetup suspend --noflush --nolockfs env &
	suspender=$!
	dmsetup message paths 0 reinstate_path 254:16
	wait $writer $reader $suspender
	is "… a path: both are done" "$?" 0
	dmsetup resume env
	is "… once" "$(count reads) $(count writes)" "$before"
	ok "… read right" cmp -i 0:1048576 -n 1048576 /run/late /run/old
	ok "… written right" cmp -n 1048576 /run/new /dev/mapper/env
	dmsetup message paths 0 fail_if_no_path
	dmsetup message paths 0 fail_path 254:16
	ok "… never a path: all fail" each read 1048576 /run/old EIO 0 $SIZE
	counted 4
	unmap
	dmsetup remove paths
done

# Beyond its end
losetup -f --show /run/old >/run/loop && read -r LOOP </run/loop
map "$LOOP"
COUNTED=0
ok "a loop device: written" each write 1048576 /run/new
truncate -s $HOLE /run/old
losetup -c "$LOOP"
ok "… it shrinks: what is beyond fails, the rest is right" each read 65536 /run/new EIO $HOLE $SIZE
counted $(((SIZE - HOLE) / 65536))
ok "… written" each write 65536 /run/new EIO $HOLE $SIZE
counted $(((SIZE - HOLE) / 65536))
unmap
losetup -d "$LOOP"

# No room
dmsetup create meta --table "0 8192 linear /dev/vdc 0"
dmsetup create room --table "0 $((HOLE / 512)) linear /dev/vdc 8192"
dmsetup create pool --table "0 $((HOLE / 512)) thin-pool /dev/mapper/meta /dev/mapper/room 128 0 1 error_if_no_space"
dmsetup message pool 0 create_thin 0
dmsetup create thin --table "0 $SECTORS thin /dev/mapper/pool 0"
map /dev/mapper/thin
COUNTED=0
ok "a thin volume that has half the room: the other half has no space" \
	each write 65536 /run/new ENOSPC $HOLE $SIZE
counted $(((SIZE - HOLE) / 65536))
unmap
dmsetup remove thin
dmsetup remove pool
dmsetup remove room
dmsetup remove meta

# A disk with a sector that cannot be read, which then vanishes
modprobe scsi_debug dev_size_mb=8 delay=0 opts=2 medium_error_start=$((HOLE / 512)) medium_error_count=8
poll 10 test -b /dev/sda
map /dev/sda
COUNTED=0
ok "a SCSI disk: written" each write 1048576 /run/new
ok "… a sector that cannot be read: it says so, others are right" each read 4096 /run/new ENODATA $HOLE 4096
counted 1
ok "… among many" each read 1048576 /run/new ENODATA $HOLE 4096
counted 1
echo 0 >/sys/bus/pseudo/drivers/scsi_debug/opts
ok "… it can be again" each read 1048576 /run/new
echo 1 >/sys/bus/pseudo/drivers/scsi_debug/delay # a jiffy: from here on some are always under way

until_gone &
gone=$!
under_load() {
	[ "$(count writes)" -gt 200 ]
}
ended() {
	! kill -0 "$gone"
}
ok "… under load" poll 20 under_load
echo 1 >/sys/block/sda/device/delete
ok "… it vanishes: nobody waits for ever" poll 20 ended
wait $gone
is "… each is told, and has what he wrote before" "$?" 0
counted 16
for operation in read write; do
	ok "… and whoever comes later: $operation" each $operation 65536 /run/new EIO 0 $SIZE
	counted $((SIZE / 65536))
done
not_ok "… flush" sync /dev/mapper/env
counted 1
not_ok "… which is in use" modprobe -r scsi_debug
unmap
ok "… no more" modprobe -r scsi_debug

ok "and of the target nothing is left" modprobe -r dm_envelope
ok "the kernel log is clean" kernel_clean
done_testing
