#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kek disable stops the devices that are open by a version at the next check, and no other; kek
# enable brings them back.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"

LEASE=600
CHECK=1
mkdir -p /etc/envelope/keks.d
printf '[kek]\nprovider = service\nlease = %s\ncheck_interval = %s\n' $LEASE $CHECK >/etc/envelope/keks.d/default.conf
systemctl reload-or-restart envelope-keyd

state() { # state NAME
	envelopectl status "$1" --json | jq -r '.devices[0].state'
}

is_state() {
	[ "$(state "$1")" = "$2" ]
}

checks() { # checks NAME: what it hangs on
	envelopectl status "$1" --json | jq -r '.devices[0].checks[0] | .version + " " + .state'
}

hangs_on() { # hangs_on NAME "VERSION STATE"
	[ "$(checks "$1")" = "$2" ]
}

both_active() {
	is_state one active && is_state two active
}

reads() {
	dd if=/dev/mapper/"$1" of=/dev/null iflag=direct bs=4k count=1
}

said() { # said TEXT: keyd logged it
	journalctl -q -u envelope-keyd -o cat ENVELOPE_KEK=default | grep -qxF "$1"
}

envelopectl format /dev/vdb >/dev/null 2>&1
envelopectl kek rotate default >/dev/null
envelopectl format /dev/vdc >/dev/null 2>&1
ok "open a disk of version 1" envelopectl open --on-key-loss queue /dev/vdb one
ok "open a disk of version 2" envelopectl open --on-key-loss queue /dev/vdc two
is "the one hangs on version 1" "$(checks one)" "1 ok"
is "the other on version 2" "$(checks two)" "2 ok"

from=$SECONDS
ok "disable version 1" envelopectl kek disable default 1
ok "its disk stops" poll 30 is_state one fenced
ok "… long before the end of its lease: after $((SECONDS - from)) s" test $((SECONDS - from)) -le $((CHECK + 5))
is "… for that reason" "$(checks one)" "1 disabled"
is "the other goes on" "$(state two)" active
ok "… and reads" reads two
ok "the journal has it" poll 10 said "KEK default, version 1: disabled"
reads one >/dev/null 2>&1 &
reader=$!
systemctl restart envelope-keyd
ok "a daemon that comes after knows it" poll 30 hangs_on one "1 disabled"
refused 17 "it cannot be unlocked" "KEK default: version 1 is disabled" \
	"if it may be used again: envelopectl kek enable default 1" envelopectl unlock one
is "it is fenced still" "$(state one)" fenced
ok "enable version 1" envelopectl kek enable default 1
ok "its disk goes on" poll 30 is_state one active
ok "… with the read that was held" wait $reader

# Rewrapped while it is open, it hangs on the old version no more
ok "rewrap it" envelopectl rewrap /dev/vdb
ok "… it hangs on version 2" poll 10 hangs_on one "2 ok"
ok "disable version 1 again" envelopectl kek disable default 1
ok "both go on" stays $((3 * CHECK + 2)) both_active

ok "disable all versions" envelopectl kek disable default
for name in one two; do
	ok "$name stops" poll 30 is_state $name fenced
done
ok "enable all versions" envelopectl kek enable default
for name in one two; do
	ok "$name goes on" poll 30 is_state $name active
	ok "… and reads" reads $name
	envelopectl close $name
done
ok "the kernel log is clean" kernel_clean
done_testing
