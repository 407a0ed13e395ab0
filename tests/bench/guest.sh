# SPDX-License-Identifier: GPL-2.0-or-later
# For the scripts that measure in a VM. Source it first. Each sample is a line of these words:
#
#   backing device op engine bs sector qd jobs devices metric value
#
# shellcheck shell=bash disable=SC2034 # what it sets is for others
set -euo pipefail
export LC_ALL=C

MIB=256 # of each disk
SECTORS=$((MIB * 2048))
RUN=/sys/module/biobench/parameters/run
LATE=/sys/module/biobench/parameters/late
TARGETS=(linear crypt crypt-tuned envelope)

# disks: ramdisks, and disks that complete in soft (1) and hard (2) interrupts
make_disks() {
	local mode directory
	modprobe brd rd_nr=1 rd_size=$((MIB * 1024)) max_part=0
	modprobe null_blk nr_devices=0
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
	for mode in 1 2; do
		directory=/sys/kernel/config/nullb/nullb$((mode - 1))
		mkdir $directory
		echo $MIB >$directory/size
		echo 4096 >$directory/blocksize
		echo 1 >$directory/memory_backed
		echo $mode >$directory/irqmode
		echo 0 >$directory/completion_nsec
		echo "${POLL_QUEUES:-0}" >$directory/poll_queues
		echo 1 >$directory/power
	done
}

# disk BACKING: its path
disk() {
	case $1 in
	brd) echo /dev/ram0 ;;
	null_blk-softirq) echo /dev/nullb0 ;;
	null_blk-hardirq) echo /dev/nullb1 ;;
	virtio-blk) echo /dev/vdb ;;
	esac
}

# path BACKING DEVICE [SECTOR]
path() {
	case $2 in
	cipher) echo cipher ;;
	raw) disk "$1" ;;
	*) echo "/dev/mapper/$1-$2-${3:-4096}" ;;
	esac
}

# map BACKING SECTOR: all targets on it; writes it once, so that no page of it is new later
map() {
	local backing=$1 sector=$2 low cipher
	low=$(disk "$backing")
	cipher="aes-xts-plain64 :64:logon:bench:key 0 $low 0"
	dd if=/dev/urandom of="$low" bs=1M count=$MIB oflag=direct status=none
	dmsetup create "$backing-linear-$sector" --table "0 $SECTORS linear $low 0"
	dmsetup create "$backing-crypt-$sector" --table "0 $SECTORS crypt $cipher 1 sector_size:$sector"
	dmsetup create "$backing-crypt-tuned-$sector" --table \
		"0 $SECTORS crypt $cipher 3 sector_size:$sector no_read_workqueue no_write_workqueue"
	dmsetup create "$backing-envelope-$sector" --table \
		"0 $SECTORS envelope $cipher 1 sector_size:$sector"
}

# Nothing else is to run while it measures
quiet() {
	udevadm settle
	systemctl stop systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd \
		systemd-journald.socket systemd-journald-dev-log.socket systemd-journald \
		envelope-keyd 2>/dev/null || :
}

prepare() {
	make_disks
	modprobe dm_envelope
	modprobe biobench
	head -c 64 /dev/urandom | keyctl padd logon bench:key @s >/dev/null
}

# bios BACKING DEVICE OP BS SECTOR QD JOBS COUNT METRIC: from the kernel itself
bios() {
	local value
	echo "$(path "$1" "$2" "$5") $3 $4 $6 $7 $8" >$RUN
	value=$(cat $RUN)
	[ "$9" != mbps ] || value=$(($4 * 1000 / value)) # 10^6 bytes a second
	echo "$1 $2 $3 kernel $4 $5 $6 $7 1 $9 $value"
}
