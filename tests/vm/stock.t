#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A kernel without our target, as after a module that did not build: dm-crypt maps the volume, and it is said what that lacks.
. "$(dirname "$0")/lib.sh"

DISK=/dev/vdb
UNFENCED="it has no lease, and no KEK stops it"
json() { # json FILTER COMMAND…
	local filter=$1
	shift
	"$@" --json | jq -r "$filter"
}

envelopectl format $DISK >/dev/null 2>&1
envelopectl open $DISK data
head -c 4M /dev/urandom | tee /dev/mapper/data | sha256sum >/run/sum
sync
envelopectl close data
MODULE=$(modinfo -n dm_envelope)
mv "$MODULE" /run/
rmmod dm_envelope
refused 25 "open: without the module" "the kernel has no device-mapper target envelope" \
	"load the kernel module: modprobe dm_envelope" envelopectl open $DISK data
refused 2 "open: by dm-crypt, which holds no requests" "dm-crypt holds no requests: on_key_loss queue needs target envelope" \
	"see envelopectl --help" envelopectl open $DISK data --target crypt --on-key-loss queue
refused 2 "open: by what is no target" "target must be envelope or crypt" "see envelopectl --help" \
	envelopectl open $DISK data --target linear
ok "open by dm-crypt" envelopectl open $DISK data --target crypt
like "… and it is said what that lacks" "$OUTPUT" "*warning: it is mapped by dm-crypt: $UNFENCED*"
is "it is dm-crypt's" "$(dmsetup table data | cut -d ' ' -f 3)" crypt
like "its key is in the keyring, and not in the table" "$(dmsetup table --showkeys data)" "* crypt aes-xts-plain64 :64:logon:*"
is "the content is what our target wrote" "$(head -c 4M /dev/mapper/data | sha256sum)" "$(cat /run/sum)"
refused 6 "open: not twice" "$DISK is in use: below dm-0" "close or unmount what uses it" envelopectl open $DISK other --target crypt
refused 6 "erase: not while it is mapped" "$DISK is in use: below dm-0" "close or unmount what uses it" \
	envelopectl erase $DISK --confirm "$(json .uuid envelopectl dump $DISK)"
like "the list tells that it is not managed" "$(envelopectl status)" "*data *active *$DISK *no: dm-crypt*"
like "so does its status" "$(envelopectl status data)" "*state: *active*lease: *none*not managed: *dm-crypt has its key: $UNFENCED*"
is "… and its JSON" "$(json '.devices[0] | [.target, .state, .device, .size, .managed, .lease, .on_key_loss] | @csv' envelopectl status)" \
	"\"crypt\",\"active\",\"$DISK\",$(blockdev --getsize64 /dev/mapper/data),false,0,"
refused 28 "lock: nobody takes the key from dm-crypt" "data: dm-crypt has its key, which nobody takes away" \
	"envelopectl close data" envelopectl lock data
like "lock --all says so" "$(envelopectl lock --all 2>&1)" "*warning: data: dm-crypt has its key, which nobody takes away: envelopectl close data*"
envelopectl kek disable default >/dev/null
ok "no KEK stops it, as was said" dd if=/dev/mapper/data of=/dev/null iflag=direct bs=4k count=1
refused 17 "open: but it opens no more" "KEK default: version 1 is disabled" "if it may be used again: envelopectl kek enable …" \
	envelopectl open $DISK other --target crypt
envelopectl kek enable default >/dev/null
systemctl restart envelope-keyd
like "another daemon knows of it" "$(envelopectl status)" "*data *no: dm-crypt*"
exec 3</dev/mapper/data
refused 6 "close: not what is in use" "data is in use: a process has it open" "close or unmount what uses it" envelopectl close data
exec 3<&-
ok "close" envelopectl close data
not_ok "it is gone" dmsetup info data
is "nothing is open" "$(json '.devices | length' envelopectl status)" 0

echo -n x >/run/passphrase
cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vdc /run/passphrase
cryptsetup open --key-file /run/passphrase /dev/vdc foreign
is "another's mapping is not listed" "$(json '.devices | length' envelopectl status)" 0
refused 5 "close: nor closed" "foreign is a mapping, but none of envelope-keyd's" \
	"handle it by the program that made it, or dmsetup" envelopectl close foreign
cryptsetup close foreign

echo "data $DISK target=crypt,readonly" >/etc/envelopetab
ok "open --all does so where the table says it" envelopectl open --all
is "read-only, as it says" "$(blockdev --getro /dev/mapper/data)" 1
ok "close" envelopectl close data
mv "/run/$(basename "$MODULE")" "$MODULE"
ok "with the module it opens as ever" envelopectl open $DISK data
is "… to the same" "$(head -c 4M /dev/mapper/data | sha256sum)" "$(cat /run/sum)"
envelopectl close data
ok "the kernel log is clean" kernel_clean
done_testing
