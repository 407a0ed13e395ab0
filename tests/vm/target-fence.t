#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A device without its key: what takes it away, how soon every copy is gone, what becomes of requests,
# and that they go on with another.
# vm: --memory 256 --all-cpus
. "$(dirname "$0")/lib.sh"
without_udev
swapoff -a

SECTORS=131072 # 64 MiB
dmsetup create low --table "0 $SECTORS linear /dev/vdb 0"
dd if=/dev/urandom of=/run/data bs=1M count=4 status=none

table() { # table KEY [OPTION…]
	echo "0 $SECTORS envelope aes-xts-plain64 :64:logon:$1 0 /dev/mapper/low 0 $# sector_size:4096 ${*:2}"
}

# A key that is fenced is gone: each device, and each time, has one of its own
add() { # add NAME
	residue key "test:$1"
}

map() { # map KEY [OPTION…]: as env, with a new key
	add "$1"
	dmsetup create env --table "$(table "test:$1" "${@:2}")"
}

set_key() { # set_key NAME: a new one
	add "$1"
	dmsetup message env 0 key set ":64:logon:test:$1"
}

says() { # says GLOB: the status does
	local status
	status=$(dmsetup status env)
	# shellcheck disable=SC2053 # a glob
	[[ $status == $1 ]]
}

stays() { # stays MS GLOB: the status says it all the time
	local end=$(($(ms) + $1))
	while [ "$(ms)" -lt $end ]; do
		says "$2" || return
	done
}

ms() { # whatever the clock shows
	awk '{ print int($1 * 1000) }' /proc/uptime
}

# within MS COMMAND…: succeeds, and takes no longer
within() {
	local begin end
	begin=$(ms)
	"${@:2}" || return
	end=$(ms)
	echo "# ${*:2}: $((end - begin)) ms of $1"
	[ $((end - begin)) -le "$1" ]
}

holds() {
	dd if=/dev/mapper/env iflag=direct bs=1M count=4 status=none | cmp - /run/data
}

reads() {
	dd if=/dev/mapper/env of=/dev/null iflag=direct bs=4k count=1
}

none() { # none KIND: nothing of it is found in memory
	[ "$(residue search | sed "s/.*\b$1:\([0-9]*\).*/\1/")" = 0 ]
}

# By a message, on a device at work
ok "a device" map a
dd if=/run/data of=/dev/mapper/env oflag=direct bs=1M status=none
ok "key wipe" within 1000 dmsetup message env 0 key wipe
ok "… fences it" says "*envelope fenced reason:wiped *"
like "… says the kernel" "$(kernel_said)" "*fenced: wiped*"
not_ok "… nothing is read" reads
not_ok "… the key is gone from the keyring" keyctl search @s logon test:a
ok "another key" set_key b
ok "… and what was written is there" holds
ok "another, while it has one" set_key c
ok "… and what was written is there" holds
keyctl unlink %logon:test:b # the key before is still its owner's
ok "active, with its third key" says "*envelope active reason:none *key_generation:3 *"

# By whoever has the key, while nothing is asked for
ok "the key is revoked" keyctl revoke %logon:test:c
ok "… which fences it" within 2000 poll 5 says "*envelope fenced reason:revoked *"
set_key d
ok "the key is invalidated" keyctl invalidate %logon:test:d
ok "… which fences it" within 2000 poll 5 says "*envelope fenced reason:invalidated *"
set_key e
ok "the key expires in a second" keyctl timeout %logon:test:e 1
ok "… which fences it" within 3000 poll 5 says "*envelope fenced reason:expired *"
dmsetup remove env

# A key of a type that cannot be revoked
modprobe -q encrypted-keys
keyctl add user master "$(head -c 32 /dev/urandom | base64)" @s >/dev/null
keyctl add encrypted test:sealed "new user:master 64" @s >/dev/null
ok "a device with an encrypted key" dmsetup create env --table "$(table test:sealed | sed s/:logon:/:encrypted:/)"
ok "… reads" reads
ok "key wipe" within 1000 dmsetup message env 0 key wipe
ok "… fences it" says "*envelope fenced reason:wiped *"
not_ok "… nothing is read" reads
not_ok "… the key is gone from the keyring" keyctl search @s encrypted test:sealed
dmsetup remove env

