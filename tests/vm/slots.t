#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Devices that hang on several KEKs, on a slot that goes, or on a recovery key.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"

LEASE=600
KEY=/run/recovery-key
STORE=/var/lib/envelope/keystore
TRACING=/sys/kernel/tracing
mkdir -p /etc/envelope/keks.d
systemctl reload-or-restart envelope-keyd
for kek in a b c; do
	printf '[kek]\nprovider = service\nlease = %s\ncheck_interval = 1\n' $LEASE >/etc/envelope/keks.d/$kek.conf
	envelopectl kek create $kek >/dev/null
done

of() { # of NAME FILTER: of its status
	envelopectl status "$1" --json | jq -r ".devices[0] | $2"
}

is_of() { # is_of NAME FILTER TEXT
	[ "$(of "$1" "$2")" = "$3" ]
}

reads() {
	dd if=/dev/mapper/"$1" of=/dev/null iflag=direct bs=4k count=1
}

probe_at() { # probe_at FUNCTION: of keyd
	"$(dirname "$0")"/probe-at /usr/sbin/envelope-keyd "$1"
}

# Events in their order: what keyd knows of a KEK is purged, a device's key is revoked, the target's state
traced_begin() {
	mountpoint -q $TRACING || mount -t tracefs none $TRACING
	echo "r:keyd/purged $(probe_at cache_purge)" >$TRACING/uprobe_events
	echo "p:keyd/revoked $(probe_at keyring_revoke)" >>$TRACING/uprobe_events
	echo >$TRACING/trace
	echo 1 >$TRACING/events/keyd/enable
	echo 1 >$TRACING/events/dm_envelope/envelope_state/enable
}

traced_end() {
	echo 0 >$TRACING/events/keyd/enable
	echo 0 >$TRACING/events/dm_envelope/envelope_state/enable
	sed -nE 's/.*: (purged|revoked): .*/\1/p; s/.*: envelope_state: [0-9:]+ ([a-z]+) .*/\1/p' $TRACING/trace |
		head -n 4 | xargs
	echo >$TRACING/uprobe_events # which empties the trace
}

snapshot() {
	cksum <(head -c 16M /dev/vdb) <(head -c 16M /dev/vdc)
	dmsetup ls
}

# Two of three
ok "format: two of three" envelopectl format /dev/vdb --kek a --kek b --kek c --threshold 2
ok "open" envelopectl open --on-key-loss queue /dev/vdb three
is "it hangs on all three" "$(of three '.keks | tostring')" '["a","b","c"]'
is "any two fence it" "$(of three '.fenced_by | sort | tostring')" '[["a","b"],["a","c"],["b","c"]]'
ok "each is proved" poll 20 is_of three '[.checks[].state] | tostring' '["ok","ok","ok"]'
envelopectl kek disable a >/dev/null
ok "one is disabled" poll 20 is_of three '[.checks[].state] | sort | tostring' '["disabled","ok","ok"]'
ok "… and the device goes on" stays 4 is_of three .state active
ok "… and reads" reads three
envelopectl kek disable b >/dev/null
ok "two are: it stops" poll 20 is_of three .state fenced
envelopectl kek enable a >/dev/null
ok "one is back: it goes on by itself" poll 20 is_of three .state active
ok "… and reads" reads three
envelopectl kek enable b >/dev/null
ok "close" envelopectl close three

# A slot goes under a device
ok "format: one KEK" envelopectl format /dev/vdc --kek a
ok "open" envelopectl open /dev/vdc one
ok "another slot, in use" envelopectl slot add /dev/vdc --kek b
is "it hangs on the one that opened it" "$(of one '.keks | tostring')" '["a"]'
ok "that one is removed" envelopectl slot remove /dev/vdc 0
is "it hangs on the other" "$(of one '.keks | tostring')" '["b"]'
envelopectl kek disable a >/dev/null
ok "… and no more on the first" stays 4 is_of one .state active
ok "… and reads" reads one
envelopectl kek disable b >/dev/null
ok "the other stops it" poll 20 is_of one .state fenced
envelopectl kek enable b >/dev/null
ok "close" envelopectl close one
envelopectl kek enable a >/dev/null

