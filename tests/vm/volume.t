#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The life of a volume, by the commands that people use: what each does, prints and refuses.
. "$(dirname "$0")/lib.sh"

DISK=/dev/vdb
UNMOUNT="close or unmount what uses it"
FORCE="if its content may be destroyed, repeat with --force"
json() { # json FILTER COMMAND…
	local filter=$1
	shift
	"$@" --json | jq -r "$filter"
}

slot_version() {
	json '.slots[0].shares[0].version' envelopectl dump $DISK
}

is "nothing is open" "$(json '.devices | length' envelopectl status)" 0
refused 8 "open: a disk that is no volume" "$DISK: not an envelope volume" \
	"format it first: envelopectl format DEVICE" envelopectl open $DISK data
refused 5 "open: a disk that is not there" "/dev/none: No such file or directory" "check the name" \
	envelopectl open /dev/none data
refused 2 "open: a bad name" "the name of a mapping is made of letters, digits and #+-.:=@_" \
	"see envelopectl --help" envelopectl open $DISK a/b
refused 2 "open: a name that device-mapper has itself" "a mapping cannot be called control" \
	"see envelopectl --help" envelopectl open $DISK control
refused 2 "open: a long name" "the name of a mapping has 1 to 80 characters" "see envelopectl --help" \
	envelopectl open $DISK "$(printf 'x%.0s' {1..81})"
refused 14 "format: a KEK that nobody declared" "KEK elsewhere: this host does not declare it" \
	"if you trust it, write …/elsewhere.conf with: [kek] and below it: provider = service" \
	envelopectl format $DISK --kek elsewhere

echo "a passphrase of cryptsetup" >/run/passphrase
luks() { # TYPE
	cryptsetup luksFormat -q --type "$1" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $DISK /run/passphrase
}
luks luks1
refused 8 "open: a LUKS1 volume of cryptsetup" "$DISK: a LUKS1 volume of cryptsetup, not an envelope volume" \
	"to make it one without moving its data: cryptsetup convert --type luks2 $DISK, then envelopectl adopt $DISK" \
	envelopectl open $DISK data
wipefs -qa $DISK
luks luks2
refused 8 "open: a LUKS2 volume of cryptsetup" "$DISK: a LUKS2 volume of cryptsetup, not an envelope volume" \
	"to make it one without moving its data: envelopectl adopt $DISK" envelopectl open $DISK data
wipefs -qa $DISK
mkfs.ext4 -q $DISK
refused 9 "format: a file system is not destroyed" "$DISK: holds a file system or the like (ext4)" "$FORCE" \
	envelopectl format $DISK
mount -o ro $DISK /mnt
refused 6 "format: nor a mounted one, not by --force" "$DISK: in use (mounted, mapped or swap)" "$UNMOUNT" \
	envelopectl format $DISK --force
umount /mnt
wipefs -qa $DISK
partition_table() { # of one partition of 4 MiB
	head -c 450 /dev/zero
	printf '\x83\0\0\0\0\x08\0\0\0\x20\0\0'
	head -c 48 /dev/zero
	printf '\x55\xaa'
}
partition_table | dd of=$DISK conv=fsync status=none
refused 9 "format: nor a partition table" "$DISK: holds a partition table (dos)" "$FORCE" envelopectl format $DISK
ok "format --force" envelopectl format $DISK --force --label first
like "… tells volume and KEK, which was created for it" "$OUTPUT" "*formatted as volume *KEK default, version 1, *KEK default was created for it*"
like "… warns that the key store has no backup" "$OUTPUT" "*warning: *no backup*"
not_ok "… and of nothing else" grep -q "lies on the disk" <<<"$OUTPUT"
is "blkid knows it" "$(blkid -p -o value -s SUBSYSTEM $DISK)" envelope
is "… by its label" "$(blkid -p -o value -s LABEL $DISK)" first
ok "cryptsetup knows it" cryptsetup isLuks --type luks2 $DISK
UUID=$(json .uuid envelopectl dump $DISK)
ok "udev knows it" poll 10 test -e "/dev/disk/by-envelope/$UUID"
is "it is pinned" "$(json .pinned envelopectl dump $DISK)" true
is "… in a file that only root reads" "$(stat -c '%a %U' "/var/lib/envelope/volumes/$UUID.json")" "600 root"
is "the key store is the workers' alone" "$(stat -c '%a %U' /var/lib/envelope/keystore)" "700 envelope"
is "… and the root key" "$(stat -c '%a %U' /var/lib/envelope/keystore/root.key)" "600 envelope"
ok "its header has a backup" compgen -G "/var/lib/envelope/headers/$UUID-*.luks2"

touch /var/lib/envelope/keystore/backed-up
ok "format another" envelopectl format /dev/vdc
not_ok "… without the warning once there is a backup" grep -q backup <<<"$OUTPUT"

