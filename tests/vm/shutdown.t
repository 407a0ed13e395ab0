#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine goes down though a mounted file system waits for a key that nobody gives: within 120 s, or
# this VM is ended, and the test fails.
# vm: --timeout 120
. "$(dirname "$0")/lib.sh"

ok "format" envelopectl format /dev/vdb
ok "open, with requests that wait" envelopectl open --on-key-loss queue /dev/vdb data
mkfs.ext4 -q -F /dev/mapper/data
ok "mount" mount /dev/mapper/data /mnt
dd if=/dev/urandom of=/mnt/before bs=1M count=4 conv=fsync status=none
systemctl mask --runtime --now envelope-keyd >/dev/null 2>&1
ok "its key is taken away, with no daemon" dmsetup message data 0 key wipe
dd if=/dev/urandom of=/mnt/after bs=1M count=4 conv=fsync status=none 2>/dev/null &
waits() {
	[ "$(dmsetup status --noflush data | sed 's/.* held:\([0-9]*\).*/\1/')" -gt 0 ]
}
ok "writes wait" poll 20 waits
ok "the kernel log is clean" kernel_clean
[ $FAILED -gt 0 ] || ok "the machine is told to go down" systemctl poweroff --no-block
done_but_for_power
[ $FAILED -gt 0 ] || exec tail -f /dev/null
