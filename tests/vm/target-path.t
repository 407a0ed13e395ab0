#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How requests get to the cipher: without waiting where they must not, by whatever driver the
# kernel has, by several CPUs where they are long.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"
without_udev # its look at a disk that was written would count

SECTORS=131072
KEY=":64:logon:test:path"
key test:path 64 path

map() { # map TARGET NAME OPTION…
	dmsetup create "$2" --table "0 $SECTORS $1 aes-xts-plain64 $KEY 0 /dev/vdb 0 $(($# - 2)) ${*:3}"
}

unmap() {
	dmsetup remove --retry "$1"
}

driver() {
	dmsetup status env | sed 's/.* cipher:\([^ ]*\).*/\1/'
}

# Both ways against dm-crypt, short requests and long ones
agree() {
	map envelope env sector_size:4096 && map crypt ref sector_size:4096 &&
		modprobe oddbio write=/dev/mapper/env read=/dev/mapper/ref odd_read=0 rounds=12 && rmmod oddbio &&
		modprobe oddbio write=/dev/mapper/ref read=/dev/mapper/env odd_write=0 rounds=12 && rmmod oddbio
}

ok "by the driver that the kernel prefers: as dm-crypt" agree
like "… it is one with vector registers, without a wrapper" "$(driver)" "*xts-aes-aesni*"
unmap ref

without_waiting() {
	python3 - "$1" <<-'PY'
		import mmap, os, sys
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
		data, back = mmap.mmap(-1, 65536), mmap.mmap(-1, 65536)
		for i in range(32):
		    data[:] = os.urandom(64) * 1024
		    assert os.pwritev(fd, [data], i * 65536, os.RWF_NOWAIT) == 65536
		    assert os.preadv(fd, [back], i * 65536, os.RWF_NOWAIT) == 65536
		    assert data[:] == back[:]
	PY
}
ok "requests that must not wait are done, and do not" without_waiting /dev/mapper/env

count() { # count WHAT: so many the status says
	dmsetup status env | sed "s/.* $1:\([0-9]*\).*/\1/"
}
before=$(count helped)
dd if=/dev/mapper/env of=/dev/null bs=1M count=32 iflag=direct status=none
read_helped=$(($(count helped) - before))
ok "of 32 MiB read by 1 MiB another CPU takes its part: $read_helped pieces" test $read_helped -gt 0
before=$(count helped)
dd if=/dev/zero of=/dev/mapper/env bs=1M count=32 oflag=direct status=none
helped=$(($(count helped) - before))
ok "… and of 32 MiB written: $helped pieces" test $helped -gt 0
before=$(count helped)
dd if=/dev/mapper/env of=/dev/null bs=64K count=64 iflag=direct status=none
is "of what is read by 64 KiB none" "$(($(count helped) - before))" 0
deferred=$(count deferred)
ok "long reads go on in the workqueue: $deferred" test "$deferred" -ge 32
dd if=/dev/mapper/env of=/dev/null bs=4K count=64 iflag=direct status=none
is "short ones do not" "$(($(count deferred) - deferred))" 0

# One at a time, and many: only of those another CPU is given its part
before=$(count given)
dd if=/dev/mapper/env of=/dev/null bs=64K count=500 iflag=direct status=none
dd if=/dev/zero of=/dev/mapper/env bs=64K count=500 oflag=direct status=none
given=$(($(count given) - before))
ok "of 1000 requests, one after another, few are given away: $given" test $given -le 40
deep() { # deep FIO-OPTION…: each place is to hold its own number
	fio --name=deep --filename=/dev/mapper/env --direct=1 --ioengine=libaio --iodepth=32 --size=32M \
		--rw=randwrite --verify=pattern --verify_pattern=%o --verify_fatal=1 "$@" >/run/fio.log 2>&1
}
# CPU 1 has other things to do, again and again, so that a request that it was given is there when the next
# one comes: also on a host that has these two CPUs take turns, where nothing is to be gained
occupied() { # occupied COMMAND…
	local pid status=0
	python3 - <<-'PY' &
		import os, time
		os.sched_setaffinity(0, {1})
		os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
		while True:
		    end = time.monotonic() + 0.02
		    while time.monotonic() < end:
		        pass
		    time.sleep(0.005)
	PY
	pid=$!
	"$@" || status=$?
	kill $pid
	wait $pid || true
	return $status
}
# An earlier load may have 64 MiB go by first
given_of() { # given_of FIO-OPTION…: whether another CPU is given its part
	local before i
	before=$(count given)
	for i in 64 128 192 256; do
		fio --name=deep --filename=/dev/mapper/env --direct=1 --ioengine=libaio --iodepth=32 --size=64M \
			--cpus_allowed=0 --rw=randrw --zero_buffers "$@" >/run/fio.log 2>&1
		given=$(($(count given) - before))
		[ $given -lt 40 ] || return 0
	done
	echo "# $given in $i MiB"
	return 1
}
for bs in 4k 16k 64k; do
	ok "many at a time by $bs" deep --bs=$bs
	ok "… another CPU is given its part" occupied given_of --bs=$bs
done
unmap env

# Long reads that complete in their submitter, of sectors that lie scattered
modprobe brd rd_nr=1 rd_size=65536 max_part=0
odd_on_ramdisk() {
	dmsetup create env --table "0 $SECTORS envelope aes-xts-plain64 $KEY 0 /dev/ram0 0 1 sector_size:4096" &&
		modprobe oddbio write=/dev/mapper/env rounds=48 && rmmod oddbio
}
ok "long odd reads that complete in their submitter" odd_on_ramdisk
before=$(count helped)
dd if=/dev/mapper/env of=/dev/null bs=1M count=32 iflag=direct status=none
helped=$(($(count helped) - before))
ok "… another CPU takes its part in others: $helped pieces" test $helped -gt 0
unmap env

# Nothing but the kernel's own code
echo "install aesni-intel /bin/false" >/etc/modprobe.d/test.conf
modprobe -r dm_envelope dm_crypt aesni_intel
not_ok "without the module of the driver" grep -q aesni /proc/crypto
ok "… as dm-crypt too" agree
if grep -q xts-aes-lib /proc/crypto; then
	is "… by the library, with no request around it" "$(driver)" xts-aes-library
else
	like "… by the generic driver" "$(driver)" "xts(*aes*"
fi
unmap env
unmap ref
ok "the kernel log is clean" kernel_clean
done_testing
