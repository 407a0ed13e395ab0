#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Table lines good and bad, as dmsetup gives them; status, messages, keys.
. "$(dirname "$0")/lib.sh"

# IMA measures every table that is loaded from now on
echo "measure func=CRITICAL_DATA label=device-mapper template=ima-buf" >/sys/kernel/security/ima/policy

measured() {
	python3 - <<-'PY'
		for line in open("/sys/kernel/security/ima/ascii_runtime_measurements"):
		    words = line.split()
		    if words[4] == "dm_table_load":
		        print(bytes.fromhex(words[5]).decode())
	PY
}

LINE="aes-xts-plain64 :64:logon:test:a 0 /dev/vdb 0"
key test:a 64 a
key test:b 64 b
key test:short 32 a
CHECK=$(key_check 64 a)

create() { # create LENGTH ARGUMENTS…
	local length=$1
	shift
	dmsetup create t --table "0 $length envelope $*"
}

# bad WHAT SAYS LENGTH ARGUMENTS…: refused, and the kernel says why
bad() {
	local what=$1 says=$2
	shift 2
	not_ok "refused: $what" create "$@"
	like "… with the reason" "$(kernel_said)" "*$says*"
}

bad "too few arguments" "Too few arguments" 2048 aes-xts-plain64 :64:logon:test:a 0 /dev/vdb
bad "another cipher" "The cipher must be" 2048 aes-cbc-essiv:sha256 :64:logon:test:a 0 /dev/vdb 0
bad "key bytes" "Key bytes go into a keyring" 2048 aes-xts-plain64 "$(key_hex 64 a)" 0 /dev/vdb 0
bad "no key string" "The key must be given as" 2048 aes-xts-plain64 :64:logon 0 /dev/vdb 0
bad "a key of 48 bytes" "32 or 64 bytes" 2048 aes-xts-plain64 :48:logon:test:a 0 /dev/vdb 0
bad "a key of another type" "logon, user or encrypted" 2048 aes-xts-plain64 :64:rsa:test:a 0 /dev/vdb 0
bad "a missing key" "No such key" 2048 aes-xts-plain64 :64:logon:test:none 0 /dev/vdb 0
bad "a key of another size" "not of the size given" 2048 aes-xts-plain64 :64:logon:test:short 0 /dev/vdb 0
bad "a bad iv_offset" "iv_offset must be a number" 2048 aes-xts-plain64 :64:logon:test:a x /dev/vdb 0
bad "a bad offset" "device offset must be" 2048 aes-xts-plain64 :64:logon:test:a 0 /dev/vdb -1
bad "a missing device" "cannot be opened" 2048 aes-xts-plain64 :64:logon:test:a 0 /dev/none 0
bad "a wrong option count" "number of options" 2048 $LINE 2 allow_discards
bad "an unknown option" "Unknown option" 2048 $LINE 1 no_read_workqueue
bad "a repeated option" "given twice" 2048 $LINE 2 allow_discards allow_discards
bad "a bad sector size" "sector_size must be" 2048 $LINE 1 sector_size:8192
bad "a sector size that is no power of two" "sector_size must be" 2048 $LINE 1 sector_size:1536
bad "a length that is no multiple" "length must be a multiple" 2047 $LINE 1 sector_size:4096
bad "an iv_offset that is no multiple" "iv_offset must be a multiple" 2048 \
	aes-xts-plain64 :64:logon:test:a 1 /dev/vdb 0 1 sector_size:4096
bad "a short key_check" "16 hexadecimal digits" 2048 $LINE 1 key_check:0123
bad "a key_check that does not match" "key_check does not match" 2048 $LINE 1 "key_check:$(key_check 64 b)"
bad "lease 0" "lease must be" 2048 $LINE 1 lease:0
bad "a bad on_key_loss" "on_key_loss must be" 2048 $LINE 1 on_key_loss:panic
bad "queue_timeout without queue" "needs on_key_loss:queue" 2048 $LINE 1 queue_timeout:5
bad "more than the device" "too small" 4194304 $LINE

OPTIONS="7 allow_discards sector_size:4096 iv_large_sectors key_check:$CHECK lease:60 on_key_loss:queue queue_timeout:30"
ok "every option at once" create 2048 $LINE $OPTIONS
is "the table comes back as it was given" "$(dmsetup table t | sed "s/ 254:16 / \/dev\/vdb /")" "0 2048 envelope $LINE $OPTIONS"
like "status: active, lease, generation, cipher" "$(dmsetup status t)" \
	"0 2048 envelope active reason:none since:* lease:60/* key_generation:1 cipher:*xts*aes* reads:* writes:* discards:0 errors:0"
