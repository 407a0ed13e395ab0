#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Where the keys of an open volume are not: in no process of ours once it is open, in no log,
# no file, no answer. The kernel has the data key, and it alone.
. "$(dirname "$0")/lib.sh"

DISK=/dev/vdb
STORE=/var/lib/envelope/keystore
SCAN=$(dirname "$0")/../peers/scan.py

scan() { # scan KIND [WHERE]: nothing may be found
	"$SCAN" $DISK $STORE "$@"
}

scan_process() { # scan_process PID TEXT: nor in a process; the text must be found
	WITNESS_TEXT=$2 scan process "$1"
}

envelopectl format $DISK --json >/run/answers 2>&1

# An open that fails with the data key in hand
quota=$(cat /proc/sys/kernel/keys/root_maxkeys)
echo 1 >/proc/sys/kernel/keys/root_maxkeys
fails_with 30 "open: no quota for keys" envelopectl open $DISK data
echo "$quota" >/proc/sys/kernel/keys/root_maxkeys
ok "… leaves no key in the daemon's memory" \
	scan_process "$(systemctl show -P MainPID envelope-keyd)" "/run/envelope/keyd.sock"

envelopectl open $DISK data --json --verbose >>/run/answers 2>&1
{
	envelopectl kek rotate default --json
	envelopectl rewrap $DISK --json --verbose
	envelopectl status data --json
	envelopectl dump $DISK --json
	envelopectl kek show default --json
} >>/run/answers 2>&1
systemctl kill -s HUP envelope-keyd
envelopectl close data
envelopectl open $DISK data --verbose >>/run/answers 2>&1

ok "the search finds a key where there is one" sh -c \
	"'$(dirname "$SCAN")/recover.py' $DISK $STORE >/run/key && ! '$SCAN' $DISK $STORE file /run/key"
ok "… as text too" sh -c "base64 -w 0 /run/key | { ! '$SCAN' $DISK $STORE text; }"
rm -f /run/key

keyd=$(systemctl show -P MainPID envelope-keyd)
ok "not in the daemon's memory" scan_process "$keyd" "/run/envelope/keyd.sock"
worker=$(pgrep -P "$keyd" -x kek:default)
ok "nor in the worker's" scan_process "$worker" "$STORE"
ok "nor in what was answered" sh -c "'$SCAN' $DISK $STORE text </run/answers"
not_ok "… which was no error" grep -q '"cure"' /run/answers
ok "nor in the journal" sh -c "journalctl -o export | '$SCAN' $DISK $STORE text"
ok "nor in the kernel's log" sh -c "dmesg | '$SCAN' $DISK $STORE text"
ok "nor in any file of ours" sh -c "find /run/envelope /var/lib/envelope /etc/envelope -type f \
	! -name root.key -print0 | xargs -0 cat | '$SCAN' $DISK $STORE text"
ok "nor in a command line or an environment" sh -c \
	"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | '$SCAN' $DISK $STORE text"
ok "nor in the table, shown with its keys" sh -c "dmsetup table --showkeys | '$SCAN' $DISK $STORE text"
ok "nor in the first 32 MiB of the disk" sh -c \
	"dd if=$DISK bs=1M count=32 status=none | '$SCAN' $DISK $STORE text"
ok "nor in the key as /proc/keys shows it" sh -c "'$SCAN' $DISK $STORE text </proc/keys"

no_io_for_memory() { # no_io_for_memory PID: where it needs memory, that waits for no disk (PF_MEMALLOC_NOIO)
	[ $(($(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 7) & 0x80000)) -ne 0 ]
}
ok "the daemon waits for no disk when it needs memory" no_io_for_memory "$keyd"
not_ok "… which others do" no_io_for_memory $$

for pid in $keyd $worker; do
	like "process $pid dumps no core" "$(grep 'core file' "/proc/$pid/limits")" "*core file size * 0 * 0 *"
	ok "… and lies in locked memory" awk '/VmLck/ { exit !($2 > 0) }' "/proc/$pid/status"
done
kill -ABRT "$worker"
kill -ABRT "$keyd"
another() {
	[ "$(systemctl show -P MainPID envelope-keyd)" != "$keyd" ] && envelopectl status
}
ok "even when both are told to" poll 30 another
is "there is no core file" "$(find / -xdev \( -name core -o -name 'core.*' \) -type f -newer /run/answers 2>/dev/null)" ""
ok "the kernel log is clean" kernel_clean
done_testing
