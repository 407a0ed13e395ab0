#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine that sleeps: the lease counts that time, and a KEK may have its devices locked meanwhile.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"

# With Linux 7.3 a virtio port takes nothing any more once the machine has slept, unless its driver
# begins anew, with no port open: till then what is printed waits in a file
report() {
	local driver=/sys/bus/virtio/drivers/virtio_console device
	device=$(basename $driver/virtio*)
	echo "$device" >$driver/unbind
	echo "$device" >$driver/bind
	poll 10 test -e /dev/virtio-ports/out && poll 10 test -e /dev/virtio-ports/status
	cat /run/tap >/dev/virtio-ports/out
}
exec >/run/tap 2>&1
trap report EXIT

mkdir -p /etc/envelope/keks.d
printf '[kek]\nprovider = service\nlock_on_sleep = yes\n' >/etc/envelope/keks.d/careful.conf
modprobe rtc_cmos

of() { # of NAME FILTER: of its status
	envelopectl status "$1" --json | jq -r ".devices[0] | $2"
}

kernel_state() { # kernel_state NAME: and why
	dmsetup status --noflush "$1" | sed 's/^.* envelope \([a-z]*\) reason:\([a-z]*\) .*/\1 \2/'
}

is_active() {
	[ "$(kernel_state "$1")" = "active none" ]
}

# sleeps COMMAND…: COMMAND has the machine sleep, and an alarm wakes it. One that comes before it sleeps
# does not, with Linux 6.12: the time is to be enough on a host that has other things to do, too
sleeps() {
	rtcwake -m no -s 15 >/dev/null && "$@"
}

# The kernel alone
key test:sleep 64 sleep
dmsetup create lone --table "0 131072 envelope aes-xts-plain64 :64:logon:test:sleep 0 /dev/vdc 500000 2 sector_size:4096 lease:3"
before=$(cut -d ' ' -f 1 /proc/uptime)
ok "the machine sleeps for longer than the lease" sleeps sh -c "echo mem >/sys/power/state"
is_fenced() {
	[ "$(kernel_state lone)" = "fenced lease" ]
}
ok "when it wakes the lease is over" poll 1 is_fenced
echo "# $before, $(cut -d ' ' -f 1 /proc/uptime) s"
not_ok "… and nothing is read" dd if=/dev/mapper/lone of=/dev/null iflag=direct bs=4k count=1
dmsetup remove lone

# With the daemon
ok "a KEK whose devices are locked then" envelopectl kek create careful
ok "format by it" envelopectl format --kek careful /dev/vdb
ok "format by another" envelopectl format /dev/vdc
ok "open" envelopectl open --on-key-loss queue /dev/vdb careful
ok "open the other" envelopectl open /dev/vdc careless
ok "sleep, as the system does it" sleeps systemctl start systemd-suspend.service
log=$(dmesg | grep -E 'envelope: .*: fenced|PM: suspend entry' | tail -n 3)
like "its key was taken away before" "$log" "*fenced: lease*fenced: *suspend entry*"
ok "awake, it gets its key" poll 20 is_active careful
is "… a second one" "$(of careful .generation)" 2
is "… and is not locked any more" "$(of careful .locked)" false
is "the other one had its key all the time" "$(of careless .generation)" 1

# Its KEK cannot be reached when it wakes
pkill -STOP -x kek:careful
ok "sleep, and its provider hangs" sleeps systemctl start systemd-suspend.service
wakes() {
	[ "$(of careful '.state + " " + (.asleep | tostring)')" = "fenced false" ]
}
ok "awake, it has no key yet" poll 20 wakes
like "… and is to get it" "$(of careful .outlook)" "it gets its key when its KEKs are well*"
ok "… as soon as the provider answers" poll 40 is_active careful

# What a person locked stays locked
udevadm settle # whoever waits for a locked device keeps the machine awake
envelopectl lock careful >/dev/null
ok "locked, and asleep" sleeps systemctl start systemd-suspend.service
unneeded() {
	[ "$(systemctl is-active envelope-sleep)" = inactive ]
}
ok "awake" poll 20 unneeded
ok "… it is locked" test "$(of careful '.state + " " + (.locked | tostring)')" = "fenced true"
ok "unlock" envelopectl unlock careful
ok "close" envelopectl close careful
ok "… both" envelopectl close careless
ok "the kernel log is clean" kernel_clean
done_testing