# By its lease
ok "a device with a lease of 2 s" map f lease:2
lasts() {
	local end=$(($(ms) + 5000))
	while [ "$(ms)" -lt $end ]; do
		dmsetup message env 0 lease renew && says "*envelope active *" || return
		date -s "+1 hour" >/dev/null
	done
}
ok "… lasts while it is renewed, whatever the clock shows" lasts
begin=$(ms)
dmsetup message env 0 lease renew
poll 5 says "*envelope fenced reason:lease *"
took=$(($(ms) - begin))
ok "… and ends 2 s after the last time: $took ms" test $took -ge 1990 -a $took -le 3000
dmsetup remove env
ok "a device with a lease of an hour" map f2 lease:3600
begin=$(ms)
ok "… which is to end in 2 s" dmsetup message env 0 lease renew 2
ok "… says the status" says "*envelope active * lease:3600/[12] *"
poll 5 says "*envelope fenced reason:lease *"
took=$(($(ms) - begin))
ok "… and does: $took ms" test $took -ge 1990 -a $took -le 3000
set_key f3
ok "another key has the whole of it" says "*envelope active * lease:3600/3[56]?? *"
dmsetup message env 0 lease renew 1
ok "what is to end in 1 s is renewed" dmsetup message env 0 lease renew
ok "… and does not" stays 1200 "*envelope active * lease:3600/3[56]?? *"
dmsetup message env 0 key wipe
dmsetup remove env

# The device below does not answer
ok "a device" map g
dmsetup suspend --noflush low
dd if=/dev/mapper/env of=/run/late iflag=direct bs=64k count=1 status=none 2>/run/late.log &
reader=$!
dd if=/run/data of=/dev/mapper/env oflag=direct bs=64k count=1 seek=100 status=none &
writer=$!
waits() { # waits N: so many requests are at the device below
	[ "$(awk '{ print $1 + $2 }' "/sys/block/dm-$(dmsetup info -c --noheadings -o minor env)/inflight")" -eq "$1" ]
}
ok "a read and a write wait for the disk" poll 5 waits 2
not_ok "the key is in memory" none key
not_ok "… and what AES makes of it" none round-keys
ok "key wipe does not wait for it" within 1000 dmsetup message env 0 key wipe
ok "… the key is nowhere in memory" none key
ok "… nor what AES makes of it" none round-keys
dmsetup resume low
wait $reader
is "the read fails when it comes back" "$?: $(wc -c </run/late)" "1: 0"
wait $writer
is "the write succeeds: it was encrypted before" "$?" 0
dmsetup remove env

# An asynchronous cipher has a child, with keys of its own. dm-crypt brings it into being; the driver with the
# higher priority is out of the way
asynchronous() {
	modprobe -q cryptd && modprobe -q -r aesni_intel && dmsetup create async --table \
		"0 8 crypt capi:cryptd(xts(ecb(aes-generic)))-plain64 $(head -c 64 /dev/urandom | od -An -v -tx1 | tr -d ' \n') 0 /dev/vdc 0"
}
if asynchronous; then
	ok "a device with an asynchronous cipher" map n
	like "…" "$(dmsetup status env)" "*cipher:cryptd(*"
	ok "… reads" reads
	not_ok "… whose key is in memory" none key
	not_ok "… and what AES makes of it" none round-keys
	ok "key wipe" within 1000 dmsetup message env 0 key wipe
	ok "… the key is nowhere in memory" none key
	ok "… nor what AES makes of it" none round-keys
	dmsetup remove env

	# More requests than the disk takes and the workqueue carries out at once: none that is encrypted
	# keeps its key for that
	BOUNCE=/sys/module/dm_envelope/parameters/bounce_max_kib
	bounce=$(cat $BOUNCE)
	echo 65536 >$BOUNCE
	loop=$(losetup --direct-io=on -f --show /dev/mapper/low)
	add p
	dmsetup create env --table "$(table test:p | sed "s|/dev/mapper/low|$loop|")"
	dmsetup suspend --noflush low
	fio --name=many --filename=/dev/mapper/env --rw=write --bs=4k --direct=1 --ioengine=libaio --iodepth=1500 \
		--offset=40M --size=16M >/run/fio.log 2>&1 &
	writer=$!
	ok "1500 writes have come" poll 20 says "* writes:1500 *"
	full() { # so many requests has a loop device
		[ "$(awk '{ print $2 }' "/sys/block/$(basename "$loop")/inflight")" -eq 128 ]
	}
	ok "… more than the disk takes, which hangs" poll 20 full
	dmsetup message env 0 key wipe &
	wiper=$!
	is_done() {
		! kill -0 $wiper 2>/dev/null
	}
	ok "key wipe does not wait for that" poll 2 is_done
	ok "… the key is nowhere in memory" none key
	ok "… nor what AES makes of it" none round-keys
	dmsetup resume low
	wait $writer
	dmsetup remove env
	losetup -d "$loop"
	echo "$bounce" >$BOUNCE
	dmsetup remove async
	modprobe aesni_intel
