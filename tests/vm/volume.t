#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The life of a volume, by the commands that people use: what each does, prints and refuses.
. "$(dirname "$0")/lib.sh"

DISK=/dev/vdb
json() { # json FILTER COMMAND…
	local filter=$1
	shift
	"$@" --json | jq -r "$filter"
}

slot_version() {
	json '.slots[0].shares[0].version' envelopectl dump $DISK
}

is "nothing is open" "$(json '.devices | length' envelopectl status)" 0
fails_with 8 "open: a disk that is no volume" envelopectl open $DISK data
like "… says which" "$OUTPUT" "*$DISK: not an envelope volume*→ format it first*"
fails_with 5 "open: a disk that is not there" envelopectl open /dev/none data
fails_with 2 "open: a bad name" envelopectl open $DISK a/b
fails_with 14 "format: a KEK that nobody declared" envelopectl format $DISK --kek elsewhere
like "… says how to declare it" "$OUTPUT" "*provider = service*"
is "… and wrote nothing" "$(blkid -p $DISK)" ""

mkfs.ext4 -q $DISK
fails_with 9 "format: a file system is not destroyed" envelopectl format $DISK
like "… it is named" "$OUTPUT" "*$DISK: holds a file system*ext4*--force*"
mount $DISK /mnt
fails_with 6 "format: nor a mounted one, not by --force" envelopectl format $DISK --force
umount /mnt
ok "format --force" envelopectl format $DISK --force --label first
like "… tells volume and KEK, which was created for it" "$OUTPUT" "*formatted as volume *KEK default, version 1, which was created*"
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
	"* envelope aes-xts-plain64 :64:logon:envelope:$UUID:data:* sector_size:4096 key_check:* lease:3600*"
not_ok "the key is in no keyring of ours" keyctl search @s logon "envelope:$UUID:data:1"
ID=$((0x$(sed -n "s/^\([0-9a-f]*\) .* envelope:$UUID:data:1: .*/\1/p" /proc/keys)))
not_ok "nor can root read it" keyctl read $ID
not_ok "… in whatever form" keyctl pipe $ID
fails_with 7 "open: the name is taken" envelopectl open /dev/vdc data
fails_with 6 "open: the disk is open under another name" envelopectl open $DISK other
like "… which is named" "$OUTPUT" "*data*"
fails_with 6 "format: an open volume is not destroyed, not by --force" envelopectl format $DISK --force
fails_with 6 "erase: nor an open one" envelopectl erase $DISK --confirm "$UUID"
like "status tells all" "$(envelopectl status data)" "*state:*active*disk:*$DISK*KEK default*"
is "… and so does its JSON" "$(json '.devices[0] | [.name,.state,.device,.managed,.lease] | @csv' envelopectl status data)" \
	"\"data\",\"active\",\"$DISK\",true,3600"
fails_with 5 "status: of what is not there" envelopectl status none

mkfs.ext4 -q /dev/mapper/data
mount /dev/mapper/data /mnt
fails_with 6 "close: not while it is mounted" envelopectl close data
is "version 1 wraps it" "$(slot_version)" 1
ok "rewrap: nothing to do" envelopectl rewrap $DISK
like "… and says so" "$OUTPUT" "*already*"
ok "rotate" envelopectl kek rotate default
ok "rewrap while it is mounted" envelopectl rewrap $DISK
is "version 2 wraps it" "$(slot_version)" 2
is "one slot is left" "$(json '.slots | length' envelopectl dump $DISK)" 1
is "the old version is kept" "$(json '.kek.versions | map(.version) | @csv' envelopectl kek show default)" '"1","2"'
umount /mnt

cryptsetup token export --token-id "$(json '.slots[0].token' envelopectl dump $DISK)" $DISK >/run/token
cryptsetup token import --token-id 9 --json-file /run/token $DISK
is "two tokens of one slot, as after a power cut in a rewrap" "$(json '.slots | length' envelopectl dump $DISK)" 2
ok "… open" sh -c "envelopectl close data && envelopectl open $DISK data"
ok "… and the next rewrap leaves one" envelopectl rewrap $DISK
is "… indeed" "$(json '.slots | length' envelopectl dump $DISK)" 1

OLD=$(ls "/var/lib/envelope/headers/$UUID-"*.luks2 | head -n 1)
ok "close" envelopectl close data
not_ok "the node is gone" test -e /dev/mapper/data
fails_with 5 "close: what is not open" envelopectl close data
ok "an old header backup still opens: rotation is not revocation" sh -c \
	"cryptsetup luksHeaderRestore -q --header-backup-file $OLD $DISK && envelopectl open $DISK data"
ok "… and can be rewrapped" envelopectl rewrap $DISK
is "… to version 2" "$(slot_version)" 2
envelopectl close data

ok "open --readonly" envelopectl open $DISK data --readonly
not_ok "… refuses writes" dd if=/dev/zero of=/dev/mapper/data bs=4K count=1 oflag=direct
envelopectl close data
ok "open --allow-discards" envelopectl open $DISK data --allow-discards
ok "… passes them down" blkdiscard --length 1M /dev/mapper/data
envelopectl close data
fails_with 2 "open: --on-key-loss of another kind" envelopectl open $DISK data --on-key-loss panic
ok "open --on-key-loss queue --queue-timeout 30" envelopectl open $DISK data --on-key-loss queue --queue-timeout 30
like "… is in the table" "$(dmsetup table data)" "*on_key_loss:queue queue_timeout:30*"
envelopectl close data

rm "/var/lib/envelope/volumes/$UUID.json"
fails_with 21 "open: a volume this host never trusted" envelopectl open $DISK data
ok "… is trusted by --accept-new" envelopectl open $DISK data --accept-new
envelopectl close data
ok "… from then on" envelopectl open $DISK data
envelopectl close data

fails_with 29 "erase: a wrong confirmation" envelopectl erase $DISK --confirm 0
fails_with 29 "erase: no confirmation" envelopectl erase $DISK
ok "… destroyed nothing" envelopectl open $DISK data
envelopectl close data
ok "erase" envelopectl erase $DISK --confirm "$UUID"
fails_with 13 "open: an erased volume has no slot" envelopectl open $DISK data
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
