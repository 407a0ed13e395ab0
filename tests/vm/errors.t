#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: --timeout 600
# The machine around a volume gone wrong: no room, no module, no quota, a disk that cannot be
# written, a header with a thousand edits. Each has its code, and changes nothing.
. "$(dirname "$0")/lib.sh"

DISK=/dev/vdb
OTHER=/dev/vdc
STATE=/var/lib/envelope
KERNEL_LOG="see the kernel log for the device"
ROOM="make room on its file system"

envelopectl format $DISK >/dev/null 2>&1
UUID=$(envelopectl dump $DISK --json | jq -r .uuid)
metadata_save $DISK /run/good

restore_disk() {
	metadata_restore /run/good $DISK
}

# opened WHAT: it opens, and is closed again
opened() {
	ok "$1" envelopectl open $DISK data
	envelopectl close data
}

# The kernel module, then device-mapper itself
MODULE=$(modinfo -n dm_envelope)
MAPPER=$(modinfo -n dm_mod)
mv "$MODULE" /run/
rmmod dm_envelope
refused 25 "open: no kernel module" "the kernel has no device-mapper target envelope" \
	"load the kernel module: modprobe dm_envelope" envelopectl open $DISK data
mv "$MAPPER" /run/
rmmod dm_mod
systemctl restart envelope-keyd
refused 25 "open: no device-mapper" "no device-mapper in this kernel" \
	"load the kernel module: modprobe dm_envelope" envelopectl open $DISK data
mv "/run/$(basename "$MAPPER")" "$MAPPER"
mv "/run/$(basename "$MODULE")" "$MODULE"
opened "… they are loaded at need, by the same daemon"

# A disk that cannot be written
blockdev --setro $DISK
refused 24 "format: a read-only disk" "$DISK is read-only" "blockdev --setrw $DISK" envelopectl format $DISK --force
ok "rewrap: nothing to do on a read-only disk" envelopectl rewrap $DISK
envelopectl kek rotate default >/dev/null
refused 24 "rewrap: a read-only disk" "$DISK is read-only" "blockdev --setrw $DISK" envelopectl rewrap $DISK
refused 24 "erase: a read-only disk" "$DISK is read-only" "blockdev --setrw $DISK" \
	envelopectl erase $DISK --confirm "$UUID"
refused 24 "open: a read-only disk" "$DISK is read-only" "repeat with --readonly, or: blockdev --setrw $DISK" \
	envelopectl open $DISK data
ok "… opens with --readonly" envelopectl open $DISK data --readonly
envelopectl close data
blockdev --setrw $DISK

# A disk that cannot be read, that is too short, that is somebody's alone
bad_disk() { # bad_disk TABLE: as /dev/mapper/bad
	dmsetup create bad --table "$1"
	udevadm settle
}
bad_disk "0 2097152 error"
refused 24 "open: a disk that cannot be read" "reading the header: Input/output error" "$KERNEL_LOG" \
	envelopectl open /dev/mapper/bad data
refused 24 "format: a disk that cannot be read" "/dev/mapper/bad: cannot be read" "$KERNEL_LOG" \
	envelopectl format /dev/mapper/bad
dmsetup remove --retry bad
bad_disk "0 32768 linear $DISK 0
32768 2064384 error"
refused 24 "open: the witness cannot be read" "reading the witness: Input/output error" "$KERNEL_LOG" \
	envelopectl open /dev/mapper/bad data
dmsetup remove --retry bad
bad_disk "0 65536 linear $DISK 0"
refused 23 "open: a disk that was cut off" "it ends before the data of its volume begins" "use a larger device" \
	envelopectl open /dev/mapper/bad data
refused 23 "format: a disk too small" "33554432 bytes; a volume needs at least 34603008" "use a larger device" \
	envelopectl format /dev/mapper/bad --force
dmsetup remove --retry bad
python3 - <<-'PY' &
	import os, time
	while not os.path.exists("/run/held"):
	    try:
	        disk = os.open("/dev/vdb", os.O_RDWR | os.O_EXCL)
	        open("/run/held", "x").close()
	    except OSError: # somebody else looks at it
	        time.sleep(0.05)
	time.sleep(1000)
PY
holder=$!
ok "a program that keeps a disk for itself" poll 30 test -e /run/held
refused 6 "open: a disk that a program keeps for itself" "data: load the table: in use" "close or unmount what uses it" \
	envelopectl open $DISK data
