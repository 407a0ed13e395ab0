#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What /etc/envelopetab lists is opened by the units, and mounted from /etc/fstab.
. "$(dirname "$0")/lib.sh"

envelopectl format /dev/vdb --label one >/dev/null 2>&1
envelopectl format /dev/vdc >/dev/null 2>&1
UUID=$(envelopectl dump /dev/vdc --json | jq -r .uuid)
cat >/etc/envelopetab <<-TAB
	# a comment
	one   LABEL=one
	two   UUID=$UUID  readonly,discard,_netdev
	three /dev/none   nofail
	four  /dev/none   noauto
TAB

ok "open --all" envelopectl open --all
like "… says what it did" "$OUTPUT" "*one: opened*two: opened*three: failed, nofail*"
is "by label" "$(envelopectl status one --json | jq -r '.devices[0].device')" /dev/vdb
is "by uuid, with its options" "$(envelopectl status two --json | jq -r '.devices[0] | "\(.device) \(.readonly)"')" \
	"/dev/vdc true"
ok "again: nothing to do" envelopectl open --all
like "… and says so" "$OUTPUT" "*one: already open*two: already open*"
is "as JSON" "$(envelopectl open --all --json 2>/dev/null | jq -r '.entries | map(.state) | join(",")')" \
	"already open,already open,failed, nofail"
envelopectl close two

echo "five /dev/none" >>/etc/envelopetab
fails_with 5 "an entry that fails: the others are opened all the same" envelopectl open --all
like "… it is named" "$OUTPUT" "*five: failed*/etc/envelopetab: entries that could not be opened: 1*→ see above for each"
ok "two is open" test -b /dev/mapper/two

bad_line() { # bad_line STATUS LINE SAYS CURE
	cp /etc/envelopetab /run/tab
	echo "$2" >>/run/tab
	refused "$1" "a bad line: $2" "/run/tab:7: $3" "$4" envelopectl open --all --tab /run/tab
}
CORRECT="correct the file"
bad_line 26 "six" 'no device for "six"' "$CORRECT"
bad_line 26 "six /dev/vdb one two" 'too many fields: "two"' "$CORRECT"
bad_line 26 "s/x /dev/vdb" 'this cannot be the name of a mapping: "s/x"' "$CORRECT"
bad_line 26 "one /dev/vdb" 'a second entry for "one"' "$CORRECT"
bad_line 26 "six /dev/vdb sixpence" 'unknown option "sixpence"' "$CORRECT"
bad_line 26 "six /dev/vdb volume-key=00" 'this version does not support the option "volume-key=00"' \
	"remove the option, or use a newer version"
bad_line 26 "six /dev/vdb on-key-loss=panic" 'on-key-loss must be error or queue, not "panic"' "$CORRECT"
bad_line 26 "six /dev/vdb queue-timeout=soon" 'queue-timeout must be seconds, not "soon"' "$CORRECT"
bad_line 26 "six /dev/vdb queue-timeout=5" 'queue-timeout needs on-key-loss=queue for "six"' "$CORRECT"
envelopectl close one
envelopectl close two

sed -i "/three/d; /five/d" /etc/envelopetab # the units wait a minute for a disk
mkfs_one() {
	envelopectl open /dev/vdb one && mkfs.ext4 -q /dev/mapper/one && envelopectl close one
}
ok "a file system on the first" mkfs_one
echo "/dev/mapper/one /mnt ext4 defaults,x-systemd.device-timeout=60 0 2" >>/etc/fstab
systemctl daemon-reload
ok "envelope.target" systemctl start envelope-volumes.service envelope.target
ok "… opens them" test -b /dev/mapper/one -a -b /dev/mapper/two
ok "the unit of the mount waits for the device" systemctl start mnt.mount
ok "… and it is mounted" mountpoint -q /mnt
ok "envelope.target is a part of every boot" test -e /usr/lib/systemd/system/sysinit.target.wants/envelope.target
ok "the daemon is active" systemctl is-active envelope-keyd.service
is "… and notifies its watchdog" "$(systemctl show -P WatchdogUSec envelope-keyd)" 1min
ok "udev marks the device" sh -c "udevadm info /dev/mapper/one | grep -q ENVELOPE_DEVICE=1"
ok "the journal can be searched by volume" sh -c \
	"journalctl -o json ENVELOPE_VOLUME=$UUID | grep -q envelope-keyd"
umount /mnt
envelopectl close one
truncate -s 100M /run/image
loop=$(losetup -f --show /run/image)
grow() {
	envelopectl format "$loop" >/dev/null 2>&1 && envelopectl open "$loop" grow &&
		truncate -s 300M /run/image && losetup -c "$loop"
}
ok "a disk that grows" grow
lease_left() {
	dmsetup status --noflush grow | sed 's|.* lease:[0-9]*/\([0-9]*\) .*|\1|'
}
lease=$(lease_left)
runs() {
	[ "$(lease_left)" -lt $((lease - 8)) ]
}
ok "its lease runs" poll 20 runs
lease=$(lease_left)
is_no_longer() {
	[ "$(lease_left)" -le "$lease" ]
}
before=$(blockdev --getsize64 /dev/mapper/grow)
ok "resize" envelopectl resize grow
like "… says from what to what" "$OUTPUT" "*grown from 68.0 MiB to 268.0 MiB*"
is "… in use" "$(($(blockdev --getsize64 /dev/mapper/grow) - before))" $((200 * 1048576))
ok "… which is no reason to begin its lease anew" poll 3 is_no_longer
ok "resize: nothing to do" envelopectl resize grow
truncate -s 200M /run/image
losetup -c "$loop"
refused 23 "resize: a disk that has shrunk" "grow: its disk $loop is smaller than the mapping" \
	"give the disk its size back: a mapping only grows" envelopectl resize grow
truncate -s 300M /run/image
losetup -c "$loop"
envelopectl close grow

# Where nobody makes device nodes but the library itself
systemctl stop systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd.service
rm -f /run/udev/control
ok "without udev: open" envelopectl open /dev/vdb bare
ok "… the node is there" test -b /dev/mapper/bare
ok "… close" envelopectl close bare
not_ok "… the node is gone" test -e /dev/mapper/bare
ok "the kernel log is clean" kernel_clean
done_testing
