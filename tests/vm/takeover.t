#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon dies, the disks stay: I/O goes on, and the next daemon takes every device over.
# vm: --all-cpus --timeout 900
. "$(dirname "$0")/lib.sh"

managed() {
	[ "$(envelopectl status "$1" --json | jq -r '.devices[0].managed')" = true ]
}

generation() {
	envelopectl status "$1" --json | jq -r '.devices[0].generation'
}

pid() {
	systemctl show -P MainPID envelope-keyd
}

another() { # another PID: a daemon runs, and it is not this one
	local now
	now=$(pid)
	[ "$now" != 0 ] && [ "$now" != "$1" ]
}

no_key() {
	! grep -q ' envelope:' /proc/keys
}

for n in 1 2; do
	disk=/dev/vd$([ $n = 1 ] && echo b || echo c)
	envelopectl format $disk >/dev/null 2>&1
	envelopectl open $disk data$n >/dev/null
done
fio --name=live --filename=/dev/mapper/data1 --rw=randrw --bs=4k --direct=1 --ioengine=libaio --iodepth=8 \
	--size=64M --time_based --runtime=15 --verify=crc32c --verify_fatal=1 --verify_backlog=64 >/run/fio.log 2>&1 &
fio=$!
for round in 1 2 3; do
	before=$(pid)
	kill -9 "$before"
	ok "round $round: another daemon runs" poll 30 another "$before"
	ok "round $round: it has data1" poll 30 managed data1
	ok "round $round: it has data2" poll 30 managed data2
done
is "each hand-over is a generation of the key" "$(generation data1)" 4
wait $fio
is "no request of the load was lost" "$? $(grep -c verify: /run/fio.log)" "0 0"

not_ok "the first key is replaced" grep -q ":data1:1 " <<<"$(dmsetup table data1)"
ok "suspended by somebody, it is said to be" sh -c \
	"dmsetup suspend data2 && envelopectl status data2 --json | jq -e '.devices[0].state == \"suspended\"'"
dmsetup resume data2
ok "an orderly restart leaves them too" systemctl restart envelope-keyd
ok "… and takes them over" poll 30 managed data1

# A device whose key cannot be had: it stays, and the status says why
systemctl stop envelope-keyd
mv /var/lib/envelope/keystore /var/lib/envelope/keystore.away
systemctl start envelope-keyd
not_ok "without the key store it is not managed" managed data1
like "… and the status says why" "$(envelopectl status data1)" "*not managed:*key store*"
ok "… but it still reads" dd if=/dev/mapper/data1 of=/dev/null bs=4K count=1 iflag=direct
rm -rf /var/lib/envelope/keystore # an empty one, made at the start
mv /var/lib/envelope/keystore.away /var/lib/envelope/keystore
ok "once it is back, the daemon takes over by itself" poll 60 managed data1

# A declaration that cannot be read any more: nobody has withdrawn the KEK
active() {
	[[ $(dmsetup status --noflush "$1") == *" envelope active "* ]]
}
mkdir -p /etc/envelope/keks.d
echo nonsense >/etc/envelope/keks.d/default.conf
systemctl restart envelope-keyd
unmanaged() { # unmanaged GLOB: data1, and why
	local status
	status=$(envelopectl status data1)
	# shellcheck disable=SC2053 # a glob
	[[ $status == $1 ]]
}
ok "its KEK's declaration is nonsense: it is not managed" poll 20 unmanaged "*not managed:*default.conf*"
ok "… and has its key" stays 4 active data1
rm /etc/envelope/keks.d/default.conf
ok "once that is mended, the daemon takes over by itself" poll 60 managed data1

worker=$(pgrep -x kek:default)
is "a worker runs unprivileged" "$(ps -o user= -p "$worker")" envelope
kill -9 "$worker"
ok "a worker that dies is replaced at the next request" envelopectl kek rotate default
ok "close works after all this" envelopectl close data1
ok "… for both" envelopectl close data2

# Disks that hang, more than are taken over at once: their sessions are given up after two minutes, and
# the others' turn comes; the last one's name is the first
HUNG=17
SLICE=98304 # sectors
for ((i = 0; i < HUNG; i++)); do
	dmsetup create slice$i --table "0 $SLICE linear /dev/vdc $((i * SLICE))"
	envelopectl format /dev/mapper/slice$i --force >/dev/null 2>&1
	envelopectl open /dev/mapper/slice$i hung$i >/dev/null
done
envelopectl open /dev/vdb healthy >/dev/null
systemctl stop envelope-keyd
for ((i = 0; i < HUNG; i++)); do
	dmsetup suspend --nolockfs --noflush slice$i
done
systemctl start envelope-keyd
ok "$HUNG disks hang: another is taken over" poll 150 managed healthy
ok "the others can be locked" timeout 10 envelopectl lock hung0
for ((i = 0; i < HUNG; i++)); do
	dmsetup resume slice$i
done
ok "their disks answer: they are too" poll 60 managed hung1
ok "… the last of them" poll 60 managed hung$((HUNG - 1))
for ((i = 0; i < HUNG; i++)); do
	envelopectl close hung$i
done
ok "close" envelopectl close healthy
ok "no key is left in the kernel" poll 10 no_key
ok "the kernel log is clean" kernel_clean
done_testing