not_ok "no key byte is shown" grep -qi "$(key_hex 64 a | cut -c1-16)" <<<"$(dmsetup table --showkeys t; dmsetup status t; dmesg)"
is "logical sectors" "$(cat "/sys/block/$(basename "$(readlink -f /dev/mapper/t)")/queue/logical_block_size")" 4096

like "IMA has measured what it is" "$(measured)" "*target_name=envelope,target_version=1.1.0,allow_discards=y,iv_large_sectors=y,sector_size=4096,cipher_string=aes-xts-plain64,key_size=64,iv_offset=0,start=0,lease=60,on_key_loss=queue,queue_timeout=30;*"
not_ok "… but not its key" grep -q logon <<<"$(measured)"

dd if=/dev/urandom of=/run/pattern bs=4096 count=256 status=none
dd if=/run/pattern of=/dev/mapper/t bs=64K oflag=direct status=none
not_ok "key wipe on a running device is refused" dmsetup message t 0 key wipe
ok "suspend" dmsetup suspend t
ok "key wipe" dmsetup message t 0 key wipe
like "fenced, says the status" "$(dmsetup status t)" "*envelope fenced reason:wiped*"
not_ok "no resume without a key" dmsetup resume t
like "… with the reason" "$(kernel_said)" "*it has no key*"
not_ok "key set with another volume's key is refused" dmsetup message t 0 key set :64:logon:test:b
like "… with the reason" "$(kernel_said)" "*key_check does not match*"
not_ok "key set with a key of another size is refused" dmsetup message t 0 key set :32:logon:test:short
ok "key set" dmsetup message t 0 key set :64:logon:test:a
ok "resume" dmsetup resume t
like "active again, second generation" "$(dmsetup status t)" "*envelope active*key_generation:2*"
echo 3 >/proc/sys/vm/drop_caches
ok "the data is there" cmp -n 1048576 /run/pattern /dev/mapper/t
ok "lease renew" dmsetup message t 0 lease renew
ok "on_key_loss error" dmsetup message t 0 on_key_loss error
not_ok "… and the queue's timeout goes with it" grep -q queue <<<"$(dmsetup table t)"
ok "… so that the line can be loaded again" sh -c "dmsetup table t | dmsetup reload t && dmsetup resume t"
not_ok "on_key_loss of another kind" dmsetup message t 0 on_key_loss panic
not_ok "an unknown message" dmsetup message t 0 key show
ok "discards reach the device" blkdiscard /dev/mapper/t
like "… and are counted" "$(dmsetup status t)" "*discards:1 errors:0"
ok "remove" dmsetup remove --retry t

ok "a plain table" create 2048 $LINE
not_ok "without allow_discards there are none" blkdiscard /dev/mapper/t
ok "resize: a longer table" dmsetup reload t --table "0 4096 envelope $LINE"
ok "… resumed" dmsetup resume t
is "… is in force" "$(blockdev --getsz /dev/mapper/t)" 4096
ok "removed" dmsetup remove --retry t

dmsetup create err --table "0 2048 error"
ok "on a device that fails every request" create 2048 aes-xts-plain64 :64:logon:test:a 0 /dev/mapper/err 0
not_ok "a read fails" dd if=/dev/mapper/t of=/dev/null bs=4K count=1 iflag=direct
not_ok "a write fails" dd if=/dev/zero of=/dev/mapper/t bs=4K count=1 oflag=direct
like "they are counted" "$(dmsetup status t)" "*errors:[1-9]*"
dmsetup remove --retry t
dmsetup remove --retry err

keyctl revoke "$(keyctl search @s logon test:b)"
bad "a revoked key" "The key is revoked" 2048 aes-xts-plain64 :64:logon:test:b 0 /dev/vdb 0
keyctl timeout "$(keyctl search @s logon test:short)" 1
poll 10 sh -c '! keyctl search @s logon test:short'
bad "an expired key" "revoked or expired" 2048 aes-xts-plain64 :32:logon:test:short 0 /dev/vdb 0
ok "the module can be unloaded" modprobe -r dm_envelope
ok "the kernel log is clean" kernel_clean
done_testing