# A recovery key
envelopectl slot add /dev/vdc --recovery-key >$KEY.out 2>$KEY.err
head -n 1 $KEY.out >$KEY
like "it is printed, and what it is for" "$(cat $KEY.err)" "This recovery key opens the volume when no KEK does.*"
is "… as nine groups of eight letters" "$(grep -cE '^([cbdefghijklnrtuv]{8}-){8}[cbdefghijklnrtuv]{8}$' $KEY)" 1
envelopectl kek disable b >/dev/null
refused 17 "open: its KEK is disabled" "KEK b: version 1 is disabled" "…; or open it by its recovery key: --recovery-key" \
	envelopectl open /dev/vdc one
wrong() {
	tr c b <$KEY | envelopectl open /dev/vdc one --recovery-key
}
refused 2 "open: a recovery key that is mistyped" "recovery key: its last group does not fit to the others" \
	"compare it with what was written down, and type it again" wrong
by_recovery() { # by_recovery COMMAND…
	envelopectl "$@" --recovery-key <$KEY
}
ok "open by the recovery key" by_recovery open /dev/vdc one
ok "… reads" reads one
like "… with a lease that nobody renews" "$(of one .outlook)" "it was opened by its recovery key: it is fenced in 86* s*"
is "… and nobody withdraws" "$(of one '.fenced_by | tostring')" "[]"
ok "… it stays" stays 4 is_of one .state active
refused 17 "unlock: no KEK opens it" "KEK b: version 1 is disabled" "…; or open it by its recovery key: --recovery-key" \
	envelopectl unlock one
ok "… it stays" stays 4 is_of one .state active
systemctl restart envelope-keyd
is "another daemon asks no KEK for it" "$(of one .problem)" "an earlier one opened it, by its recovery key"
ok "… it stays" stays 6 is_of one .state active
like "… with its lease" "$(of one .outlook)" "it was opened by its recovery key: it is fenced in 86* s*"
ok "… is taken over by the recovery key" by_recovery unlock one
ok "… it is its own then" is_of one .managed true
envelopectl kek enable b >/dev/null
ok "the KEK is back, and it is told to hang on that" envelopectl unlock one
is "… it does" "$(of one '.checks[0] | .kek + " " + .state')" "b ok"
ok "… by the KEK's own lease" test "$(of one .lease_left)" -le $LEASE
envelopectl lock one >/dev/null
ok "locked, it gets its key by the recovery key" by_recovery unlock one
ok "… and reads" reads one
ok "close" envelopectl close one

# What opens nothing without it
envelopectl slot remove /dev/vdc 1 --by-recovery-key <$KEY >/dev/null
like "only the recovery key is left" "$(envelopectl slot list /dev/vdc | tail -n +2)" "0 *1 of 1 *recovery-key *"
refused 13 "open: no KEK opens it" "no KEK opens it" "…; or open it by its recovery key: --recovery-key" \
	envelopectl open /dev/vdc one
ok "a new KEK, by the recovery key" sh -c "envelopectl slot add /dev/vdc --kek c --by-recovery-key <$KEY"
ok "… opens it" envelopectl open /dev/vdc one
ok "… and reads" reads one
ok "close" envelopectl close one

# It depends on the slot that opened it, whatever else opens the volume
envelopectl kek disable a >/dev/null
cp $STORE/a.json /run/a.disabled
envelopectl kek enable a >/dev/null
cp $STORE/a.json /run/a.enabled
ok "format: one KEK" envelopectl format /dev/vdc --kek a --force
ok "open" envelopectl open --on-key-loss queue /dev/vdc one
ok "another slot" envelopectl slot add /dev/vdc --kek b
envelopectl slot add /dev/vdc --recovery-key 2>/dev/null | head -n 1 >$KEY.two
pkill -STOP -x kek:a
ok "its KEK does not answer: one more slot, by the other" envelopectl slot add /dev/vdc --kek c
pkill -CONT -x kek:a
is "… it hangs on the one that opened it" "$(of one '.keks | tostring')" '["a"]'
ok "that goes again, by the recovery key" sh -c "envelopectl slot remove /dev/vdc 3 --by-recovery-key <$KEY.two"
is "… it hangs on the one that opened it" "$(of one '.keks | tostring')" '["a"]'
systemctl stop envelope-keyd
cp /run/a.disabled $STORE/a.json
systemctl start envelope-keyd
ok "another daemon, and the KEK was disabled meanwhile: it stops" poll 20 is_of one .state fenced
ok "… and no other slot gives it its key" stays 4 is_of one .state fenced
is "… on which it does not hang" "$(of one '.keks | tostring')" '["a"]'
cp /run/a.enabled $STORE/a.json
ok "the KEK is back: it goes on by itself" poll 20 is_of one .state active
envelopectl kek disable a >/dev/null
ok "it stops" poll 20 is_of one .state fenced
ok "unlock, by another slot" envelopectl unlock one
is "… on which it hangs now" "$(of one '.keks | tostring')" '["b"]'
ok "… and reads" reads one
envelopectl kek enable a >/dev/null
systemctl stop envelope-keyd
ok "that slot is removed behind the daemon's back" cryptsetup token remove /dev/vdc --token-id \
	"$(cryptsetup luksDump --dump-json-metadata /dev/vdc | jq -r '.tokens | to_entries[] | select(.value.slot == 1).key')"
