#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An open volume without its key, whose requests wait: udev looks not into it, and the daemon, started
# again, gives it the key.
. "$(dirname "$0")/lib.sh"

state() {
	dmsetup status data | cut -d ' ' -f 4
}

ok "format" envelopectl format /dev/vdb
ok "open" envelopectl open /dev/vdb data
dd if=/dev/urandom of=/run/data bs=1M count=1 status=none
dd if=/run/data of=/dev/mapper/data oflag=direct bs=1M status=none
dmsetup message data 0 on_key_loss queue
udevadm settle
ok "its key is taken away" dmsetup message data 0 key wipe
is "… and so it is fenced" "$(state)" fenced
ok "udev, which was told, is soon done with it" timeout 10 udevadm settle
is "… since it did not look into it" \
	"$(udevadm info /dev/mapper/data | grep -c '^E: \(ENVELOPE_FENCED\|DM_NOSCAN\)=1$')" 2
like "envelopectl tells" "$(envelopectl status data)" "*fenced*"
dd if=/dev/mapper/data iflag=direct bs=1M count=1 status=none >/run/back &
reader=$!
ok "the daemon is started again" systemctl restart envelope-keyd
is_active() {
	[ "$(state)" = active ]
}
ok "… and gives it its key" poll 20 is_active
wait $reader
ok "what waited goes on" cmp /run/data /run/back
ok "udev is told" timeout 10 udevadm settle
looks() {
	! udevadm info /dev/mapper/data | grep -q ENVELOPE_FENCED
}
ok "… and looks into it" poll 10 looks
ok "close" envelopectl close data
ok "the kernel log is clean" kernel_clean
done_testing
