#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Table lines good and bad, as dmsetup gives them; status, messages, keys.
. "$(dirname "$0")/lib.sh"

without_udev

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
key test:hidden 64 a
CHECK=$(key_check 64 a)

create() { # create LENGTH ARGUMENTS…
	local length=$1
	shift
	dmsetup create t --table "0 $length envelope $*"
}

# bad WHAT ERRNO SAYS LENGTH ARGUMENTS…: refused, the kernel says why, and nothing is left of it
bad() {
	local what=$1 says="envelope: $3 (-$2)"
	shift 3
	not_ok "refused: $what" create "$@"
	like "… with the reason" "$(kernel_said)" "*$says*"
	not_ok "… and nothing is mapped" dmsetup info t
}

bad "too few arguments" EINVAL "Too few arguments: <cipher> <key> <iv_offset> <device> <offset>" 2048 \
	aes-xts-plain64 :64:logon:test:a 0 /dev/vdb
bad "another cipher" EINVAL "The cipher must be aes-xts-plain64" 2048 \
	aes-cbc-essiv:sha256 :64:logon:test:a 0 /dev/vdb 0
bad "key bytes" EINVAL "Key bytes go into a keyring, :<bytes>:logon:<name> here" 2048 \
	aes-xts-plain64 "$(key_hex 64 a)" 0 /dev/vdb 0
bad "no key string" EINVAL "The key must be given as :<bytes>:<type>:<description>" 2048 \
	aes-xts-plain64 :64:logon 0 /dev/vdb 0
bad "a key of 48 bytes" EINVAL "The key must be of 32 or 64 bytes" 2048 \
	aes-xts-plain64 :48:logon:test:a 0 /dev/vdb 0
bad "a key of another type" EINVAL "The key type must be logon, user or encrypted" 2048 \
	aes-xts-plain64 :64:rsa:test:a 0 /dev/vdb 0
bad "a missing key" ENOKEY "No such key in a keyring of this process, or it is revoked or expired" 2048 \
	aes-xts-plain64 :64:logon:test:none 0 /dev/vdb 0
bad "a key of another size" EINVAL "The key is not of the size given" 2048 \
	aes-xts-plain64 :64:logon:test:short 0 /dev/vdb 0
bad "a bad iv_offset" EINVAL "iv_offset must be a number of 512-byte sectors" 2048 \
	aes-xts-plain64 :64:logon:test:a x /dev/vdb 0
bad "a bad offset" EINVAL "The device offset must be a number of 512-byte sectors" 2048 \
	aes-xts-plain64 :64:logon:test:a 0 /dev/vdb -1
bad "a missing device" "@(ENODEV|ENOENT)" "The device below cannot be opened" 2048 \
	aes-xts-plain64 :64:logon:test:a 0 /dev/none 0
bad "a wrong option count" EINVAL "The number of options is wrong" 2048 $LINE 2 allow_discards
bad "an unknown option" EINVAL "Unknown option" 2048 $LINE 1 no_read_workqueue
bad "a repeated option" EINVAL "An option is given twice" 2048 $LINE 2 allow_discards allow_discards
bad "a bad sector size" EINVAL "sector_size must be 512, 1024, 2048 or 4096" 2048 $LINE 1 sector_size:8192
bad "a sector size that is no power of two" EINVAL "sector_size must be 512, 1024, 2048 or 4096" 2048 \
	$LINE 1 sector_size:1536
bad "a length that is no multiple" EINVAL "The length must be a multiple of sector_size" 2047 \
	$LINE 1 sector_size:4096
bad "an iv_offset that is no multiple" EINVAL "iv_offset must be a multiple of sector_size" 2048 \
	aes-xts-plain64 :64:logon:test:a 1 /dev/vdb 0 1 sector_size:4096
bad "a short key_check" EINVAL "key_check must be 16 hexadecimal digits" 2048 $LINE 1 key_check:0123
bad "a key_check that does not match" EKEYREJECTED "The key is not this volume's: key_check does not match" 2048 \
	$LINE 1 "key_check:$(key_check 64 b)"
bad "lease 0" EINVAL "lease must be a number of seconds" 2048 $LINE 1 lease:0
bad "a bad on_key_loss" EINVAL "on_key_loss must be error or queue" 2048 $LINE 1 on_key_loss:panic
bad "queue_timeout 0" EINVAL "queue_timeout must be 1 to 604800 seconds" 2048 \
	$LINE 2 on_key_loss:queue queue_timeout:0
