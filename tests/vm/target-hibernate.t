#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine does not hibernate while a device has a key, and hands none out while it does.
. "$(dirname "$0")/lib.sh"
without_udev
systemctl stop envelope-keyd
LINE="aes-xts-plain64 :64:logon:test:a 0 /dev/vdb 0"

load() { # load NAME
	key test:a 64 a
	dmsetup create "$1" --table "0 2048 envelope $LINE"
}

number() { # number NAME: of the device
	dmsetup info -c --noheadings --separator : -o major,minor "$1"
}

# What a program does that writes the image itself: the kernel asks who objects, and goes no further
image() {
	python3 - <<-'PY'
		import errno, os
		try:
		    os.open("/dev/snapshot", os.O_RDONLY)
		except OSError as error:
		    raise SystemExit(errno.errorcode[error.errno])
	PY
}

# Writes the image to the swap, and goes on: it is not read back, since the swap is in use
hibernates() {
	echo test_resume >/sys/power/disk
	echo disk >/sys/power/state
}

# said TEXT: by the kernel
said() {
	dmesg | grep -q "$1"
}

ok "without a device: no objection" image
ok "a device" load one
not_ok "with a key: refused" image
like "… with EBUSY" "$OUTPUT" EBUSY
like "… says the kernel" "$(kernel_said)" "*$(number one): no hibernation while it has a key: close the device, or wipe its key*"
not_ok "… and by /sys/power/state" hibernates
like "… with EBUSY" "$OUTPUT" "*Device or resource busy*"
not_ok "… and makes no image" said "hibernation: Image created"
ok "a restore is none of its business" sh -c ": >/dev/snapshot"
ok "the device works" dd if=/dev/mapper/one of=/dev/null bs=4k count=1 iflag=direct
key test:b 64 a
dmsetup reload one --table "0 2048 envelope ${LINE/test:a/test:b}"
dmsetup message one 0 key wipe
like "fenced" "$(dmsetup status one)" "*envelope fenced *"
not_ok "a table that is only loaded has a key too" image
like "… says the kernel" "$(kernel_said)" "*$(number one): no hibernation while it has a key: close the device, or wipe its key*"
dmsetup clear one
ok "fenced: no objection" image

key test:a 64 a
exec 9</dev/snapshot
not_ok "no key is set once it has begun" dmsetup message one 0 key set :64:logon:test:a
like "… with EBUSY" "$OUTPUT" "*Device or resource busy*"
like "… and the reason" "$(kernel_said)" "*key set: The machine hibernates*"
not_ok "… and no table loaded" load two
like "… with the reason" "$(kernel_said)" "*envelope: The machine hibernates*"
exec 9<&-
dmsetup remove two 2>/dev/null
ok "a key is set when it is over" dmsetup message one 0 key set :64:logon:test:a

dmsetup message one 0 key wipe
# 7.3 reads the image back at once, in spite of the swap, and the test with it
if [ "$(uname -r | cut -d . -f 1)" -lt 7 ]; then
	mkswap /dev/vdc >/dev/null
	swapon /dev/vdc
	hibernates 2>/dev/null
	ok "fenced: an image is made" said "hibernation: Image created"
	ok "… and written" said "Image saving done"
fi
like "fenced still" "$(dmsetup status one)" "*envelope fenced *"
key test:a 64 a
ok "a key is set afterwards" dmsetup message one 0 key set :64:logon:test:a
ok "the device works" dd if=/dev/mapper/one of=/dev/null bs=4k count=1 iflag=direct
ok "the kernel log is clean" kernel_clean
done_testing