ok "open" envelopectl open $DISK data
ok "the node is there" test -b /dev/mapper/data
is "its size is the disk's less the header" "$(blockdev --getsize64 /dev/mapper/data)" $((1024 * 1048576 - 32 * 1048576))
is "its sectors" "$(blockdev --getss /dev/mapper/data)" 4096
is "its DM UUID" "$(dmsetup info -c --noheadings -o uuid data)" "CRYPT-ENVELOPE-${UUID//-/}-data"
is "lsblk calls it crypt" "$(lsblk -nro TYPE /dev/mapper/data)" crypt
like "the table names the key in the keyring" "$(dmsetup table data)" \
	"* envelope aes-xts-plain64 :64:logon:envelope:$UUID:data:* sector_size:4096 key_check:*"
not_ok "the key is in no keyring of ours" keyctl search @s logon "envelope:$UUID:data:1"
ID=$((0x$(sed -n "s/^\([0-9a-f]*\) .* envelope:$UUID:data:1: .*/\1/p" /proc/keys)))
not_ok "nor can root read it" keyctl read $ID
not_ok "… in whatever form" keyctl pipe $ID
refused 7 "open: again" "data: there is a mapping of this name" "choose another name" envelopectl open $DISK data
refused 7 "open: the name is taken by another disk" "data: there is a mapping of this name" "choose another name" \
	envelopectl open /dev/vdc data
refused 6 "open: the disk is open under another name" "$DISK: its volume $UUID is open as data" "$UNMOUNT" \
	envelopectl open $DISK other
truncate -s 64M /run/copy
dd if=$DISK of=/run/copy bs=1M count=33 conv=notrunc status=none
loop=$(losetup --find --show /run/copy)
refused 6 "open: nor a copy of the disk" "$loop: its volume $UUID is open as data" \
	"that is another disk: if this is to be used as well, and is a copy of it: envelopectl clone-fix $loop" \
	envelopectl open "$loop" other
ok "clone-fix, while the disk is open" envelopectl clone-fix "$loop"
like "… it is another from then on" "$OUTPUT" "$loop: volume *-* from now on, and no copy of $UUID any more*"
ok "open both" envelopectl open "$loop" other
is "they have the same content" "$(head -c 1M /dev/mapper/other | sha256sum)" "$(head -c 1M /dev/mapper/data | sha256sum)"
envelopectl close other
losetup -d "$loop"
refused 6 "format: an open volume is not destroyed, not by --force" "$DISK: in use by dm-0" "$UNMOUNT" \
	envelopectl format $DISK --force
refused 6 "erase: nor an open one" "$DISK is open as data" "envelopectl close data" \
	envelopectl erase $DISK --confirm "$UUID"
like "status tells all" "$(envelopectl status data)" "*state:*active*disk:*$DISK*KEK default*"
is "… and so does its JSON" "$(json '.devices[0] | [.name,.state,.device,.managed,.lease] | @csv' envelopectl status data)" \
	"\"data\",\"active\",\"$DISK\",true,3600"
refused 5 "status: of what is not there" "none: there is no such mapping" "check the name" envelopectl status none

mkswap /dev/mapper/data >/dev/null
swapon /dev/mapper/data
refused 6 "close: not while it is used as swap" "data is in use: swap" "$UNMOUNT" envelopectl close data
swapoff /dev/mapper/data
mkfs.ext4 -q /dev/mapper/data
mount -o ro /dev/mapper/data /mnt
refused 6 "close: nor while it is mounted" "data is in use: mounted at /mnt" "$UNMOUNT" envelopectl close data
umount /mnt
dmsetup create upper --table "0 2048 linear /dev/mapper/data 0"
refused 6 "close: nor below another mapping" "data is in use: below dm-1" "$UNMOUNT" envelopectl close data
dmsetup remove --retry upper
exec 3</dev/mapper/data
refused 6 "close: nor where a process has it open" "data is in use: a process has it open" "$UNMOUNT" \
	envelopectl close data
exec 3<&-
dmsetup create mine --table "0 2048 linear /dev/vdc 0"
refused 5 "close: nor what somebody else mapped" "mine is a mapping, but none of envelope-keyd's" \
	"handle it by the program that made it, or dmsetup" envelopectl close mine
refused 7 "open: nor is such a name taken over" "mine: there is a mapping of this name" "choose another name" \
	envelopectl open /dev/vdc mine
dmsetup remove --retry mine
mount /dev/mapper/data /mnt
is "version 1 wraps it" "$(slot_version)" 1
ok "rewrap: nothing to do" envelopectl rewrap $DISK
like "… and says so" "$OUTPUT" "*already*"
ok "rotate" envelopectl kek rotate default
ok "rewrap while it is mounted" envelopectl rewrap $DISK
is "version 2 wraps it" "$(slot_version)" 2
is "one slot is left" "$(json '.slots | length' envelopectl dump $DISK)" 1
is "the old version is kept" "$(json '.kek.versions | map(.version) | @csv' envelopectl kek show default)" '"1","2"'