bad "queue_timeout of more than a week" EINVAL "queue_timeout must be 1 to 604800 seconds" 2048 \
	$LINE 2 on_key_loss:queue queue_timeout:604801
bad "queue_timeout without queue" EINVAL "queue_timeout needs on_key_loss:queue" 2048 $LINE 1 queue_timeout:5
not_ok "refused: more than the device" create 4194304 $LINE
like "… with the reason, by device-mapper itself" "$(kernel_said)" "*vdb too small for target*"
keyctl setperm "$(keyctl search @s logon test:hidden)" 0x37000000
bad "a key that may not be searched for" EACCES "The key may not be searched for by this process" 2048 \
	aes-xts-plain64 :64:logon:test:hidden 0 /dev/vdb 0
ok "the disk is as it was" cmp -n 2097152 /dev/zero /dev/vdb

OPTIONS="7 allow_discards sector_size:4096 iv_large_sectors key_check:$CHECK lease:60 on_key_loss:queue queue_timeout:30"
ok "every option at once" create 2048 $LINE $OPTIONS
is "the table comes back as it was given" "$(dmsetup table t | sed "s/ 254:16 / \/dev\/vdb /")" "0 2048 envelope $LINE $OPTIONS"
like "status: active, lease, generation, cipher" "$(dmsetup status t)" \
	"0 2048 envelope active reason:none since:* lease:60/* key_generation:1 cipher:*xts*aes* reads:* writes:* discards:0 errors:0 deferred:* helped:* scattered:0 reserved:0 given:*"
not_ok "no key byte is shown" grep -qi "$(key_hex 64 a | cut -c1-16)" <<<"$(dmsetup table --showkeys t; dmsetup status t; dmesg)"
is "logical sectors" "$(blockdev --getss /dev/mapper/t)" 4096

like "IMA has measured what it is" "$(measured)" "*target_name=envelope,target_version=1.3.0,allow_discards=y,iv_large_sectors=y,sector_size=4096,cipher_string=aes-xts-plain64,key_size=64,iv_offset=0,start=0,lease=60,on_key_loss=queue,queue_timeout=30;*"
not_ok "… but not its key" grep -q logon <<<"$(measured)"

dd if=/dev/urandom of=/run/pattern bs=4096 count=256 status=none
dd if=/run/pattern of=/dev/mapper/t bs=64K oflag=direct status=none
ok "key wipe" dmsetup message t 0 key wipe
like "fenced, says the status" "$(dmsetup status t)" "*envelope fenced reason:wiped* lease:60/0 *"
not_ok "no lease is renewed without a key" dmsetup message t 0 lease renew
like "… with the reason" "$(kernel_said)" "*lease renew: it is fenced; give it a key with key set*"
not_ok "key set with the key that was wiped is refused" dmsetup message t 0 key set :64:logon:test:a
like "… with the reason" "$(kernel_said)" "*key set: No such key in a keyring of this process, or it is revoked or expired*"
not_ok "key set with another volume's key is refused" dmsetup message t 0 key set :64:logon:test:b
like "… with the reason" "$(kernel_said)" "*key set: The key is not this volume's: key_check does not match*"
not_ok "key set with a key of another size is refused" dmsetup message t 0 key set :32:logon:test:short
like "… with the reason" "$(kernel_said)" "*key set: The key must be of the table's size*"
not_ok "a message of key that there is not" dmsetup message t 0 key show
like "… with the reason" "$(kernel_said)" "*the messages are: key set :<bytes>:<type>:<description>, key wipe*"
key test:a 64 a
ok "key set" dmsetup message t 0 key set :64:logon:test:a
like "active again, second generation" "$(dmsetup status t)" "*envelope active*key_generation:2*"
echo 3 >/proc/sys/vm/drop_caches
ok "the data is there" cmp -n 1048576 /run/pattern /dev/mapper/t
ok "lease renew" dmsetup message t 0 lease renew
ok "lease renew, for less than the table says" dmsetup message t 0 lease renew 30
like "… says the status" "$(dmsetup status t)" "* lease:60/@(30|29) *"
ok "lease renew, for as much" dmsetup message t 0 lease renew 60
for seconds in 61 0 -1 4294967297 1m; do
	not_ok "lease renew $seconds" dmsetup message t 0 lease renew $seconds
	like "… with the reason" "$(kernel_said | tail -n 1)" \
		"*: lease renew: the seconds must be 1 to those of the table"
