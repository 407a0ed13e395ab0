#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tools that people know from dm-crypt show of a volume what they would expect.
. "$(dirname "$0")/lib.sh"

DISK=/dev/vdb
envelopectl format $DISK --label books >/dev/null 2>&1
UUID=$(envelopectl dump $DISK --json | jq -r .uuid)

# cryptsetup
ok "cryptsetup isLuks" cryptsetup isLuks --type luks2 $DISK
is "cryptsetup luksUUID" "$(cryptsetup luksUUID $DISK)" "$UUID"
ok "cryptsetup luksDump" cryptsetup luksDump $DISK
for wanted in "Version:*2" "UUID:*$UUID" "Label:*books" "Subsystem:*envelope" "cipher: aes-xts-plain64" \
	"sector: 4096" "envelope" "hmac|pbkdf2"; do
	ok "… has $wanted" grep -qE "${wanted//\*/.*}" <<<"$(cryptsetup luksDump $DISK)"
done
ok "cryptsetup luksHeaderBackup" cryptsetup luksHeaderBackup $DISK --header-backup-file /run/header
cryptsetup token remove --token-id 0 $DISK
fails_with 13 "its slot is gone" envelopectl open $DISK data
ok "cryptsetup luksHeaderRestore" cryptsetup -q luksHeaderRestore $DISK --header-backup-file /run/header
ok "… it opens again" envelopectl open $DISK data
not_ok "cryptsetup opens it by no passphrase" sh -c "echo none | cryptsetup open --type luks2 $DISK other"

# blkid, lsblk
is "blkid: its type" "$(blkid -p -o value -s TYPE $DISK)" crypto_LUKS
is "blkid: its uuid" "$(blkid -p -o value -s UUID $DISK)" "$UUID"
is "blkid: its label" "$(blkid -p -o value -s LABEL $DISK)" books
is "blkid: its subsystem" "$(blkid -p -o value -s SUBSYSTEM $DISK)" envelope
mkfs.ext4 -q -L inside /dev/mapper/data
udevadm settle --timeout=10
like "lsblk: what lies on what" "$(lsblk -nro NAME,TYPE,FSTYPE $DISK | tr '\n' ' ')" \
	"vdb disk crypto_LUKS data crypt ext4 "
is "lsblk: the size" "$(lsblk -nbdo SIZE /dev/mapper/data)" "$(envelopectl status data --json | jq .devices[0].size)"

# udev
ok "udevadm info: the disk" udevadm info $DISK
like "… is a volume" "$OUTPUT" "*disk/by-envelope/$UUID*ENVELOPE_VOLUME=1*"
ok "udevadm info: the device" udevadm info /dev/mapper/data
for wanted in DM_NAME=data "DM_UUID=CRYPT-ENVELOPE-${UUID//-/}-data" ENVELOPE_DEVICE=1 ID_FS_TYPE=ext4 \
	disk/by-id/dm-name-data disk/by-label/inside; do
	ok "… has $wanted" grep -q -- "$wanted" <<<"$(udevadm info /dev/mapper/data)"
done

# dmsetup
like "dmsetup ls --tree" "$(dmsetup ls --tree -o ascii | tr -d '\n')" "data (25?:?)* \`- (25?:16)"
is "dmsetup ls --target" "$(dmsetup ls --target envelope | cut -f1)" data
ok "dmsetup deps" sh -c "dmsetup deps -o devname data | grep -q '(vdb)'"
like "dmsetup table: no key" "$(dmsetup table --showkeys data)" "0 * envelope aes-xts-plain64 :64:logon:envelope:* 0 25?:16 *"
like "dmsetup status" "$(dmsetup status data)" "0 * envelope active *errors:0*"
is "dmsetup info: the uuid" "$(dmsetup info -c --noheadings -o uuid data)" "CRYPT-ENVELOPE-${UUID//-/}-data"

# A header backup of the service's own, and the manual's way back
backup=$(find /var/lib/envelope/headers -name "$UUID-*.luks2" | sort | tail -n 1)
envelopectl close data
dd if=/dev/zero of=$DISK bs=1M count=16 conv=fsync,notrunc status=none
fails_with 10 "its header is gone, its witness tells that there was one" envelopectl open $DISK data
ok "the service's backup of the header is one of cryptsetup's" \
	cryptsetup -q luksHeaderRestore $DISK --header-backup-file "$backup"
ok "… it opens again" envelopectl open $DISK data
is "… with its data" "$(blkid -p -o value -s LABEL /dev/mapper/data)" inside
envelopectl close data
ok "the kernel log is clean" kernel_clean
done_testing