envelopectl kek rotate default >/dev/null
ok "disable the newest version" envelopectl kek disable default 3
ok "rewrap: the newest that is enabled wraps it already" envelopectl rewrap $DISK
like "… and says so" "$OUTPUT" "*already*"
is "version 2 wraps it" "$(slot_version)" 2
ok "enable the newest version" envelopectl kek enable default 3
ok "rewrap by it" envelopectl rewrap $DISK
is "version 3 wraps it" "$(slot_version)" 3
envelopectl kek rotate default >/dev/null
envelopectl kek rotate default >/dev/null
envelopectl kek disable default 5 >/dev/null
ok "rewrap by the newest that is enabled" envelopectl rewrap $DISK
is "version 4 wraps it" "$(slot_version)" 4
umount /mnt

envelopectl close data
ok "disable the version that wraps it" envelopectl kek disable default 4
refused 17 "open: its version is disabled" "KEK default: version 4 is disabled" \
	"if it may be used again: envelopectl kek enable default 4" envelopectl open $DISK data
systemctl restart envelope-keyd
fails_with 17 "… nor after a restart" envelopectl open $DISK data
ok "enable it" envelopectl kek enable default 4
ok "open: its version is enabled" envelopectl open $DISK data

cryptsetup token export --token-id "$(json '.slots[0].token' envelopectl dump $DISK)" $DISK >/run/token
cryptsetup token import --token-id 9 --json-file /run/token $DISK
is "two tokens of one slot, as after a power cut in a rewrap" "$(json '.slots | length' envelopectl dump $DISK)" 2
ok "… open" sh -c "envelopectl close data && envelopectl open $DISK data"
ok "… and the next rewrap leaves one" envelopectl rewrap $DISK
is "… indeed" "$(json '.slots | length' envelopectl dump $DISK)" 1

OLD=$(ls "/var/lib/envelope/headers/$UUID-"*.luks2 | head -n 1)
ok "close" envelopectl close data
not_ok "the node is gone" test -e /dev/mapper/data
refused 5 "close: what is not open" "data: there is no such mapping" "check the name" envelopectl close data
ok "an old header backup still opens: rotation is not revocation" sh -c \
	"cryptsetup luksHeaderRestore -q --header-backup-file $OLD $DISK && envelopectl open $DISK data"
ok "… and can be rewrapped" envelopectl rewrap $DISK
is "… to version 4" "$(slot_version)" 4
envelopectl close data

ok "open --readonly" envelopectl open $DISK data --readonly
not_ok "… refuses writes" dd if=/dev/zero of=/dev/mapper/data bs=4K count=1 oflag=direct
envelopectl close data
ok "open --allow-discards" envelopectl open $DISK data --allow-discards
ok "… passes them down" blkdiscard --length 1M /dev/mapper/data
envelopectl close data
refused 2 "open: --on-key-loss of another kind" "on_key_loss must be error or queue" "see envelopectl --help" \
	envelopectl open $DISK data --on-key-loss panic
refused 2 "open: --queue-timeout without a queue" "queue_timeout needs on_key_loss queue" "see envelopectl --help" \
	envelopectl open $DISK data --queue-timeout 30
ok "open --on-key-loss queue --queue-timeout 30" envelopectl open $DISK data --on-key-loss queue --queue-timeout 30
like "… is in the table" "$(dmsetup table data)" "*on_key_loss:queue queue_timeout:30*"
envelopectl close data

rm "/var/lib/envelope/volumes/$UUID.json"
refused 21 "open: a volume this host never trusted" "volume $UUID: this host never trusted it" \
	"if you trust this volume, repeat with --accept-new" envelopectl open $DISK data
ok "… is trusted by --accept-new" envelopectl open $DISK data --accept-new
envelopectl close data
ok "… from then on" envelopectl open $DISK data
envelopectl close data

refused 29 "erase: a wrong confirmation" "$DISK: not erased: that is not its uuid" "nothing was changed" \
	envelopectl erase $DISK --confirm 0
refused 29 "erase: no confirmation" "$DISK: not erased: that is not its uuid" "nothing was changed" \
	envelopectl erase $DISK
ok "erase" envelopectl erase $DISK --confirm "$UUID"
refused 13 "open: an erased volume" "$DISK has no slot: its keys were erased" \
	"restore a header backup: cryptsetup luksHeaderRestore" envelopectl open $DISK data
not_ok "its header backups are gone" compgen -G "/var/lib/envelope/headers/$UUID-*"
not_ok "its pin too" test -e "/var/lib/envelope/volumes/$UUID.json"

# A key store on the disk that it protects: two pieces of one disk
envelopectl close data 2>/dev/null
wipefs -qa /dev/vdc
dmsetup create first --table "0 204800 linear /dev/vdc 0"
dmsetup create second --table "0 409600 linear /dev/vdc 204800"
mkfs.ext4 -q /dev/mapper/first
mount /dev/mapper/first /mnt
cp -a /var/lib/envelope/keystore /mnt/keystore
mount --bind /mnt/keystore /var/lib/envelope/keystore
ok "format on the disk where the key store lies" envelopectl format /dev/mapper/second
like "… warns of it" "$OUTPUT" "*warning: *key store*lies on the disk of /dev/mapper/second*"
umount /var/lib/envelope/keystore /mnt

ok "the kernel log is clean" kernel_clean
done_testing
