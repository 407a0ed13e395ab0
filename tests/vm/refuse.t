#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: --timeout 600
# What must not open: every damage is refused by its own code, with the reason and the way out, and
# changes no byte of disks, key store and pins.
. "$(dirname "$0")/lib.sh"

DISK=/dev/vdb
OTHER=/dev/vdc
PEERS=$(dirname "$0")/../peers
STORE=/var/lib/envelope/keystore
MIB=1048576
HEADER="restore a header backup: cryptsetup luksHeaderRestore"
SLOT="the slot was edited or belongs to another disk; restore a header backup"
WITNESS="the header belongs to another disk; restore this disk's own header backup"
REPLACED="if the volume was replaced on purpose, repeat with --accept-new"
BACKUP="restore $STORE/ from its backup; nothing was changed"
AGAIN="if it may be used again: envelopectl kek enable default"
EXPOSED="if nobody else can have read or changed it, give it back: chown -R … $STORE; chmod -R go= $STORE; \
else restore it from its backup"

envelopectl format $DISK >/dev/null 2>&1
envelopectl format $OTHER >/dev/null 2>&1
UUID=$(envelopectl dump $DISK --json | jq -r .uuid)
PIN=/var/lib/envelope/volumes/$UUID.json
metadata_save $DISK /run/good
metadata_save $OTHER /run/other
cp -a $STORE /run/store
cp "$PIN" /run/pin

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

not_opened() { # not_opened STATUS WHAT SAYS CURE
	refused "$1" "open: $2" "$3" "$4" envelopectl open $DISK data
}

# opened WHAT: it opens, and is closed again
opened() {
	ok "$1" envelopectl open $DISK data
	envelopectl close data
}

opened "what is whole opens"

# Disk and header
dd if=/run/other of=$DISK bs=1M count=16 conv=fsync,notrunc status=none
not_opened 19 "another disk's header" "the disk does not belong to its header: its witness was made with another key" \
	"$WITNESS"
restore_disk
poke $((16 * MIB + 40)) X
not_opened 19 "a witness that was edited" "its witness was made with another key" "$WITNESS"
restore_disk
poke $((16 * MIB + 2000)) X
not_opened 19 "more in the witness than there is" "its witness is malformed" "$WITNESS"
restore_disk
dd if=/dev/zero of=$DISK bs=1M seek=16 count=1 conv=fsync,notrunc status=none
not_opened 19 "no witness" "there is no witness on it" "$WITNESS"
restore_disk

# libcryptsetup mends the copy that is damaged by the other
copies() { # which of them are whole
	PYTHONPATH=$PEERS python3 - $DISK <<-'PY'
		import sys
		from recover import read_header_copy
		with open(sys.argv[1], "rb") as disk:
		    print(*(bool(read_header_copy(disk, offset)) for offset in (0, 131072)))
	PY
}
for copy in 0 131072; do
	poke $((copy + 5000)) XXXX
	opened "one copy of the header damaged: the other serves"
	is "… and mends it" "$(copies)" "True True"
	ok "… and is as it was" cmp -i $((131072 - copy)) -n 131072 /run/good $DISK
	restore_disk
done
poke 5000 XXXX
blockdev --setro $DISK
before=$(snapshot)
ok "one copy damaged on a read-only disk" envelopectl open $DISK data --readonly
envelopectl close data
is "… stays so" "$(copies) $(snapshot)" "False True $before"
blockdev --setrw $DISK
poke $((131072 + 5000)) XXXX
not_opened 10 "both copies of the header damaged" "no copy of its LUKS2 header is whole" "$HEADER"
restore_disk

