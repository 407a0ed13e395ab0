#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The machine around a volume gone wrong: no room, no module, no quota, a disk that cannot be
# written, a header with a thousand edits. Each has its code, and changes nothing.
. "$(dirname "$0")/lib.sh"

DISK=/dev/vdb
STATE=/var/lib/envelope

envelopectl format $DISK >/dev/null 2>&1
UUID=$(envelopectl dump $DISK --json | jq -r .uuid)
metadata_save $DISK /run/good

unchanged() {
	metadata_save $DISK /run/now && cmp /run/good /run/now && ! [ -e /dev/mapper/data ]
}

restore_disk() {
	metadata_restore /run/good $DISK
}

# refused STATUS WHAT COMMAND…: so, with a way out, and the disk as it was
refused() {
	fails_with "$1" "$2" "${@:3}"
	SAID=$OUTPUT
	like "… and the way out is told" "$SAID" "*envelopectl: *→ *"
	ok "… and nothing is changed" unchanged
}

# The kernel module
MODULE=$(modinfo -n dm_envelope)
mv "$MODULE" /run/
rmmod dm_envelope
refused 25 "open: no kernel module" envelopectl open $DISK data
like "… is what is told" "$SAID" "*modprobe dm_envelope*"
mv "/run/$(basename "$MODULE")" "$MODULE"
ok "… it is loaded at need" envelopectl open $DISK data
envelopectl close data

# A disk that cannot be written
blockdev --setro $DISK
refused 24 "format: a read-only disk" envelopectl format $DISK --force
envelopectl kek rotate default >/dev/null
refused 24 "rewrap: a read-only disk" envelopectl rewrap $DISK
refused 24 "erase: a read-only disk" envelopectl erase $DISK --confirm "$UUID"
refused 24 "open: a read-only disk" envelopectl open $DISK data
like "… the option is told" "$SAID" "*--readonly*"
ok "… opens with --readonly" envelopectl open $DISK data --readonly
envelopectl close data
blockdev --setrw $DISK

fill() {
	dd if=/dev/zero of=$STATE/full bs=64K status=none 2>/dev/null
	dd if=/dev/zero bs=4K status=none 2>/dev/null >>$STATE/full
}

# No room for what is to be kept of a volume
systemctl stop envelope-keyd
cp -a $STATE /run/state
mount -t tmpfs -o size=48M,mode=711 tmpfs $STATE
cp -a /run/state/keystore /run/state/volumes $STATE/
install -d -m 700 $STATE/headers
systemctl start envelope-keyd
fill
fails_with 24 "rotate: no room" envelopectl kek rotate default
is "… the KEK is as it was" "$(envelopectl kek show default --json | jq '.kek.versions | length')" 2
refused 24 "kek create: no room" envelopectl kek create another
is "… and there is no half of one" "$(envelopectl kek list --json | jq '.keks | length')" 1
fails_with 24 "format: no room for the header's backup" envelopectl format /dev/vdc
like "… how to go on is told" "$OUTPUT" "*repeat with --force*"
ok "open needs no room" envelopectl open $DISK data
envelopectl close data
rm $STATE/full
ok "with room again, so it does" envelopectl format /dev/vdc --force
ok "… and rotate" envelopectl kek rotate default
fill
refused 24 "rewrap: no room for the header's backup" envelopectl rewrap $DISK
systemctl stop envelope-keyd
umount $STATE
systemctl start envelope-keyd

# Keys that the kernel has no room for
quota=$(cat /proc/sys/kernel/keys/root_maxkeys)
echo 1 >/proc/sys/kernel/keys/root_maxkeys
refused 30 "open: no quota for keys" envelopectl open $DISK data
like "… the limit is named" "$SAID" "*kernel.keys.root_max*"
echo "$quota" >/proc/sys/kernel/keys/root_maxkeys
ok "… with quota it opens" envelopectl open $DISK data
envelopectl close data

# Each field of the slot, edited, left out, and of another type; checksums of the header right
cryptsetup token export --token-id 0 $DISK >/run/token
import() {
	cryptsetup token remove --token-id 0 $DISK && cryptsetup token import --token-id 0 --json-file "$1" $DISK
}
edits() {
	python3 - <<-'PY'
		import copy, json
		token = json.load(open("/run/token"))
		def places(value, path=()):
		    if path:
		        yield path
		    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
		    for name, inner in items:
		        yield from places(inner, path + (name,))
		def other(value):
		    if isinstance(value, str):
		        i = len(value) // 2
		        return value[:i] + ("A" if value[i:i + 1] != "A" else "B") + value[i + 1:]
		    return value + 1 if isinstance(value, int) else {}
		n = 0
		for path in places(token):
		    if path == ("type",): # of another type it is not a slot of ours
		        continue
		    for what in "edited", "left out", "of another type":
		        edit = copy.deepcopy(token)
		        at = edit
		        for name in path[:-1]:
		            at = at[name]
		        if what == "left out":
		            del at[path[-1]]
		        else:
		            at[path[-1]] = other(at[path[-1]]) if what == "edited" else {"a": 1}
		        open(f"/run/edit{n}", "w").write(json.dumps(edit))
		        print(n, ".".join(map(str, path)), what)
		        n += 1
	PY
}
while read -r n what; do
	if [[ $what == keyslots* ]]; then
		not_ok "a token with $what: cryptsetup itself refuses it" import "/run/edit$n"
	else
		import "/run/edit$n"
		OUTPUT=$(envelopectl open $DISK data 2>&1)
		like "a slot with $what is refused" "$?" "@(11|12|14|15|28)"
	fi
	restore_disk
done < <(edits)
ok "the slot as it was opens" envelopectl open $DISK data
envelopectl close data

crowd() { # as many tokens as LUKS2 takes: one too many
	local n
	for n in $(seq 1 31); do
		cryptsetup token import --token-id "$n" --json-file /run/token $DISK || return
	done
}
ok "32 slots" crowd
fails_with 30 "open: more slots than there can be" envelopectl open $DISK data
restore_disk
truncated() {
	head -c 200 /run/token >/run/half
	import /run/half
}
not_ok "cryptsetup itself refuses half a slot" truncated
ok "the kernel log is clean" kernel_clean
done_testing