else
	echo "# this kernel has no asynchronous cipher to be had"
fi

# Requests wait for another key
ok "a device whose requests wait" map h on_key_loss:queue
dmsetup message env 0 key wipe
holds >/run/held.log 2>&1 &
reader=$!
dd if=/run/data of=/dev/mapper/env oflag=direct bs=1M seek=8 status=none &
writer=$!
ok "a read and a write wait" poll 5 says "*held:[1-9]*"
nowait() {
	python3 - <<-'PY'
		import errno, mmap, os
		device = os.open("/dev/mapper/env", os.O_RDWR | os.O_DIRECT)
		buffer = mmap.mmap(-1, 4096)
		for call in os.preadv, os.pwritev:
		    try:
		        call(device, [buffer], 0, os.RWF_NOWAIT)
		        raise SystemExit("it was done")
		    except OSError as error:
		        if error.errno != errno.EAGAIN:
		            raise
	PY
}
ok "what must not wait is told so" nowait
field() { # field NAME: of the status
	dmsetup status env | sed "s/.* $1:\([0-9]*\).*/\1/"
}
reads_ahead() { # reads_ahead: what that asks for fails, and is not held
	local held errors
	held=$(field held) errors=$(field errors)
	python3 - <<-'PY'
		import os
		device = os.open("/dev/mapper/env", os.O_RDONLY)
		os.posix_fadvise(device, 40 << 20, 1 << 16, os.POSIX_FADV_WILLNEED)
	PY
	[ "$(field held)" = "$held" ] && [ "$(field errors)" -gt "$errors" ]
}
ok "what is only read ahead is given up" reads_ahead
ok "another key" set_key i
wait $reader
is "… and the read goes on" "$?" 0
wait $writer
is "… and the write" "$?" 0
ok "… which wrote" cmp /run/data <(dd if=/dev/mapper/env iflag=direct bs=1M skip=8 count=4 status=none)
ok "none waits any more" says "*held:0*"

# In the order in which they came
mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing
dmsetup message env 0 key wipe
ORDER="40 8 24 0 48 16 32" # the sectors
count=0
for sector in $ORDER; do
	dd if=/dev/mapper/env of=/dev/null iflag=direct,skip_bytes bs=4k count=1 skip=$((512 * sector)) status=none &
	count=$((count + 1))
	poll 5 says "*held:$count *"
done
is "reads wait, one after another" "$(field held)" $count
echo >/sys/kernel/tracing/trace
echo 1 >/sys/kernel/tracing/events/block/block_bio_queue/enable
ok "another key" set_key i2
poll 5 says "*held:0 *"
wait
echo 0 >/sys/kernel/tracing/events/block/block_bio_queue/enable
low=$(dmsetup info -c --noheadings --separator , -o major,minor low)
is "… and they go on in that order" \
	"$(sed -n "s/.*block_bio_queue: $low R[A-Z]* \([0-9]*\) + 8 .*/\1/p" /sys/kernel/tracing/trace | xargs)" "$ORDER"

dmsetup message env 0 key wipe
reads 2>/dev/null &
reader=$!
ok "a read waits" poll 5 says "*held:[1-9]*"
ok "on_key_loss error" dmsetup message env 0 on_key_loss error
wait $reader
is "… and it fails" "$?" 1
dmsetup remove env

