#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: --append fips=1
# In a kernel that obeys FIPS 140, XTS refuses keys of two equal halves: a wipe works there too.
. "$(dirname "$0")/lib.sh"

key test:a 64 a
# Debian's newer kernels are built without it: nothing to obey there
obeys_fips() {
	[ ! -e /proc/sys/crypto/fips_enabled ] || grep -qx 1 /proc/sys/crypto/fips_enabled
}
ok "the kernel obeys FIPS 140, if it can" obeys_fips
# equal_halves: of a key, as XTS must not have them
equal_halves() {
	head -c 32 /dev/urandom >/run/half
	cat /run/half /run/half | keyctl padd logon test:halves @s >/dev/null
	dmsetup create t --table "0 2048 envelope aes-xts-plain64 :64:logon:test:halves 0 /dev/vdb 0"
}
if [ -e /proc/sys/crypto/fips_enabled ]; then
	not_ok "a key of two equal halves" equal_halves
	like "… is refused by the cipher" "$(kernel_said)" "*envelope: The cipher refuses the key (-EINVAL)*"
fi
ok "a table" dmsetup create t --table "0 2048 envelope aes-xts-plain64 :64:logon:test:a 0 /dev/vdb 0"
dd if=/dev/zero of=/dev/mapper/t bs=64K count=16 oflag=direct status=none
ok "key wipe" dmsetup message t 0 key wipe
like "… is a wipe" "$(dmsetup status t)" "*fenced reason:wiped*"
key test:a 64 a
ok "key set" dmsetup message t 0 key set :64:logon:test:a
echo 3 >/proc/sys/vm/drop_caches
ok "the data is there" cmp -n 1048576 /dev/zero /dev/mapper/t
ok "the kernel log is clean" kernel_clean
done_testing
