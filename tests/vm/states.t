#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a provider says of a KEK, and what becomes of the devices that hang on it: state by state, as their
# KEK's declaration wishes. How often it is asked, and when leases are renewed.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"

LEASE=30
CHECK=2
DEVICES=3
SLICE=98304 # sectors
KEYSTORE=/var/lib/envelope/keystore
CONF=/etc/envelope/keks.d/default.conf
TOLD=$KEYSTORE/told
TRACING=/sys/kernel/tracing
mkdir -p /etc/envelope/keks.d /run/systemd/system/envelope-keyd.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/sbin/envelope-keyd --provider %s\n' "$(command -v told-provider)" \
	>/run/systemd/system/envelope-keyd.service.d/provider.conf
printf '[kek]\nprovider = service\nlease = %d\ncheck_interval = %d\n' $LEASE $CHECK >$CONF
systemctl daemon-reload
systemctl restart envelope-keyd

of() { # of FILTER: of the first device's status
	envelopectl status data0 --json | jq -r ".devices[0] | $1"
}

is_of() { # is_of FILTER VALUE
	[ "$(of "$1")" = "$2" ]
}

are() { # are STATE: all devices
	[ "$(dmsetup status --noflush --target envelope | grep -c " envelope $1 ")" -eq $DEVICES ]
}

least_left() { # of all leases, in seconds
	dmsetup status --noflush --target envelope | sed 's/.* lease:[0-9]*\/\([0-9]*\) .*/\1/' | sort -n | head -n 1
}

for ((i = 0; i < DEVICES; i++)); do
	dmsetup create disk$i --table "0 $SLICE linear /dev/vdb $((i * SLICE))"
	envelopectl format /dev/mapper/disk$i >/dev/null 2>&1
	envelopectl open --on-key-loss queue /dev/mapper/disk$i data$i >/dev/null
done
ok "$DEVICES devices" are active

# One question for all of them, at about the interval, and not each time a renewal
mountpoint -q $TRACING || mount -t tracefs none $TRACING
echo 1 >$TRACING/events/dm_envelope/envelope_lease/enable
echo >$TRACING/trace
install -o envelope -m 0600 /dev/null $KEYSTORE/unwraps
from=$(uptime_ms)
least=$LEASE
while [ "$(uptime_ms)" -lt $((from + 40000)) ]; do
	left=$(least_left)
	[ "$left" -ge "$least" ] || least=$left
done
took=$(($(uptime_ms) - from))
asked=$(wc -l <$KEYSTORE/unwraps)
renewed=$(grep -c 'envelope_lease: ' $TRACING/trace)
echo 0 >$TRACING/events/dm_envelope/envelope_lease/enable
ok "in $took ms the KEK was asked $asked times, for $DEVICES devices: every $CHECK s, or a little sooner" \
	test "$asked" -ge $((took / 1000 / CHECK / 2)) -a "$asked" -le $((took / (CHECK * 900) + 2))
shortest=$(awk 'NR > 1 { gap = $1 - before; if (!short || gap < short) short = gap } { before = $1 } END { print short }' \
	$KEYSTORE/unwraps)
ok "… by up to a tenth, by chance: $shortest ms at least" \
	test "$shortest" -ge $((CHECK * 900 - 50)) -a "$shortest" -lt $((CHECK * 1000 - 20))
ok "leases were renewed $renewed times, before a third of them was over: $least s were left at least" \
	test "$renewed" -ge $((2 * DEVICES)) -a "$least" -ge $((LEASE * 2 / 3 - 1))
ok "… and not each time that the KEK was well" test "$renewed" -lt $((DEVICES * asked / 2))
rm $KEYSTORE/unwraps

say() { # say NUMBER: the state that the provider tells from now on
	echo "unwrap-state $1" >$TOLD
}

well() {
	rm $TOLD
	poll 20 is_of '.checks[0].state' ok
}

for state in 3:denied 4:disabled 5:expired 6:not-yet-valid 7:deleted; do
	say "${state%:*}"
	ok "${state#*:}: all are fenced" poll $((3 * CHECK + 5)) are fenced
	is "… says the status" "$(of '.checks[0].state')" "${state#*:}"
	is "… by the daemon" "$(dmsetup status --noflush data0 | sed 's/.* reason:\([a-z]*\) .*/\1/')" revoked
	well
	ok "… and well again: all have their keys" poll 20 are active
done
for state in 1:throttled 2:unreachable; do
	say "${state%:*}"
	ok "${state#*:}: says the status" poll $((3 * CHECK + 5)) is_of '.checks[0].state' "${state#*:}"
	ok "… and they have their keys" stays $((2 * CHECK)) are active
	well
	ok "… and well again: they still have" are active
done

# Wishes
printf 'on_denied = lease\non_throttled = fence\non_unreachable = fence\n' >>$CONF
ok "other wishes" systemctl reload envelope-keyd
say 3
ok "denied, which is to let leases run out" poll $((3 * CHECK + 5)) is_of '.checks[0].state' denied
ok "… they have their keys" stays $((2 * CHECK)) are active
ok "… and are fenced when these are over" poll $((LEASE + 5)) are fenced
is "… says the kernel" "$(dmsetup status --noflush data0 | sed 's/.* reason:\([a-z]*\) .*/\1/')" lease
well
ok "… and well again: all have their keys" poll 20 are active
say 1
ok "throttled, which is to fence" poll $((3 * CHECK + 5)) are fenced
well
ok "… and well again: all have their keys" poll 20 are active
descriptors() {
	find "/proc/$(systemctl show -P MainPID envelope-keyd)/fd" -type l | wc -l
}
no_session() {
	! pgrep -x take-over
}
poll 20 no_session
before=$(descriptors)
no_more_descriptors() {
	[ "$(descriptors)" -le "$before" ]
}
echo die >$TOLD
ok "a provider that dies of each question, which is to fence" poll $((3 * CHECK + 5)) are fenced
well
ok "… and well again: all have their keys" poll 20 are active
ok "… and the daemon as many descriptors as before" poll 10 no_more_descriptors
for ((i = 0; i < DEVICES; i++)); do
	envelopectl close data$i
done
ok "the kernel log is clean" kernel_clean
done_testing
