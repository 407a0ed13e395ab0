#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What must not open: every damage is refused by its own code, and changes no byte of the disk.
. "$(dirname "$0")/lib.sh"

DISK=/dev/vdb
OTHER=/dev/vdc
STORE=/var/lib/envelope/keystore
MIB=1048576

envelopectl format $DISK >/dev/null 2>&1
envelopectl format $OTHER >/dev/null 2>&1
UUID=$(envelopectl dump $DISK --json | jq -r .uuid)
metadata_save $DISK /run/good
metadata_save $OTHER /run/other
cp -a $STORE /run/store

restore_disk() {
	metadata_restore /run/good $DISK
}

restore_store() {
	rm -rf $STORE
	cp -a /run/store $STORE
}

poke() { # poke OFFSET TEXT: into the disk
	printf '%s' "$2" | dd of=$DISK bs=1 seek="$1" conv=notrunc,fsync status=none
}

# refused STATUS WHAT: open fails so, leaves no mapping, and the disk as it was
refused() {
	metadata_save $DISK /run/before
	fails_with "$1" "open: $2" envelopectl open $DISK data
	like "… and the way out is told" "$OUTPUT" "envelopectl: *→ *"
	metadata_save $DISK /run/after
	ok "… and no byte is changed" cmp /run/before /run/after
	not_ok "… and nothing is mapped" test -e /dev/mapper/data
}

ok "what is whole opens" envelopectl open $DISK data
envelopectl close data

dd if=/run/other of=$DISK bs=1M count=16 conv=fsync,notrunc status=none
refused 19 "another disk's header: the witness does not match"
restore_disk
poke $((16 * MIB + 40)) X
refused 19 "a witness that was edited"
restore_disk
dd if=/dev/zero of=$DISK bs=1M seek=16 count=1 conv=fsync,notrunc status=none
refused 19 "no witness"
restore_disk

poke 5000 XXXX
ok "one copy of the header damaged: the other serves" envelopectl open $DISK data
envelopectl close data
restore_disk
poke 5000 XXXX
poke $((131072 + 5000)) XXXX
refused 10 "both copies of the header damaged"
restore_disk

# The token edited in the header, with cryptsetup keeping the checksums right
edit_token() { # edit_token JQ-FILTER
	cryptsetup token export --token-id 0 $DISK | jq -c "$1" >/run/token
	cryptsetup token remove --token-id 0 $DISK
	cryptsetup token import --token-id 0 --json-file /run/token $DISK
}
edit_token '.created = "2020-01-01T00:00:00Z"'
refused 12 "a slot whose date was edited: the seal"
restore_disk
edit_token '.slot = 1'
refused 12 "a slot whose id was edited"
restore_disk
edit_token '.shares[0].version = "2"'
refused 15 "a slot that names a KEK version nobody has"
restore_disk
edit_token '.shares[0].kek = "foreign"'
refused 14 "a slot that names a KEK this host does not declare"
restore_disk
edit_token '.uuid = "00000000-0000-0000-0000-000000000000"'
refused 11 "a slot sealed for another volume"
restore_disk
edit_token '.threshold = 2'
refused 11 "a threshold over the number of shares"
restore_disk
edit_token '.format = 2'
refused 28 "a slot of a later format"
restore_disk
edit_token '.more = 1'
refused 11 "a slot with a member nobody knows"
restore_disk
cryptsetup token export --token-id 0 $OTHER >/run/token
cryptsetup token remove --token-id 0 $DISK
cryptsetup token import --token-id 0 --json-file /run/token $DISK
refused 11 "another disk's slot"
restore_disk
cryptsetup token remove --token-id 0 $DISK
refused 13 "no slot"
restore_disk

cp "/var/lib/envelope/volumes/$UUID.json" /run/pin
sed -i 's/"dek": *"./"dek":"_/' "/var/lib/envelope/volumes/$UUID.json"
refused 26 "a damaged pin"
cp /run/pin "/var/lib/envelope/volumes/$UUID.json"

rm $STORE/root.key
refused 18 "no root key"
restore_store
truncate -s 20 $STORE/root.key
refused 18 "half a root key"
restore_store
head -c 32 /dev/urandom >$STORE/root.key
refused 18 "another root key"
restore_store
sed -i 's/20\([0-9][0-9]-\)/21\1/' $STORE/default.json
refused 18 "an edited KEK"
restore_store
truncate -s 100 $STORE/default.json
refused 18 "half a KEK"
restore_store
chmod 644 $STORE/root.key
refused 18 "a root key that others may read"
restore_store
rm $STORE/default.json
refused 15 "no KEK"
restore_store
rm -rf $STORE
install -d -m 700 -o envelope -g envelope $STORE
envelopectl kek create default >/dev/null 2>&1
refused 12 "a key store that was made anew"
restore_store
ok "restored, it opens again" envelopectl open $DISK data
envelopectl close data

systemctl stop envelope-keyd
fails_with 3 "no daemon" envelopectl open $DISK data
like "… says how to start it" "$OUTPUT" "*systemctl start envelope-keyd*"
systemctl start envelope-keyd

useradd -m someone 2>/dev/null || adduser --disabled-password --gecos '' someone >/dev/null
fails_with 4 "someone may not ask for the status" setpriv --reuid someone --clear-groups envelopectl status
fails_with 4 "a member of the group may not open" \
	setpriv --reuid someone --groups envelope --regid envelope envelopectl open $DISK data
ok "… but ask for the status" setpriv --reuid someone --groups envelope --regid envelope envelopectl status
ok "the kernel log is clean" kernel_clean
done_testing
