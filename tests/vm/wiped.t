#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is left of a volume's secrets when its device has been fenced: nothing, in all of the machine's
# memory and registers, as seen from outside. Of the key, of what is made of it, of what it is unwrapped with.
# vm: --memory 256 --all-cpus --observe
. "$(dirname "$0")/lib.sh"

LEASE=5
STORE=/var/lib/envelope/keystore
TRACING=/sys/kernel/tracing
mkdir -p /etc/envelope/keks.d
cat >/etc/envelope/keks.d/default.conf <<CONF
[kek]
provider = service
lease = $LEASE
check_interval = 1
CONF
systemctl reload-or-restart envelope-keyd
swapoff -a

learn() { # learn NAME DISK: the secrets of its volume are searched for from now on
	observe learn "$1" "$2" "$(tar -C "$(dirname $STORE)" -c keystore | base64 -w 0)" | grep '^[0-9]*$'
}

# left NAME: what is found of that volume's secrets; and whatever else is said
left() {
	observe search | sed 's/; /\n/g' | grep -E "^($1:|observer:)"
}

nothing_left() {
	OUTPUT=$(left "$1")
	[ -z "$OUTPUT" ]
}

of() { # of NAME FILTER: of its status
	envelopectl status "$1" --json | jq -r ".devices[0] | $2"
}

kernel_says() { # kernel_says NAME TEXT: of it
	dmsetup status --noflush "$1" | grep -q "$2"
}

# By lock
ok "format" envelopectl format /dev/vdb
ok "its secrets are known" learn first vdb
is "formatted, nothing is left" "$(left first)" ""
ok "open" envelopectl open /dev/vdb data
ok "write" dd if=/dev/urandom of=/dev/mapper/data bs=64K count=64 oflag=direct status=none
ok "read" dd if=/dev/mapper/data of=/dev/null bs=64K count=64 status=none
found=$(left first)
like "what is in use is found: the key" "$found" "*first:data-key 8/8 at 0x*"
like "… what AES makes of it" "$found" "*first:data-key-rounds *"
ok "lock" envelopectl lock data
is "locked, nothing is left" "$(left first)" ""
proved_long_ago() { # by an unwrap, of which there was one a second
	[ "$(of data '.checks[0].proved')" -ge 3 ]
}
ok "its share is not unwrapped any more" poll 10 proved_long_ago

# A busy life begins, of which its lease is renewed 20 times
ok "unlock" envelopectl unlock data
like "its key is found" "$(left first)" "*first:data-key 8/8 *"
mkfs.ext4 -q /dev/mapper/data
mount /dev/mapper/data /mnt
cp -r /srv/dm-envelope /mnt/
sync
mountpoint -q $TRACING || mount -t tracefs none $TRACING
echo 1 >$TRACING/events/dm_envelope/envelope_lease/enable
number=$(dmsetup info --noheadings -c -o major,minor --separator : data)

# Another, by lock with a second table, that has the same key: it is to be resized, and waits for a disk
dmsetup create below --table "0 196608 linear /dev/vdc 32768"
low() { # low SECTORS: a disk of so many, which has a header also where nothing else answers
	printf '%s\n' "0 32768 linear /dev/vdc 0" "32768 $(($1 - 32768)) linear /dev/mapper/below 0"
}
low 131072 | dmsetup create low
ok "format another" envelopectl format /dev/mapper/low
ok "its secrets are known" learn second vdc
ok "open" envelopectl open /dev/mapper/low other
low 163840 | dmsetup load low
dmsetup resume low
dmsetup suspend --noflush below
dd if=/dev/mapper/other of=/dev/null bs=4k count=1 iflag=direct status=none 2>/run/reader.log &
reader=$!
in_flight() {
	[ "$(awk '{ print $1 }' "/sys/block/$(basename "$(readlink -f /dev/mapper/other)")/inflight")" -gt 0 ]
}
ok "a read waits for its disk" poll 5 in_flight
tables=$(cat /sys/module/dm_envelope/refcnt)
envelopectl resize other >/run/resize.log 2>&1 &
resize=$!
loaded() {
	[ "$(cat /sys/module/dm_envelope/refcnt)" -gt "$tables" ]
}
ok "a second table waits" poll 20 loaded
like "its key is found" "$(left second)" "*second:data-key 8/8 *"
ok "lock" envelopectl lock other
ok "within a second nothing is left, of either table" poll 1 nothing_left second
like "of the one beside it, its key is" "$(left first)" "*first:data-key 8/8 *"
dmsetup resume below
wait $reader $resize

# By lock, while another process has it and hangs: it waits for the witness
dmsetup suspend --noflush below
envelopectl unlock other >/run/unlock.log 2>&1 &
unlock=$!
is_found() {
	left "$1" | grep -q "^$1:data-key 8/8 "
}
ok "its key is found when it is to be unlocked" poll 10 is_found second
ok "lock" envelopectl lock other
is "nothing is left" "$(left second)" ""
dmsetup resume below
wait $unlock
ok "close" envelopectl close other

