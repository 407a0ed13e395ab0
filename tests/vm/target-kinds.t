#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Devices that can more than others: that are polled, that do not wait, that check what is written,
# write much of it or nothing, or take it only in order. What the target cannot keep up it does not
# offer, or it refuses the device.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"
without_udev

SECTORS=8192 # 4 MiB
SIZE=$((SECTORS * 512))
key test:kinds 64 kinds
modprobe sd_mod

map() { # map DEVICE
	dmsetup create env --table \
		"0 $SECTORS envelope aes-xts-plain64 :64:logon:test:kinds 0 $1 0 1 sector_size:4096"
}

unmap() {
	dmsetup remove --retry env
}

null_blk() { # null_blk OPTION…: /dev/nullb0
	modprobe null_blk nr_devices=1 gb=1 memory_backed=1 bs=4096 "$@"
}

scsi() { # scsi OPTION…: /dev/sda
	modprobe scsi_debug dev_size_mb=8 delay=0 "$@" && poll 10 test -b /dev/sda
}

attribute() { # attribute NAME [DEVICE]: in sysfs, of env or of another; nothing where there is none
	cat "/sys/block/${2:-$(basename "$(readlink -f "/sys/dev/block/$(dmsetup info -c --noheadings -o major,minor env)")")}/$1" 2>/dev/null
}

count() { # count WHAT: so many the status says
	dmsetup status env | sed "s/.* $1:\([0-9]*\).*/\1/"
}

# written_and_read FIO-OPTION…: all of the device
written_and_read() {
	timeout 20 fio --name=verify --filename=/dev/mapper/env --size="$SIZE" --direct=1 --rw=randwrite \
		--verify=crc32c --verify_fatal=1 "$@"
}

# Polled. What is not, as a request that was split is not, ends 50 ms late, by a timer.
null_blk submit_queues=2 poll_queues=2 max_sectors=2048 irqmode=2 completion_nsec=50000000
map /dev/nullb0
is "a device that can be polled: so can what lies on it" "$(attribute queue/io_poll nullb0)$(attribute queue/io_poll)" 11
polled() { # polled FIO-OPTION…
	written_and_read --ioengine=io_uring --hipri "$@"
}
ok "… one at a time" polled --bs=4k
for bs in 4k 64k 256k; do
	ok "… many, by $bs" polled --iodepth=32 --bs=$bs
done
given=$(count given)
ok "… another CPU was given some: $given" test "$given" -gt 0
is "… and none failed" "$(count errors)" 0
unmap
rmmod null_blk

# No waiting: one request at a time has room below
null_blk hw_queue_depth=1 submit_queues=1 irqmode=2 completion_nsec=1000000
map /dev/nullb0
without_waiting() {
	python3 - <<-'PY'
		import concurrent.futures, mmap, os
		device = os.open("/dev/mapper/env", os.O_RDWR | os.O_DIRECT)
		def work(number):
		    written, read = mmap.mmap(-1, 65536), mmap.mmap(-1, 65536)
		    counts = [0, 0, 0] # reads, writes, refusals
		    def once(operation, buffer):
		        while True:
		            try:
		                assert operation(device, [buffer], number * 65536, os.RWF_NOWAIT) == 65536
		                return
		            except BlockingIOError:
		                counts[2] += 1
		    for i in range(20):
		        written[:] = os.urandom(64) * 1024
		        once(os.pwritev, written)
		        counts[1] += 1
		        once(os.preadv, read)
		        counts[0] += 1
		        assert read[:] == written[:]
		    return counts
		with concurrent.futures.ThreadPoolExecutor(8) as pool:
		    print(*map(sum, zip(*pool.map(work, range(8)))))
	PY
}
below() { # what was read and written below
	awk '{ print $1, $5 }' /sys/block/nullb0/stat
}
read -r reads writes <<<"$(below)"
read -r read written refused <<<"$(without_waiting)"
is "who does not wait is refused, or gets his data" "$read $written" "160 160"
ok "… some were refused: $refused" test "${refused:-0}" -gt 0
is "… that is an error each" "$(count errors)" "$refused"
is "… and goes down once, or not at all" "$(below)" "$((reads + read)) $((writes + written))"
unmap
rmmod null_blk

# Integrity data is made below, of the ciphertext: the target passes none
for options in "dif=1 dix=1" "dif=3 dix=1"; do
	# shellcheck disable=SC2086 # are several
	scsi $options
	like "integrity data ($options)" "$(attribute integrity/format sda)" "T10-DIF-TYPE*"
	map /dev/sda
	ok "… what lies on it has none" test "$(attribute integrity/format)" = "" -o "$(attribute integrity/format)" = none
	ok "… and works" written_and_read --ioengine=libaio --iodepth=32 --bsrange=4k-1M
	is "… without an error" "$(count errors)" 0
	unmap
	modprobe -r scsi_debug
done

# Atomic writes, which the target may split
atomic_write() { # atomic_write DEVICE
	python3 - "$1" <<-'PY'
		import mmap, os, sys
		RWF_ATOMIC = 0x40
		os.pwritev(os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT), [mmap.mmap(-1, 4096)], 0, RWF_ATOMIC)
	PY
}
if modinfo -p scsi_debug | grep -q atomic_wr:; then
	scsi atomic_wr=1
	map /dev/sda
	ok "a device that writes all or nothing: $(attribute queue/atomic_write_unit_max_bytes sda)" atomic_write /dev/sda
	is "… what lies on it does not offer it" \
		"$(attribute queue/atomic_write_unit_max_bytes)$(attribute queue/atomic_write_max_bytes)" 00
	not_ok "… nor do it" atomic_write /dev/mapper/env
	like "… and says so" "$OUTPUT" "*Operation not supported*"
	unmap
	modprobe -r scsi_debug
fi

# Zones
bad() { # bad WHAT ERRNO SAYS DEVICE: refused, the kernel says why, and nothing is left of it
	not_ok "refused: $1" map "$4"
	like "… with the reason" "$(kernel_said)" "*envelope: $3 (-$2)*"
	not_ok "… and nothing is mapped" dmsetup info env
}
null_blk zoned=1 zone_size=4
bad "a zoned device" EOPNOTSUPP "The device below is zoned: it cannot be written in any order" /dev/nullb0
rmmod null_blk
for model in managed aware; do
	scsi zbc=$model
	if [ "$(attribute queue/zoned sda)" != none ]; then # newer kernels leave the zones of the latter alone
		bad "a disk with zones, host-$model" EOPNOTSUPP \
			"The device below is zoned: it cannot be written in any order" /dev/sda
	fi
	modprobe -r scsi_debug
done

ok "the kernel log is clean" kernel_clean
done_testing
