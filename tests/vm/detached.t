#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A volume whose header is not on its disk: it is found again by the next daemon, and by envelopetab.
. "$(dirname "$0")/lib.sh"

DISK=/dev/mapper/disk
HEADER=/var/lib/header
json() { # json FILTER COMMAND…
	local filter=$1
	shift
	"$@" --json | jq -r "$filter"
}
of() { # of FILTER: of the device
	json ".devices[0] | $1" envelopectl status data
}
is_of() { # is_of FILTER VALUE
	[ "$(of "$1")" = "$2" ]
}

dmsetup create disk --table "0 131072 linear /dev/vdb 0"
refused 2 "format: a header on no file" "/dev/vdc: a header is to be in a file" "see envelopectl --help" \
	envelopectl format $DISK --header /dev/vdc
ok "format" envelopectl format $DISK --header $HEADER
not_ok "the disk shows nothing" blkid -p $DISK
refused 8 "open: without its header" "$DISK: not an envelope volume" "format it first: envelopectl format DEVICE" \
	envelopectl open $DISK data
truncate -s 16M /run/none
refused 8 "open: with what is none" "/run/none: no header of an envelope volume" "format it first: envelopectl format DEVICE" \
	envelopectl open $DISK data --header /run/none
ok "open, by a path that is not full" sh -c "cd /var/lib && envelopectl open $DISK data --header header"
is "all of the disk is data" "$(blockdev --getsz /dev/mapper/data)" 131072
mkfs.ext4 -q /dev/mapper/data
mount /dev/mapper/data /mnt
cp -r /usr/lib/systemd /mnt
sync
systemctl restart envelope-keyd
ok "another daemon takes it over" poll 30 is_of .managed true
ok "… reads" dd if=/dev/mapper/data of=/dev/null iflag=direct bs=1M count=8
mv $HEADER $HEADER.away
systemctl restart envelope-keyd
ok "but not without its header" poll 30 is_of '.problem | test("/header: No such file or directory")' true
mv $HEADER.away $HEADER
ok "… it is told where it is" envelopectl unlock data
is "… and has it" "$(of .managed)" true
dmsetup load disk --table "0 196608 linear /dev/vdb 0"
dmsetup resume disk
ok "resize" envelopectl resize data
is "it has grown" "$(blockdev --getsz /dev/mapper/data)" 196608
ok "rewrap, while it is open" sh -c "envelopectl kek rotate default && envelopectl rewrap $DISK --header $HEADER"
is "the device hangs on the new version" "$(of '.checks[0].version')" 2
umount /mnt
ok "close" envelopectl close data
not_ok "its note is gone" test -e /run/envelope/data.header
echo "data $DISK header=$HEADER" >/etc/envelopetab
ok "open --all" envelopectl open --all
ok "… the file system is there" mount -o ro /dev/mapper/data /mnt
ok "… as it was" diff -r /usr/lib/systemd /mnt/systemd
umount /mnt
envelopectl close data
ok "cryptsetup knows it, when it is released" sh -c "echo -n x | envelopectl release $DISK --header $HEADER"
ok "… opens it" sh -c "echo -n x | cryptsetup open --key-file - --header $HEADER $DISK stock"
ok "… the file system is there" mount -o ro /dev/mapper/stock /mnt
umount /mnt
cryptsetup close stock
dmsetup remove --retry disk
ok "the kernel log is clean" kernel_clean
done_testing
