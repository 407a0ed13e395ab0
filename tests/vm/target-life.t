#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How devices come to their end, without a daemon: by a lease, whatever the clock and the disk do; with
# another that has the same key; under a file system that waits.
. "$(dirname "$0")/lib.sh"
without_udev
systemctl stop envelope-keyd
mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing
SECTORS=131072 # 64 MiB

ms() { # whatever the clock shows
	awk '{ print int($1 * 1000) }' /proc/uptime
}

map() { # map NAME KEY BELOW [OPTION…]
	dmsetup create "$1" --table \
		"0 $SECTORS envelope aes-xts-plain64 :64:logon:test:$2 0 $3 0 $(($# - 2)) sector_size:4096 ${*:4}"
}

says() { # says NAME GLOB: its status does
	local status
	status=$(dmsetup status "$1")
	# shellcheck disable=SC2053 # a glob
	[[ $status == $2 ]]
}

reads() { # reads NAME
	dd if="/dev/mapper/$1" of=/dev/null iflag=direct bs=4k count=1
}

# ends_in LEAST MOST COMMAND…: it succeeds, and that takes so many ms
ends_in() {
	local begin
	begin=$(ms)
	"${@:3}" || return
	TOOK=$(($(ms) - begin))
	echo "# ${*:3}: $TOOK ms of $1 to $2"
	[ $TOOK -ge "$1" ] && [ $TOOK -le "$2" ]
}

# Two devices that somebody gave one key
fenced() { # fenced NAME REASON
	poll 5 says "$1" "*envelope fenced reason:$2 *"
}
key test:a 64 a
ok "a device" map one a /dev/vdb
ok "another with the same key" map two a /dev/vdc
ok "the key of one is wiped" dmsetup message one 0 key wipe
ok "… which fences both: each copy is gone" ends_in 0 2000 fenced two '@(revoked|invalidated)'
key test:a 64 a
quota=$(cat /proc/sys/kernel/keys/root_maxkeys)
echo 1 >/proc/sys/kernel/keys/root_maxkeys
fails_with 1 "no other key can be added" keyctl add user more x @s
like "… for there is a quota" "$OUTPUT" "*quota*"
ok "the target needs none" dmsetup message one 0 key set :64:logon:test:a
ok "… nor for a second time" dmsetup message two 0 key set :64:logon:test:a
echo "$quota" >/proc/sys/kernel/keys/root_maxkeys
ok "the key is revoked" keyctl revoke %logon:test:a
ok "… which fences one" ends_in 0 2000 fenced one revoked
ok "… and the other" ends_in 0 2000 fenced two revoked
dmsetup remove one
dmsetup remove two

# A lease, whatever the clock on the wall shows
key test:b 64 b
ok "a device with a lease of 2 s" map one b /dev/vdb lease:2
date -s "-1 day" >/dev/null
ok "the clock is set back by a day: it ends all the same" ends_in 1000 3000 fenced one lease
key test:b 64 b
dmsetup message one 0 key set :64:logon:test:b
date -s "+10 years" >/dev/null
ok "the clock is set ahead: it ends no sooner" ends_in 1500 3000 fenced one lease
dmsetup remove one

# The disk does not answer: from the end of the lease until each copy is wiped
moment() { # moment STATE: of the trace, in microseconds
	sed -nE "s/.* ([0-9]+)\.([0-9]{6}): envelope_state: .* $1 reason=lease/\1\2/p" /sys/kernel/tracing/trace
}
wiped_in() { # wiped_in DISK: sets TOOK, in microseconds
	local reader
	key test:c 64 c
	map one c "/dev/mapper/$1" lease:2
	[ "$1" != hung ] || dmsetup suspend --noflush hung
	echo >/sys/kernel/tracing/trace
	echo 1 >/sys/kernel/tracing/events/dm_envelope/envelope_state/enable
	reads one 2>/dev/null &
	reader=$!
	fenced one lease
	echo 0 >/sys/kernel/tracing/events/dm_envelope/envelope_state/enable
	TOOK=$(($(moment fenced) - $(moment fencing)))
	[ "$1" != hung ] || dmsetup resume hung
	! wait $reader || return
	dmsetup remove one
	[ $TOOK -le 1000000 ]
}
dmsetup create hung --table "0 $SECTORS linear /dev/vdb 0"
dmsetup create slow --table "0 $SECTORS delay /dev/vdb 0 4000"
for disk in hung slow; do
	wiped_in $disk
	result=$?
	ok "a disk that is $disk: from fence to wiped $((TOOK / 1000)) ms of 1000; its read fails" test $result -eq 0
done
dmsetup remove --retry hung
dmsetup remove --retry slow

# A file system whose requests wait, and nobody who has the key
mount_it() {
	key test:d 64 d
	map one d /dev/vdb on_key_loss:queue && mkfs.ext4 -q /dev/mapper/one && mount /dev/mapper/one /mnt
}
held() {
	says one "*held:[1-9]*"
}
writes() {
	dd if=/dev/zero of=/mnt/file bs=1M count=8 conv=fsync status=none
}
remove_by_force() {
	! dmsetup remove --force one || return # it is mounted
	poll 60 grep -qx 1 /run/status && umount /mnt && dmsetup remove one
}
ok "a file system" mount_it
dmsetup message one 0 key wipe
{
	writes 2>/dev/null
	echo $? >/run/status
} &
ok "its writes wait" poll 20 held
ok "removed by force they fail, and it can be unmounted" ends_in 0 120000 remove_by_force
not_ok "the device is gone" dmsetup info one
ok "the kernel log is clean" kernel_clean
done_testing