renewed() {
	[ "$(grep -c "envelope_lease: $number " $TRACING/trace)" -ge 20 ]
}
ok "the lease of the first was renewed 20 times" poll 60 renewed
echo 0 >$TRACING/events/dm_envelope/envelope_lease/enable
ok "it is handed over" systemctl restart envelope-keyd
taken_over() {
	[ "$(of data .generation)" -ge 3 ]
}
ok "… to another daemon" poll 20 taken_over
umount /mnt
ok "lock" envelopectl lock data
is "locked after a busy life, nothing is left" "$(left first)" ""
ok "close" envelopectl close data

# Of an encryption set, whose share the daemon keeps for the next volume
sed 's/^lease = .*/lease = 600/' /etc/envelope/keks.d/default.conf >/etc/envelope/keks.d/fleet.conf
ok "a KEK whose shares are kept for long" envelopectl kek create fleet
ok "a set" envelopectl set create fleet --kek fleet
ok "format a volume of it" envelopectl format --force /dev/vdb --set fleet
ok "its secrets are known" learn fourth vdb
ok "open" envelopectl open /dev/vdb data
ok "close" envelopectl close data
like "the set's share is kept" "$(left fourth)" "*fourth:slot-secret [0-9]*"
ok "open" envelopectl open /dev/vdb data
ok "the KEK is disabled" envelopectl kek disable fleet
ok "… and the device fenced" poll 10 kernel_says data " envelope fenced "
ok "within a second nothing is left, of the set's share either" poll 1 nothing_left fourth
ok "the KEK is enabled" envelopectl kek enable fleet
ok "unlock" poll 10 envelopectl unlock data
like "the set's share is kept again" "$(left fourth)" "*fourth:slot-secret [0-9]*"
ok "lock" envelopectl lock data
is "locked, nothing is left" "$(left fourth)" ""
ok "close" envelopectl close data

# Of two KEKs of three
for kek in one two three; do
	cp /etc/envelope/keks.d/fleet.conf /etc/envelope/keks.d/$kek.conf
	envelopectl kek create $kek >/dev/null
done
ok "format a volume that takes two KEKs of three" envelopectl format --force /dev/vdb --kek one --kek two --kek three --threshold 2
ok "its secrets are known" learn fifth vdb
ok "open" envelopectl open /dev/vdb data
like "its key is found" "$(left fifth)" "*fifth:data-key 8/8 *"
ok "two of them are disabled" envelopectl kek disable one
ok "… both" envelopectl kek disable two
ok "… and the device is fenced" poll 10 kernel_says data " envelope fenced "
ok "within a second nothing is left, of no share either" poll 1 nothing_left fifth
ok "one is enabled" envelopectl kek enable one
ok "unlock" poll 10 envelopectl unlock data
like "its key is found" "$(left fifth)" "*fifth:data-key 8/8 *"
ok "lock" envelopectl lock data
is "locked, nothing is left" "$(left fifth)" ""
ok "close" envelopectl close data

# By the end of the lease, with nobody left to wipe anything
ok "format" envelopectl format --force /dev/vdb
ok "its secrets are known" learn third vdb
ok "open" envelopectl open /dev/vdb data
like "its key is found" "$(left third)" "*third:data-key 8/8 *"
mv $STORE $STORE.away
unreachable() {
	[ "$(of data '.checks[0].state')" = unreachable ]
}
ok "its KEK is gone" poll 10 unreachable
mkdir -p /run/systemd/system/envelope-keyd.service.d
printf '[Service]\nRestart=no\n' >/run/systemd/system/envelope-keyd.service.d/no-restart.conf
systemctl daemon-reload
systemctl kill -s KILL envelope-keyd
gone() {
	! pgrep -f 'envelope-(keyd|provider)'
}
ok "daemon and worker are killed" poll 5 gone
ok "… and the lease ends" poll $((LEASE + 2)) kernel_says data " envelope fenced reason:lease "
is "fenced, nothing is left" "$(left third)" ""
is "nor of any before" "$(observe search)" ""

# What the search can find: each trace, planted
plant() {
	python3 - <<-'PY'
		import mmap
		port = open("/dev/virtio-ports/host", "r+b", 0)
		def ask(what):
		    port.write(what + b"\n")
		    answer = b""
		    while not answer.endswith(b"\n"):
		        answer += port.read(65536)
		    return answer.decode().strip()
		traces = ask(b"traces").split()
		planted = mmap.mmap(-1, 32 * len(traces))  # none across two pages
		for i, trace in enumerate(traces):
		    planted[32 * i:32 * i + len(trace) // 2] = bytes.fromhex(trace)
		found = ask(b"search").split("; ")
		print(*found, sep="\n")
		complete = [kind for kind in found if len(set(kind.split()[1].split("/"))) == 1]
		raise SystemExit(0 if len(complete) == len(found) == 62 else 1)
	PY
}
ok "each trace is found where it is planted" plant
ok "the kernel log is clean" kernel_clean
done_testing