# edit_header EXPRESSION: the JSON text of both copies, with checksums that are right
edit_header() {
	python3 - $DISK "$1" <<-'PY'
		import hashlib, re, sys
		with open(sys.argv[1], "r+b") as disk:
		    for offset in 0, 131072:
		        disk.seek(offset)
		        area = bytearray(disk.read(131072))
		        text = area[4096:].split(b"\0", 1)[0].decode()
		        area[4096:] = eval(sys.argv[2]).encode().ljust(131072 - 4096, b"\0")
		        area[448:512] = bytes(64)
		        area[448:480] = hashlib.sha256(area).digest()
		        disk.seek(offset)
		        disk.write(area)
	PY
	sync $DISK
}
edit_header 'text[:text.index("commitment")]'
not_opened 10 "a header that ends within a slot" "no copy of its LUKS2 header is whole" "$HEADER"
restore_disk
edit_header 're.sub("\"digest\":\"...", "\"digest\":\"AAA", text)'
not_opened 22 "a digest that was edited" "the key in its slot does not match the header's digest" "$HEADER"
restore_disk
edit_header 'text.replace("aes-xts-plain64", "aes-cbc-plain64")'
not_opened 28 "another cipher" "its cipher is aes-cbc-plain64; this version knows aes-xts-plain64" \
	"use a newer version of dm-envelope"
restore_disk

# The token edited in the header, with cryptsetup keeping the checksums right
edit_token() { # edit_token JQ-FILTER
	cryptsetup token export --token-id 0 $DISK | jq -c "$1" >/run/token
	cryptsetup token remove --token-id 0 $DISK
	cryptsetup token import --token-id 0 --json-file /run/token $DISK
}
edit_token '.created = "2020-01-01T00:00:00Z"'
not_opened 12 "a slot whose date was edited" "its seal does not hold" "$SLOT"
restore_disk
edit_token '.slot = 1'
not_opened 12 "a slot whose id was edited" "its seal does not hold" "$SLOT"
restore_disk
edit_token '.shares[0].commitment |= "AAAA" + .[4:]'
not_opened 12 "a slot whose commitment was edited" "KEK … unwraps something else than was sealed" "$SLOT"
restore_disk
edit_token '.shares[0].algorithm = "A256GCM"'
not_opened 12 "a slot whose algorithm was edited" "a share that this provider did not wrap" "$SLOT"
restore_disk
edit_token '.shares[0].version = "2"'
not_opened 15 "a slot that names a KEK version nobody has" "the key store has no version 2" \
	"restore the key store from its backup"
restore_disk
edit_token '.shares[0].kek = "foreign"'
not_opened 14 "a slot that names a KEK this host does not declare" "KEK foreign: this host does not declare it" \
	"if you trust it, write …/foreign.conf with: [kek] and below it: provider = service"
restore_disk
edit_token '.uuid = "00000000-0000-0000-0000-000000000000"'
RENAMED="if the uuid was changed by hand: cryptsetup luksUUID --uuid …; else restore a header backup: cryptsetup luksHeaderRestore"
not_opened 11 "a slot sealed for another volume" "was sealed for volume 00000000-…, this is $UUID" "$RENAMED"
restore_disk
edit_token '.threshold = 2'
not_opened 11 "a threshold over the number of shares" 'member "threshold" is missing, malformed or out of range' "$HEADER"
restore_disk
edit_token '.threshold = 2 | .shares += [.shares[0] | .index = 2]'
not_opened 12 "a slot that asks for two shares" "slot 0 needs 2 of its 2 shares, and has 1; …unwraps something else" \
	"the slot was edited"
restore_disk
edit_token '.format = 2'
not_opened 28 "a slot of a later format" "slot token: format 2; this version knows 1" "use a newer version of dm-envelope"
restore_disk
edit_token '.more = 1'
not_opened 11 "a slot with a member nobody knows" "a member is missing or unknown" "$HEADER"
restore_disk
edit_token '.dek |= .[:-4]'
not_opened 11 "a slot whose key was cut short" 'member "dek" is missing, malformed or out of range' "$HEADER"
restore_disk
cryptsetup token export --token-id 0 $DISK | jq -c '.dek |= .[:64]' >/run/token
cryptsetup token import --token-id 1 --json-file /run/token $DISK
not_opened 11 "slots that seal keys of two sizes" "seal keys of different sizes" "$HEADER"
restore_disk
cryptsetup token export --token-id 0 $OTHER >/run/token
cryptsetup token remove --token-id 0 $DISK
cryptsetup token import --token-id 0 --json-file /run/token $DISK
not_opened 11 "another disk's slot" "was sealed for volume …, this is $UUID" "$RENAMED"
restore_disk
cryptsetup token remove --token-id 0 $DISK
not_opened 13 "no slot" "has no slot: its keys were erased" "$HEADER"
restore_disk