systemctl start envelope-keyd
ok "… no other takes its place unasked" poll 20 is_of one .problem "one: the slot that opened it is gone"
ok "… and it stays" stays 4 is_of one .state active
ok "unlock, by another slot" envelopectl unlock one
is "… on which it hangs now" "$(of one '.keks | tostring')" '["a"]'
ok "close" envelopectl close one

# Two of two: what is proved of both counts at once
for kek in d e; do
	printf '[kek]\nprovider = service\n' >/etc/envelope/keks.d/$kek.conf
	envelopectl kek create $kek >/dev/null
done
ok "format: one of both" envelopectl format /dev/vdb --kek d --kek e --threshold 2 --force
ok "format: another" envelopectl format /dev/vdc --kek d --kek e --threshold 2 --force
ok "open the one" envelopectl open --on-key-loss queue /dev/vdb one
envelopectl kek disable e >/dev/null
ok "one KEK is disabled, and all are asked" systemctl reload envelope-keyd
ok "… it stops" poll 20 is_of one .state fenced
envelopectl kek enable e >/dev/null
ok "it is enabled, and nobody asked yet: the other is opened" envelopectl open /dev/vdc two
ok "… and stays so" stays 4 is_of two .state active
ok "… which gives the one its key, too" poll 10 is_of one .state active
ok "close" envelopectl close one
ok "close" envelopectl close two

# An encryption set: what is known of it goes with its KEK
ok "a set" envelopectl set create fleet --kek a
ok "format: one of it" envelopectl format /dev/vdb --set fleet --force
ok "format: another" envelopectl format /dev/vdc --set fleet --force
ok "open the one" envelopectl open --on-key-loss queue /dev/vdb one
is "it hangs on the set's KEK" "$(of one '.keks | tostring')" '["a"]'
traced_begin
envelopectl kek disable a >/dev/null
ok "its KEK is disabled: it stops" poll 20 is_of one .state fenced
is "… what was known of the set is wiped first" "$(traced_end)" "purged revoked fencing fenced"
refused 17 "… and the other is not opened by what was known" "KEK a: version 1 is disabled" \
	"if it may be used again: envelopectl kek enable a 1" envelopectl open /dev/vdc two
envelopectl kek enable a >/dev/null
ok "it is back: so is the one" poll 20 is_of one .state active
ok "… and the other opens" envelopectl open /dev/vdc two
ok "… and reads" reads two
ok "close" envelopectl close two
# Before the clock steps: an answer in between would be known rightly. And so that no other worker answers in
# place of the one that hangs, when keyd has had enough of that
hang() {
	pkill -STOP -x envelope-provid && pkill -STOP -x kek:a
}
go_on() {
	pkill -CONT -x envelope-provid && pkill -CONT -x kek:a
}
ok "its KEK hangs" hang
date -s '+1 day' >/dev/null
ok "the clock steps" poll 10 journal "The clock was set: every KEK is asked anew"
refused 16 "… the other is not opened by what was known" "KEK a" "try again" \
	envelopectl open /dev/vdc two
go_on
ok "its KEK answers again" poll 20 envelopectl kek check a
envelopectl lock one >/dev/null
ok "its KEK hangs" hang
refused 16 "the one is locked: the other is not opened by what was known" "KEK a does not answer" "try again" \
	envelopectl open /dev/vdc two
go_on
ok "the one gets its key again" envelopectl unlock one
ok "close" envelopectl close one
is "the journal has no key" "$(journalctl -q -o cat | grep -cF "$(head -c 17 $KEY)")" 0
rm -f $KEY*
ok "the kernel log is clean" kernel_clean
done_testing
