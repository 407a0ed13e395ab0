#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# usage: withdraw.t [DEVICES]: so many (8) on one KEK, which is disabled while all are read: how long until the last
# read, and until every key is wiped, also that of one more whose disk hangs; the same when the provider is lost.
# vm: --all-cpus --disk 12G
. "$(dirname "$0")/lib.sh"

DEVICES=${1:-8}
ALL=$((DEVICES + 1))
HUNG=$DEVICES # its number
CHECK=2
LEASE=12
SLICE=98304 # sectors
STORE=/var/lib/envelope/keystore

mkdir -p /etc/envelope/keks.d
printf '[kek]\nprovider = service\nlease = %d\ncheck_interval = %d\n' $LEASE $CHECK >/etc/envelope/keks.d/default.conf

# Every second one is slow. The names of disks, and of what is open on them
for ((i = 0; i < ALL; i++)); do
	kind="linear /dev/vde $((i * SLICE))"
	[ $((i % 2)) -eq 0 ] || kind="delay /dev/vde $((i * SLICE)) 5"
	dmsetup create disk$i --table "0 $SLICE $kind"
done
udevadm settle

each() { # each COMMAND…: for all devices, several at once; %i is the number
	seq 0 $HUNG | xargs -P 4 -I%i "$@"
}

active() { # how many are
	dmsetup status --noflush --target envelope | grep -c ' envelope active '
}

all_active() {
	[ "$(active)" -eq $ALL ]
}

none_active() {
	[ "$(dmsetup status --noflush --target envelope | grep -c ' envelope fenced ')" -eq $ALL ]
}

begin_reading() { # but for the one whose disk hangs, and with it who looks at its header
	"$(dirname "$0")/../soak/last-read.py" $(seq -f '/dev/mapper/data%.0f' 0 $((DEVICES - 1))) >/run/reads &
	reader=$!
	dmsetup suspend --noflush --nolockfs disk$HUNG
	dd if=/dev/mapper/data$HUNG of=/dev/null iflag=direct bs=4k count=1 2>/dev/null &
	hung=$!
	envelopectl dump /dev/mapper/disk$HUNG >/dev/null 2>&1 &
	poll 60 grep -q 'all are read' /run/reads
}

last_read() { # last_read SINCE: the latest of all, in ms
	awk -v since="$1" '/^\// && $2 - since > last { last = $2 - since } END { print last }' /run/reads
}

# wiped_after SINCE: when the last one was, in ms, by the kernel's own clock
wiped_after() {
	poll 60 none_active && echo $(($(fenced_ms) - $1))
}

ok "$DEVICES volumes, and one more" each envelopectl format /dev/mapper/disk%i
ok "open" each envelopectl open /dev/mapper/disk%i data%i
ok "all are active" all_active

begin_reading
# What a question to the provider takes, and whoever asks: as long as a check does, on a machine so busy
from=$(uptime_ms)
envelopectl kek show default >/dev/null
ROUND_TRIP=$(($(uptime_ms) - from))
from=$(uptime_ms)
ok "the KEK is disabled" envelopectl kek disable default
wiped=$(wiped_after $from)
wait $reader
last=$(last_read $from)
ok "disabled: last read of $DEVICES devices after $last ms, $CHECK s between checks, $ROUND_TRIP ms to and fro" \
	test "$last" -le $((1000 * CHECK + 1000 + ROUND_TRIP))
ok "… all keys wiped after $wiped ms, the disk of one hangs" \
	test "$wiped" -le $((1000 * CHECK + 2000 + ROUND_TRIP))
is "each was fenced once" "$(dmesg | grep -c 'envelope: .*: fenced: ')" $ALL
dmsetup resume disk$HUNG
wait $hung

ok "the KEK is enabled" envelopectl kek enable default
ok "all are unlocked" poll 30 envelopectl unlock --all
ok "… and active" poll 60 all_active

begin_reading
mv $STORE $STORE.away
from=$(uptime_ms)
wiped=$(wiped_after $from)
wait $reader
last=$(last_read $from)
ok "provider lost: last read after $last ms, a lease of $LEASE s" test "$last" -le $((1000 * LEASE))
ok "… all keys wiped after $wiped ms" test "$wiped" -le $((1000 * LEASE + 1000))
dmsetup resume disk$HUNG
wait $hung
rm -rf $STORE
mv $STORE.away $STORE
ok "with the provider back, all are unlocked" poll 30 envelopectl unlock --all
ok "… and active" poll 60 all_active

begin_reading
from=$(uptime_ms)
ok "lock all" envelopectl lock --all
took=$(($(uptime_ms) - from))
wait $reader
last=$(last_read $from)
# Before each key goes, a note is left for the next daemon
ok "locked: last read after $last ms" test "$last" -le $((1000 + 2 * ROUND_TRIP + 10 * DEVICES))
ok "… all keys wiped after $took ms" none_active
dmsetup resume disk$HUNG
wait $hung
ok "close" each envelopectl close data%i
ok "the kernel log is clean" kernel_clean
done_testing
