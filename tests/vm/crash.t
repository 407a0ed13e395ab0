#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# usage: crash.t [PROMISES] [SEED]: the machine stops, wherever something was flushed: the file system
# on the device is in order, and all is there that was synced. By tests/soak/crash.py.
# vm: --all-cpus --timeout 3000
. "$(dirname "$0")/lib.sh"
without_udev

COUNT=${1:-8}
SEED=${2:-1}
CRASH="$(dirname "$0")/../soak/crash.py"
SECTORS=131072 # 64 MiB
key test:crash 64 crash
modprobe -a dm_log_writes dm_snapshot

part() { # part NAME NUMBER: of the first disk
	dmsetup create "$1" --table "0 $SECTORS linear /dev/vdb $(($2 * SECTORS))"
}

table() { # table DEVICE
	echo "0 $SECTORS envelope aes-xts-plain64 :64:logon:test:crash 0 $1 0 2 sector_size:4096 allow_discards"
}

part replayed 0
part changes 1
part below 2
dmsetup create logged --table "0 $SECTORS log-writes /dev/mapper/below /dev/vdc"
dmsetup create env --table "$(table /dev/mapper/logged)"
ok "a file system" mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 /dev/mapper/env
mkdir -p /run/mnt
mount -o discard,commit=1 /dev/mapper/env /run/mnt
ok "$COUNT times something is written, and synced" python3 "$CRASH" work /run/mnt logged "$COUNT" "$SEED"
umount /run/mnt
dmsetup remove env
dmsetup remove logged

ok "each is there at each point where the machine may have stopped" python3 "$CRASH" check \
	/dev/vdc /dev/mapper/replayed /dev/mapper/changes "$(table @)" "$COUNT" "$SEED"
echo "# $OUTPUT"
ok "the kernel log is clean" kernel_clean
done_testing
