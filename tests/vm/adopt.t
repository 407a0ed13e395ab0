#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From cryptsetup to us and back, with a file system on the disk and in use: no byte of it changes.
. "$(dirname "$0")/lib.sh"

DISK=/dev/vdb
PHRASE=/run/passphrase
FAST="--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
echo -n "a passphrase of cryptsetup" >$PHRASE

sum() { # of all files of a mapping
	mount "/dev/mapper/$1" /mnt && (cd /mnt && find . -type f -print0 | sort -z | xargs -0 sha256sum) | sha256sum
	umount /mnt
}

mkdir -p /etc/envelope/keks.d
printf '[kek]\nprovider = service\ncheck_interval = 2\n' >/etc/envelope/keks.d/default.conf

is_fenced() {
	envelopectl status "$1" --json | jq -e '.devices[0].state == "fenced"' >/dev/null
}

# shellcheck disable=SC2086 # options
cryptsetup luksFormat -q $FAST $DISK $PHRASE
cryptsetup open --key-file $PHRASE $DISK data
mkfs.ext4 -q /dev/mapper/data
mount /dev/mapper/data /mnt
cp -r /usr/lib/systemd /mnt
sync
ok "adopt a disk in use" envelopectl adopt $DISK --key-file $PHRASE
like "… that is told, as it stays with dm-crypt" "$OUTPUT" \
	"*$DISK is in use (below dm-0): until it is closed, and opened by envelopectl, no KEK stops it*"
like "… and that a passphrase opens it still" "$OUTPUT" "*key slots of cryptsetup's still open it*--drop-keyslots*"
ok "what is mounted goes on" cp /mnt/systemd/systemd /mnt/copy
refused 6 "open: not beside dm-crypt" "$DISK is in use: below dm-0" "close or unmount what uses it" \
	envelopectl open $DISK ours
UUID=$(cryptsetup luksUUID $DISK)
refused 6 "erase: nor what dm-crypt has open" "$DISK is in use: below dm-0" "close or unmount what uses it" \
	envelopectl erase $DISK --confirm "$UUID"
umount /mnt
SUM=$(sum data)
cryptsetup close data
ok "udev knows it as ours" poll 10 test -e "/dev/disk/by-envelope/$UUID"
ok "open by its KEK" envelopectl open $DISK data
is "the content is what it was" "$(sum data)" "$SUM"
mount /dev/mapper/data /mnt
cp /mnt/copy /mnt/another
umount /mnt
SUM=$(sum data)
refused 6 "release: its last KEK does not go under an open device" "$DISK is open as data" "envelopectl close data" \
	envelopectl release $DISK --drop-slots --key-file $PHRASE
ok "the KEK stops it" envelopectl kek disable default
ok "… soon" poll 30 is_fenced data
envelopectl close data
not_ok "… and it opens no more" envelopectl open $DISK data
ok "but by its passphrase" cryptsetup open --key-file $PHRASE $DISK stock
is "… and is what it was" "$(sum stock)" "$SUM"
cryptsetup close stock
ok "enabled" envelopectl kek enable default
ok "key slots are dropped" envelopectl adopt $DISK --drop-keyslots
not_ok "cryptsetup opens it no more" cryptsetup open --key-file $PHRASE $DISK stock
ok "its KEK does" envelopectl open $DISK data
is "… to the same" "$(sum data)" "$SUM"
ok "release, while it is open" envelopectl release $DISK --key-file $PHRASE
envelopectl close data
ok "cryptsetup opens it" cryptsetup open --key-file $PHRASE $DISK stock
is "… to the same" "$(sum stock)" "$SUM"
cryptsetup close stock
ok "release for good" sh -c "echo another | envelopectl release $DISK --drop-slots"
not_ok "it is no volume any more" envelopectl dump $DISK
ok "cryptsetup opens it by what was typed" sh -c "echo -n another | cryptsetup open --key-file - $DISK stock"
is "… to the same" "$(sum stock)" "$SUM"
cryptsetup close stock

# Plain data, encrypted where it is, while it is in use
wipefs -qa $DISK
plain=$(($(blockdev --getsize64 $DISK) / 16))
dmsetup create plain --table "0 $((plain / 512)) linear $DISK 0"
mkfs.ext4 -q /dev/mapper/plain $((plain / 1024 - 32 * 1024))
mount /dev/mapper/plain /mnt
cp -r /usr/lib/systemd /mnt
umount /mnt
SUM=$(sum plain)
# shellcheck disable=SC2086 # options
ok "plain data is made ready" cryptsetup reencrypt -q --encrypt --type luks2 $FAST --reduce-device-size 32m \
	--init-only --key-file $PHRASE /dev/mapper/plain work
mount /dev/mapper/work /mnt
refused 28 "adopt: not while it is being encrypted" "its header asks for what this version does not know" \
	"use a newer version of dm-envelope" envelopectl adopt /dev/mapper/plain --key-file $PHRASE
ok "… encrypted, while it is mounted" cryptsetup reencrypt -q --key-file $PHRASE /dev/mapper/plain
ok "… and adopted" envelopectl adopt /dev/mapper/plain --key-file $PHRASE
umount /mnt
cryptsetup close work
ok "open" envelopectl open /dev/mapper/plain data
is "the content is what it was" "$(sum data)" "$SUM"
envelopectl close data
dmsetup remove --retry plain
ok "the kernel log is clean" kernel_clean
done_testing
