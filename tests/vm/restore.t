#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine that is not where it was, restored from a snapshot or with another clock: what was proved
# before counts for a minute at most, however long the lease.
# vm: --all-cpus --observe
. "$(dirname "$0")/lib.sh"

LEASE=3600
HURRY=60
STORE=/var/lib/envelope/keystore
UEVENTS=/run/uevents

cat >/etc/envelope/keks.d/default.conf <<CONF
[kek]
provider = service
lease = $LEASE
check_interval = 600
CONF

# field NAME [DEVICE]: of the status of the device at work, or of another; of a lease what is left
field() {
	dmsetup status --noflush "${2:-held}" | sed "s/.* $1:\([^ ]*\).*/\1/; s,.*/,,"
}

lease_is() { # lease_is TEST SECONDS: what is left of it
	test "$(field lease)" "$@"
}

kek_is() {
	[ "$(envelopectl status held --json | jq -r '.devices[0].checks[0].state')" = "$1" ]
}

systemctl restart envelope-keyd
ok "format" envelopectl format /dev/vdb
ok "open, with a lease of an hour" envelopectl open --on-key-loss queue /dev/vdb held
ok "… of which almost all is left" lease_is -gt $((LEASE - 300))
ok "format another" envelopectl format /dev/vdc
envelopectl slot add /dev/vdc --recovery-key 2>/dev/null | head -n 1 >/run/recovery-key

if compgen -G "/sys/bus/*/drivers/vmgenid" >/dev/null; then
	udevadm monitor --kernel --property --subsystem-match=block >$UEVENTS &
	monitor=$!
	pid=$(systemctl show -P MainPID envelope-keyd)
	ok "udev's monitor is at work" poll 10 grep -q "KERNEL - " $UEVENTS
	before=$(field restored)
	kill -STOP "$pid"
	is "restored, with its daemon stopped" "$(observe restore)" restored
	ok "the kernel lets the lease end within a minute" poll 10 lease_is -le $HURRY
	ok "… it is active" test "$(dmsetup status --noflush held | cut -d ' ' -f 4)" = active
	ok "… says when that was" test "$(field restored)" -gt "$before"
	ok "… and has udev hear of it" poll 10 grep -q ENVELOPE_REASON=restored $UEVENTS
	kill -CONT "$pid"
	ok "the daemon hears of it" poll 20 journal "This machine was restored from a snapshot: every KEK is asked anew"
	ok "… and after that the lease is what it was" poll 20 lease_is -gt $((LEASE - 300))
	kill $monitor

	mv $STORE $STORE.away
	is "restored, and its key store gone" "$(observe restore)" restored
	ok "the KEK is asked" poll 30 kek_is unreachable
	ok "… and what was proved before counts for a minute" lease_is -le $HURRY
	mv $STORE.away $STORE
	systemctl restart envelope-keyd
	ok "with it the lease is whole again" poll 30 lease_is -gt $((LEASE - 300))
else
	echo "# the kernel does not watch the generation ID of a VM"
fi

ok "the other one is opened by its recovery key, for a day" envelopectl open --recovery-key /dev/vdc typed </run/recovery-key
mv $STORE $STORE.away
date -s '+1 day' >/dev/null
ok "the clock steps, and the key store is gone: every KEK is asked anew" poll 30 kek_is unreachable
ok "… and what was proved before counts for a minute" lease_is -le $HURRY
ok "… but for the one that hangs on no KEK" test "$(field lease typed)" -gt $((86400 - 300))
is_fenced() {
	[ "$(dmsetup status --noflush held | cut -d ' ' -f 4)" = fenced ]
}
ok "… and no longer: it is fenced" poll $((HURRY + 10)) is_fenced
mv $STORE.away $STORE
ok "the kernel log is clean" kernel_clean
done_testing
