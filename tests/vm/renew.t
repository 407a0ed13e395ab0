#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# usage: renew.t [RENEWALS [ROUNDS [SEED]]]: while leases are renewed so often (20), the daemon, its workers and a session
# that rewraps are killed at random moments, and no device is fenced; then, so many times (2), the KEK is disabled and they are killed: each
# device is fenced, no later than at the end of its lease.
# vm: --all-cpus --timeout 900
. "$(dirname "$0")/lib.sh"

RENEWALS=${1:-20}
ROUNDS=${2:-2}
SEED=${3:-$RANDOM$$}
RANDOM=$SEED
echo "# seed $SEED"
DEVICES=4
LEASE=20
SLICE=98304 # sectors
TRACING=/sys/kernel/tracing

mkdir -p /etc/envelope/keks.d
printf '[kek]\nprovider = service\nlease = %d\ncheck_interval = 1\n' $LEASE >/etc/envelope/keks.d/default.conf
mount -t tracefs tracefs $TRACING 2>/dev/null
echo 'p:renew envelope_lease_renew' >$TRACING/kprobe_events
echo 1 >$TRACING/events/kprobes/renew/enable

renewals() {
	awk '$1 == "renew" { print $2 }' $TRACING/kprobe_profile
}

fenced() { # how often the kernel said that one is
	dmesg | grep -c 'envelope: .*: fenced: '
}

all_managed() {
	[ "$(envelopectl status --json | jq '[.devices[] | select(.managed and .state == "active")] | length')" = $DEVICES ]
}

none_active() {
	[ "$(dmsetup status --noflush --target envelope | grep -c ' envelope fenced ')" -eq $DEVICES ]
}

a_while() { # a_while MS: less than that, by chance
	poll 60 past $(($(uptime_ms) + RANDOM % $1))
}

kill_session() { # in the middle of its work, or before or after it
	envelopectl rewrap /dev/mapper/disk$((RANDOM % DEVICES)) >/dev/null 2>&1 &
	local client=$!
	a_while 500
	pkill -9 -P "$(systemctl show -P MainPID envelope-keyd)" -x Rewrap
	wait $client
}

kill_something() {
	case $((RANDOM % 4)) in
	0) pkill -9 -f '^/usr/libexec/envelope-provider' ;;
	1) kill_session ;;
	*) systemctl kill -s KILL --kill-who=main envelope-keyd ;;
	esac
}

for ((i = 0; i < DEVICES; i++)); do
	dmsetup create disk$i --table "0 $SLICE linear /dev/vdb $((i * SLICE))"
	envelopectl format /dev/mapper/disk$i >/dev/null 2>&1
	envelopectl open /dev/mapper/disk$i data$i >/dev/null
done
ok "$DEVICES devices" all_managed
kills=0
good=yes
renewed() { # renewed SINCE
	[ "$(renewals)" -gt "$1" ]
}
while [ "$(renewals)" -lt "$RENEWALS" ]; do
	# A daemon that comes gives new keys, with whole leases: it is to be there until it renews one
	poll 60 renewed "$(renewals)" || { good=no; break; }
	a_while 3000
	kill_something
	kills=$((kills + 1))
	poll 120 all_managed || { good=no; break; }
done
is "$(renewals) renewals, something killed $kills times: each time the daemon had all again" $good yes
is "… none was fenced" "$(fenced)" 0

for ((round = 1; round <= ROUNDS; round++)); do
	before=$(fenced)
	a_while 3000
	[ $((RANDOM % 2)) -eq 0 ] || kill_something
	from=$(uptime_ms)
	envelopectl kek disable default >/dev/null 2>&1 || { # while nobody listens
		poll 20 envelopectl kek disable default
		from=$(uptime_ms)
	}
	a_while 1500
	kill_something
	ok "round $round: disabled, and something killed: all are fenced" poll $((2 * LEASE)) none_active
	last=$(fenced_ms)
	ok "… the last one after $((last - from)) ms, a lease of $LEASE s" test $((last - from)) -le $((1000 * LEASE + 1000))
	is "… each once" "$(fenced)" $((before + DEVICES))
	poll 20 envelopectl kek enable default
	ok "… enabled, all are unlocked" poll 60 envelopectl unlock --all
	poll 60 all_managed
done
for ((i = 0; i < DEVICES; i++)); do
	envelopectl close data$i
done
ok "the kernel log is clean" kernel_clean
done_testing