# The pin
sed -i 's/"dek": *"./"dek":"_/' "$PIN"
not_opened 26 "a damaged pin" "$PIN: not a pin, or damaged" \
	"restore the file from a backup; or remove it, and trust the volume anew with --accept-new"
jq '.threshold = 2' /run/pin >"$PIN"
not_opened 20 "fewer shares than were trusted" "asks for 1 shares, this host trusted 2" "$REPLACED"
jq '.keks = ["elsewhere"]' /run/pin >"$PIN"
not_opened 20 "another KEK than was trusted" "names KEK default, which this host never trusted for it" "$REPLACED"
rm "$PIN"
not_opened 21 "a volume this host never trusted" "this host never trusted it" \
	"if you trust this volume, repeat with --accept-new"
cp /run/pin "$PIN"
refused 20 "format: another volume under the uuid of one that is trusted" "this host trusts another volume" \
	"$REPLACED" envelopectl format $OTHER --force --uuid "$UUID"
envelopectl format $OTHER --force --uuid "$UUID" --accept-new >/dev/null 2>&1
cp /run/pin "$PIN"
refused 20 "a volume forged under the uuid of one that is trusted" "its data key is not the one this host trusted on" \
	"$REPLACED" envelopectl open $OTHER data

# The key store, file by file
rm $STORE/root.key
not_opened 18 "no root key" "root.key: the root key is missing" "$BACKUP"
restore_store
truncate -s 20 $STORE/root.key
not_opened 18 "half a root key" "root.key: it is not a file of 32 bytes" "$BACKUP"
restore_store
head -c 32 /dev/urandom >$STORE/root.key
not_opened 18 "another root key" "default.json: its MAC does not match: it was edited, or the root key is another" \
	"$BACKUP"
