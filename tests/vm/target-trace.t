#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tracepoints: each comes when it should, with what it should tell, and none tells a key.
. "$(dirname "$0")/lib.sh"
without_udev
modprobe dm_envelope
mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing
EVENTS=/sys/kernel/tracing/events/dm_envelope
LINE="aes-xts-plain64 :64:logon:test:secret 0 /dev/vdb 0"
CHECK=$(key_check 64 a)
key test:secret 64 a
key test:other 64 b

# fields EVENT: those of its own
fields() {
	sed -n 's/^\tfield:\([^;]*\);.*/\1/p' $EVENTS/"$1"/format | grep -v ' common_' |
		sed 's/.*[ *]//; s/\[.*//' | xargs
}

NUMBER='' # of the device
# traced COMMAND…: what came of the device's events while the command ran, one a line
traced() {
	echo >/sys/kernel/tracing/trace
	echo 1 >$EVENTS/enable
	"$@" >/dev/null 2>&1
	echo 0 >$EVENTS/enable
	TRACED=$(sed -n "s/.*: envelope_\([a-z_]*: ${NUMBER:-[0-9:]*} .*\)/\1/p" /sys/kernel/tracing/trace |
		sed "s/ ${NUMBER:-[0-9:]*} / /")
	ALL+=$(cat /sys/kernel/tracing/trace)
}

message() {
	dmsetup message t 0 "$@"
}

reads() { # reads BYTES [OPTION…]
	dd if=/dev/mapper/t of=/dev/null bs="$1" iflag=direct count=1 "${@:2}"
}

writes() { # writes BYTES [OPTION…]
	dd if=/dev/zero of=/dev/mapper/t bs="$1" oflag=direct count=1 conv=notrunc "${@:2}"
}

is "a request: its fields" "$(fields envelope_request)" "dev sector bytes rwbs"
is "… at its end" "$(fields envelope_request_done)" "dev sector bytes error rwbs"
is "a state" "$(fields envelope_state)" "dev state reason"
is "a key set" "$(fields envelope_key_set)" "dev generation result"
is "a lease" "$(fields envelope_lease)" "dev seconds"
is "there are no others" "$(find $EVENTS -mindepth 1 -maxdepth 1 -type d | wc -l)" 5

traced dmsetup create t --table "0 2048 envelope $LINE 4 sector_size:4096 key_check:$CHECK lease:60 allow_discards"
NUMBER=$(dmsetup info -c --noheadings --separator : -o major,minor t)
is "a table is loaded" "$(grep -v request <<<"$TRACED")" "state: fenced reason=none
state: active reason=none
lease: seconds=60
key_set: generation=1 result=0"

traced writes 8192 seek=2
is "a write" "$TRACED" "request: WS sector=32 bytes=8192
request_done: WS sector=32 bytes=8192 error=0"
traced reads 4096 skip=5
is "a read" "$TRACED" "request: RS sector=40 bytes=4096
request_done: RS sector=40 bytes=4096 error=0"
traced sync /dev/mapper/t
like "a flush" "$TRACED" "request: FWS sector=0 bytes=0
request_done: *WS sector=0 bytes=0 error=0"
traced blkdiscard -o 8192 -l 4096 /dev/mapper/t
like "a discard" "$(grep ': D' <<<"$TRACED")" "request: D* sector=16 bytes=4096
request_done: D* sector=16 bytes=4096 error=0"

traced message lease renew 7
is "a lease that is renewed" "$TRACED" "lease: seconds=7"
traced message key set :64:logon:test:other
is "a wrong key" "$TRACED" "key_set: generation=1 result=-129"
traced message key set :64:logon:test:secret
is "the right one again" "$TRACED" "state: active reason=none
lease: seconds=60
key_set: generation=2 result=0"
traced message key wipe
is "a fence" "$TRACED" "state: fencing reason=wiped
state: fenced reason=wiped"
traced reads 4096
is "a read without a key" "$TRACED" "request: RS sector=0 bytes=4096
request_done: RS sector=0 bytes=4096 error=-5"

dmsetup message t 0 on_key_loss queue
held_and_released() { # held_and_released COMMAND…
	"$@" &
	poll 5 sh -c "dmsetup status t | grep -q held:[1-9]"
	key test:secret 64 a
	message key set :64:logon:test:secret
	wait $!
}
traced held_and_released reads 4096
is "a read that waits for a key is one" "$(grep request <<<"$TRACED")" "request: RS sector=0 bytes=4096
request_done: RS sector=0 bytes=4096 error=0"
message key wipe
traced held_and_released writes 64K
is "a long write that waits is cut to what memory there is for sure" \
	"$(sed -n 's/request_done: WS \(.*\) error=0/\1/p' <<<"$TRACED" | sort -t= -nk2)" \
	"sector=0 bytes=16384
sector=32 bytes=16384
sector=64 bytes=16384
sector=96 bytes=16384"

dmsetup create err --table "0 2048 error"
dmsetup suspend t
dmsetup reload t --table "0 2048 envelope aes-xts-plain64 :64:logon:test:secret 0 /dev/mapper/err 0"
dmsetup resume t
traced reads 512
is "a disk that fails" "$TRACED" "request: RS sector=0 bytes=512
request_done: RS sector=0 bytes=512 error=-5"

not_ok "no key is traced, nor its name" grep -qiE "test:|secret|$(key_hex 64 a | cut -c1-16)" <<<"$ALL"
echo >/sys/kernel/tracing/trace
reads 4096
not_ok "nothing is traced while nobody asks for it" grep -q envelope_ /sys/kernel/tracing/trace
ok "the kernel log is clean" kernel_clean
done_testing