refused 6 "format: such a disk" "$DISK: in use (mounted, mapped or swap)" "close or unmount what uses it" \
	envelopectl format $DISK --force
kill $holder
wait $holder

fill() {
	dd if=/dev/zero of=$STATE/full bs=64K status=none 2>/dev/null
	dd if=/dev/zero bs=4K status=none 2>/dev/null >>$STATE/full
}

# No room for what is to be kept of a volume; no leave to write it
systemctl stop envelope-keyd
cp -a $STATE /run/state
mount -t tmpfs -o size=48M,mode=711 tmpfs $STATE
cp -a /run/state/keystore /run/state/volumes $STATE/
install -d -m 700 $STATE/headers
systemctl start envelope-keyd
fill
refused 24 "rotate: no room" "key store: $STATE/keystore/default: No space left on device" "$ROOM" \
	envelopectl kek rotate default
refused 24 "kek create: no room" "key store: $STATE/keystore/another: No space left on device" "$ROOM" \
	envelopectl kek create another
fails_with 24 "format: no room for the pin" envelopectl format $OTHER
like "… how to go on is told" "$OUTPUT" \
	"*No space left on device*→ $OTHER has its header, but is not done: mend this, then repeat with --force"
opened "open needs no room"
rm $STATE/full
ok "with room again, so it does" envelopectl format $OTHER --force
ok "… and rotate" envelopectl kek rotate default
fill
refused 24 "rewrap: no room for the header's backup" "backing its header up: Cannot write header backup file" \
	"see that $STATE/headers can be written and has room" envelopectl rewrap $DISK
rm $STATE/full
mount -o remount,ro $STATE
refused 24 "rotate: a read-only file system" "key store: $STATE/keystore/default: Read-only file system" \
	"mount its file system for writing" envelopectl kek rotate default
refused 24 "rewrap: a read-only file system" "backing its header up: Cannot create header backup file" \
	"see that $STATE/headers can be written and has room" envelopectl rewrap $DISK
opened "open needs no writing"
systemctl stop envelope-keyd
umount $STATE
systemctl start envelope-keyd

# Keys that the kernel has no room for
quota=$(cat /proc/sys/kernel/keys/root_maxkeys)
echo 1 >/proc/sys/kernel/keys/root_maxkeys
refused 30 "open: no quota for keys" "the kernel's quota of keys is used up" \
	"raise kernel.keys.root_maxkeys and root_maxbytes" envelopectl open $DISK data
echo "$quota" >/proc/sys/kernel/keys/root_maxkeys
opened "… with quota it opens"

# Each field of the slot, edited, cut short, left out, of another type; checksums of the header right
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
		def edits(value):
		    yield "left out", None
		    yield "of another type", {"a": 1}
		    if isinstance(value, str):
		        i = len(value) // 2
		        yield "edited", value[:i] + ("A" if value[i:i + 1] != "A" else "B") + value[i + 1:]
		        yield "cut short", value[:i]
		    else:
		        yield "edited", value + 1 if isinstance(value, int) else {}
		def at(value, path):
		    for name in path:
		        value = value[name]
		    return value
		n = 0
		for path in places(token):
		    if path == ("type",): # of another type it is not a slot of ours
		        continue
		    for what, value in edits(at(token, path)):
		        edit = copy.deepcopy(token)
		        at(edit, path[:-1])[path[-1]] = value
		        if value is None:
		            del at(edit, path[:-1])[path[-1]]
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
		before=$(snapshot)
		said=$(envelopectl open $DISK data 2>&1)
		like "a slot with $what is refused" "$? $said" "@(11|12|14|15|28) envelopectl: *→ *"
		is "… and nothing is changed" "$(snapshot)" "$before"
	fi
	restore_disk
done < <(edits)
opened "the slot as it was opens"

crowd() { # as many tokens as LUKS2 takes: one too many
	local n
	for n in $(seq 1 31); do
		cryptsetup token import --token-id "$n" --json-file /run/token $DISK || return
	done
}
ok "32 slots" crowd
refused 30 "open: more slots than there can be" "more than 31 slots" \
	"restore a header backup: cryptsetup luksHeaderRestore" envelopectl open $DISK data
restore_disk
truncated() {
	head -c 200 /run/token >/run/half
	import /run/half
}
not_ok "cryptsetup itself refuses half a slot" truncated
ok "the kernel log is clean" kernel_clean
done_testing