restore_store
sed -i 's/20\([0-9][0-9]-\)/21\1/' $STORE/default.json
not_opened 18 "an edited KEK" "default.json: its MAC does not match" "$BACKUP"
restore_store
truncate -s 100 $STORE/default.json
not_opened 18 "half a KEK" "default.json: it is not a JSON object" "$BACKUP"
restore_store
truncate -s 2M $STORE/default.json
not_opened 18 "a KEK without an end" "default.json: it is larger than any key store file" "$BACKUP"
restore_store
rm $STORE/default.json
mkdir $STORE/default.json
not_opened 18 "a directory for a KEK" "default.json: it is not a file" "$BACKUP"
restore_store
chmod 644 $STORE/root.key
not_opened 18 "a root key that others may read" "root.key: others have access to it" "$EXPOSED"
restore_store
chown root $STORE/default.json
not_opened 18 "a KEK that belongs to root" "default.json: it belongs to another user" "$EXPOSED"
restore_store
chmod 755 $STORE
not_opened 18 "a key store that others may enter" "keystore/.: others have access to it" "$EXPOSED"
restore_store
rm -rf $STORE
ln -s /run/store $STORE
not_opened 18 "a link for a key store" "keystore/.: it is not a directory" "$BACKUP"
restore_store
rm $STORE/*
not_opened 15 "an empty key store" "key store: $STORE is empty" "restore the key store from its backup"
restore_store
rm -rf $STORE
not_opened 15 "no key store" "key store: $STORE does not exist" "restore the key store from its backup"
restore_store

# The KEK
rm $STORE/default.json
not_opened 15 "no KEK" "KEK default: the key store … does not have it" "restore the key store from its backup"
restore_store
envelopectl kek create other >/dev/null
mv $STORE/other.json $STORE/default.json
not_opened 18 "another KEK's file" "default.json: it holds another KEK" "$BACKUP"
restore_store
rm -rf $STORE
install -d -m 700 -o envelope -g envelope $STORE
envelopectl kek create default >/dev/null 2>&1
not_opened 12 "a key store that was made anew" "KEK default: version 1 did not wrap this share" \
	"the key store may be another than the one the disk was sealed with: restore $STORE from its backup"
restore_store
envelopectl kek disable default >/dev/null
not_opened 17 "a KEK version that is disabled" "KEK default: version 1 is disabled" "$AGAIN 1"
refused 17 "format: every version is disabled" "KEK default: every version is disabled" "$AGAIN" \
	envelopectl format $OTHER --force
envelopectl kek enable default >/dev/null
opened "enabled, it opens again"

# The worker
kill -STOP "$(pgrep -x kek:default)"
not_opened 16 "a provider that does not answer" "the provider of KEK default does not answer" \
	"try again when the provider answers"
opened "… is replaced"
mv /usr/libexec/envelope-provider /run/
pkill -9 -x "envelope-provid|kek:default"
not_opened 16 "a provider that cannot be started" "the provider of KEK default ended while it was asked" \
	"try again when the provider answers"
mv /run/envelope-provider /usr/libexec/
ok "… is started once it can be" poll 30 envelopectl open $DISK data
envelopectl close data

# Who asks, and whom
systemctl stop envelope-keyd
not_opened 3 "no daemon" "envelope-keyd does not answer at /run/envelope/keyd.sock" \
	"start it: systemctl start envelope-keyd"
systemctl start envelope-keyd

useradd -m someone 2>/dev/null || adduser --disabled-password --gecos '' someone >/dev/null
refused 4 "someone may not ask for the status" "/run/envelope/keyd.sock: Permission denied" "run the command as root" \
	setpriv --reuid someone --clear-groups envelopectl status
refused 4 "a member of the group may not open" "Open is for root" "run the command as root" \
	setpriv --reuid someone --groups envelope --regid envelope envelopectl open $DISK data
ok "… but ask for the status" setpriv --reuid someone --groups envelope --regid envelope envelopectl status

# By the unit that somebody is in, where the kernel can tell that for sure
printf '[kek]\nprovider = service\n\n[access]\nuse = unit:probe.service\n' >/etc/envelope/keks.d/probe.conf
envelopectl kek create probe >/dev/null
systemctl reload envelope-keyd
in_unit() { # in_unit UNIT COMMAND…: what it says, and its exit status
	rm -f /run/someone/*
	install -d -o someone /run/someone
	cat >"/run/systemd/system/$1.service" <<-UNIT
		[Service]
		Type=oneshot
		User=someone
		SupplementaryGroups=envelope
		ExecStart=/bin/sh -c '${*:2} >/run/someone/said 2>&1; echo \$? >/run/someone/status'
	UNIT
	systemctl daemon-reload
	systemctl start "$1"
	cat /run/someone/said
	return "$(cat /run/someone/status)"
}
if [ "$(printf '6.5\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.5 ]; then
	ok "someone in the unit may use the KEK" poll 10 in_unit probe envelopectl kek check probe
	ok "… which is in the journal" journal "unwrap by KEK probe for uid:$(id -u someone) in probe.service, process "
else
	refused 4 "someone in the unit has no right by that" "KEK probe: uid $(id -u someone) may not" "run the command as root" \
		in_unit probe envelopectl kek check probe
	ok "… why is in the journal" poll 10 journal "KEK probe: [access] names a unit, which gives nobody a right: only since Linux 6.5"
fi
refused 4 "someone in another unit may not" "KEK probe: uid $(id -u someone) may not" "run the command as root" \
	in_unit other envelopectl kek check probe
ok "the kernel log is clean" kernel_clean
done_testing