done
like "… and it is as it was" "$(dmsetup status t)" "*envelope active * lease:60/@(60|5?) *"
not_ok "lease renew with more" dmsetup message t 0 lease renew 1 2
ok "on_key_loss error" dmsetup message t 0 on_key_loss error
not_ok "… and the queue's timeout goes with it" grep -q queue <<<"$(dmsetup table t)"
ok "… so that the line can be loaded again" sh -c "dmsetup table t | dmsetup reload t && dmsetup resume t"
not_ok "on_key_loss of another kind" dmsetup message t 0 on_key_loss panic
not_ok "an unknown message" dmsetup message t 0 show
like "… with the reason" "$(kernel_said)" "*unknown message: use key set, key wipe, lease renew or on_key_loss*"
ok "discards reach the device" blkdiscard /dev/mapper/t
like "… and are counted" "$(dmsetup status t)" "*discards:1 errors:0 *"
ok "remove" dmsetup remove --retry t

ok "a plain table" create 2048 $LINE
not_ok "without allow_discards there are none" blkdiscard /dev/mapper/t
ok "resize: a longer table" dmsetup reload t --table "0 4096 envelope $LINE"
ok "… resumed" dmsetup resume t
is "… is in force" "$(blockdev --getsz /dev/mapper/t)" 4096
ok "removed" dmsetup remove --retry t

# In a keyring of its own, which goes with it: then of the key it loaded nothing is left but what the target has
load_in_session() {
	keyctl session - sh -c 'head -c 64 /dev/urandom | keyctl padd logon test:session @s && dmsetup create t --table "$1"' \
		sh "0 2048 envelope aes-xts-plain64 :64:logon:test:session 0 /dev/vdb 0"
}
ok "a table, loaded by a process that ends" load_in_session
ok "… its key is there" grep -q test:session: /proc/keys
ok "key set with another" dmsetup message t 0 key set :64:logon:test:a
is_no_key() {
	! grep "test:session:" /proc/keys
}
ok "… and its key is gone" poll 10 is_no_key
dmsetup remove --retry t

dmsetup create err --table "0 2048 error"
ok "on a device that fails every request" create 2048 aes-xts-plain64 :64:logon:test:a 0 /dev/mapper/err 0
not_ok "a read fails" dd if=/dev/mapper/t of=/dev/null bs=4K count=1 iflag=direct
not_ok "a write fails" dd if=/dev/zero of=/dev/mapper/t bs=4K count=1 oflag=direct
like "they are counted" "$(dmsetup status t)" "*errors:[1-9]*"
dmsetup remove --retry t
dmsetup remove --retry err

keyctl revoke "$(keyctl search @s logon test:b)"
bad "a revoked key" EKEYREVOKED "The key is revoked" 2048 aes-xts-plain64 :64:logon:test:b 0 /dev/vdb 0
keyctl timeout "$(keyctl search @s logon test:short)" 1
poll 10 sh -c '! keyctl search @s logon test:short'
bad "an expired key" ENOKEY "No such key in a keyring of this process, or it is revoked or expired" 2048 \
	aes-xts-plain64 :32:logon:test:short 0 /dev/vdb 0

# A kernel without a cipher, or with one that is none
echo 1 >/sys/module/cryptomgr/parameters/notests
bad_crypto() { # bad_crypto "what" ERRNO "reason" PARAMETER…
	modprobe badcrypto "${@:4}"
	bad "$1" "$2" "$3" 2048 $LINE 1 key_check:$CHECK
	modprobe -r badcrypto
}
bad_crypto "no AES-XTS" ENOENT "The kernel has no xts(aes)" init_error=2
bad_crypto "AES-XTS that is none" EBADMSG "The kernel's xts(aes) is none: it fails a known answer"
bad_crypto "AES-XTS, and no memory for it" ENOMEM "Out of memory" init_error=12
bad_crypto "no HMAC-SHA-256" ENOENT "The kernel has no hmac(sha256)" "name=hmac(sha256)" init_error=2
bad_crypto "HMAC-SHA-256 that fails" EIO "The key cannot be checked" "name=hmac(sha256)"
ok "the module can be unloaded" modprobe -r dm_envelope
ok "the kernel log is clean" kernel_clean
done_testing