# With nothing but the reserve, on a slow disk: a write that was waiting for memory gets it when there is
# no key any more, and is held behind one that will want it
PARAMETERS=/sys/module/dm_envelope/parameters
MOST=$(cat $PARAMETERS/bounce_max_kib)
dmsetup create slow --table "0 $SECTORS delay /dev/mapper/low 0 0 /dev/mapper/low 0 3000"

write_at() { # write_at N: as much as the reserve takes, in the background
	{
		dd if=/run/data of=/dev/mapper/env oflag=direct bs=16k count=1 skip="$1" seek="$1"
		echo $? >>/run/written
	} >/dev/null 2>&1 &
}

written() { # written STATUS…: so the writes ended
	[ "$(sort /run/written | xargs)" = "$*" ]
}

hold_two() { # one that has the reserve, behind one without
	: >/run/written
	reserved=$(dmsetup status env | sed 's/.*reserved:\([0-9]*\).*/\1/')
	write_at 0
	poll 5 says "*reserved:$((reserved + 1)) *" || return
	write_at 1
	poll 5 says "*reserved:$((reserved + 2)) *" || return
	dmsetup message env 0 key wipe
	write_at 2
	poll 5 says "*held:1 *" && poll 10 says "*held:2 *" && written 0
}

echo 0 >$PARAMETERS/bounce_max_kib
add o
dmsetup create env --table "$(table test:o on_key_loss:queue | sed s,/low,/slow,)"
ok "a write has the reserve and is held, behind one that needs it" hold_two
ok "another key" set_key p
ok "… and both go on" poll 20 written 0 0 0
ok "… and wrote" cmp -n 49152 /run/data <(dd if=/dev/mapper/env iflag=direct bs=16k count=3 status=none)
ok "once more" hold_two
ok "suspended, both fail" within 4000 dmsetup suspend env
ok "… with an error" poll 5 written 0 1 1
dmsetup resume env
dmsetup remove env
dmsetup remove slow
echo "$MOST" >$PARAMETERS/bounce_max_kib

ok "a device whose requests wait for 1 s" map j on_key_loss:queue queue_timeout:1
dmsetup message env 0 key wipe
{ reads 2>/dev/null; echo $? >/run/status; } &
ok "… after which they fail" poll 4 grep -qx 1 /run/status
ok "another key" set_key k
ok "… and they do not" reads
dmsetup message env 0 key wipe

# A timeout that was taken back takes nothing from who waits
ok "on_key_loss error, and queue again" dmsetup message env 0 on_key_loss error
dmsetup message env 0 on_key_loss queue
reads &
reader=$!
ok "a read waits, however long" stays 2000 "*envelope fenced *"
ok "… says the status" says "*held:[1-9]*"
ok "another key" set_key k2
wait $reader
is "… and it goes on" "$?" 0
dmsetup message env 0 key wipe

# What waits holds up neither who suspends, nor who removes
reads 2>/dev/null &
reader=$!
ok "a read waits" poll 5 says "*held:[1-9]*"
ok "suspended, it fails" within 4000 dmsetup suspend env
wait $reader
is "… with an error" "$?" 1
add l
dmsetup reload env --table "$(table test:l on_key_loss:queue)"
keyctl revoke %logon:test:l
inactive_lost() {
	! dmsetup resume env || says "*envelope fenced reason:revoked *"
}
ok "a table that was only loaded is fenced too" poll 5 inactive_lost
holds >/run/held.log 2>&1 &
reader=$!
ok "a read waits" poll 5 says "*held:[1-9]*"
ok "suspended without a flush, it goes on with the next table" dmsetup suspend --noflush env
add m
dmsetup reload env --table "$(table test:m on_key_loss:queue)"
ok "… which has a key" dmsetup resume env
wait $reader
is "… and reads what was written" "$?: $(cat /run/held.log)" "0: "
event=$(dmsetup info -c --noheadings -o events env)
dmsetup message env 0 key wipe
ok "who waits for events hears of it" timeout 5 dmsetup wait env "$event"
reads 2>/dev/null &
reader=$!
ok "a read waits" poll 5 says "*held:[1-9]*"
ok "removed by force, it fails" within 4000 dmsetup remove --force --retry env
wait $reader
is "… with an error" "$?" 1
ok "the kernel log is clean" kernel_clean
done_testing
