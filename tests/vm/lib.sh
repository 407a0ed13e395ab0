# SPDX-License-Identifier: GPL-2.0-or-later
# For the tests that run in a VM (*.t): TAP from a shell script. Source it first:
#
#   . "$(dirname "$0")/lib.sh"
#   ok "what is true" command arg…         the command succeeds
#   not_ok "what is refused" command arg…  it fails
#   is "what" "$got" "$wanted"             two texts are equal
#   like "what" "$got" 'a*glob'            a text matches a glob
#   fails_with 9 "what" command arg…       it fails with this exit status; see $OUTPUT
#   refused 9 "what" "says" "cure" command arg…
#                                          it does, says this (… is whatever), tells this way out,
#                                          and leaves all that snapshot shows as it was
#   poll 10 command arg…                   until it succeeds, 10 seconds at most
#   stays 10 command arg…                  for 10 seconds it succeeds each time
#   uptime_ms, past, fenced_ms             of time; see there
#   observe search                         what tests/vm/observer answers, for who asked for it by
#                                          # vm: --observe
#   without_udev                           from here on, udev looks at no device
#   done_testing                           last
#   done_but_for_power                     instead, where the test switches the machine off itself
#
# What a command prints is shown where its check fails. At the end of a test every mapping,
# mount and key it made is its own to remove: each test file has a VM to itself.
# shellcheck shell=bash
set -u
export LC_ALL=C

TESTS=0
FAILED=0
OUTPUT=''

_report() {
	local result=$1 what=$2
	TESTS=$((TESTS + 1))
	if [ "$result" -eq 0 ]; then
		echo "ok $TESTS - $what"
	else
		FAILED=$((FAILED + 1))
		echo "not ok $TESTS - $what"
		[ -z "$OUTPUT" ] || printf '%s\n' "$OUTPUT" | sed 's/^/#   /'
	fi
}

ok() {
	local what=$1 result=0
	shift
	OUTPUT=$("$@" 2>&1) || result=$?
	_report $result "$what"
}

not_ok() {
	local what=$1 result=1
	shift
	OUTPUT=$("$@" 2>&1) || result=0
	_report $result "$what"
}

fails_with() {
	local wanted=$1 what=$2 status=0
	shift 2
	OUTPUT=$("$@" 2>&1) || status=$?
	[ $status -eq "$wanted" ]
	_report $? "$what (exit status $status)"
}

# glob TEXT: what matches it, where … is whatever
glob() {
	sed 's/[][?*\\]/\\&/g; s/…/*/g' <<<"$1"
}

refused() {
	local before
	before=$(snapshot)
	fails_with "$1" "$2" "${@:5}"
	SAID=$OUTPUT
	like "… says why, and the way out" "$SAID" "*envelopectl: *$(glob "$3")*→ *$(glob "$4")*"
	is "… and changes nothing" "$(snapshot)" "$before"
}

is() {
	OUTPUT="got:    $2"$'\n'"wanted: $3"
	[ "$2" = "$3" ]
	_report $? "$1"
}

like() {
	OUTPUT="got:    $2"$'\n'"wanted: $3"
	# shellcheck disable=SC2053 # a glob is what is wanted
	[[ $2 == $3 ]]
	_report $? "$1"
}

poll() {
	local end=$(($(date +%s%N) + $1 * 1000000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s%N)" -lt $end ] || return 1
		sleep 0.05
	done
}

stays() {
	local end=$(($(date +%s%N) + $1 * 1000000000))
	shift
	while [ "$(date +%s%N)" -lt $end ]; do
		"$@" >/dev/null 2>&1 || return 1
		sleep 0.05
	done
}

done_testing() {
	echo "1..$TESTS"
	[ $FAILED -eq 0 ]
	exit
}

# The harness waits for the status, and writes it where a test ends: then it switches off by force
done_but_for_power() {
	echo "1..$TESTS"
	echo $((FAILED > 0)) >/dev/virtio-ports/status
}

observe() {
	local answer
	exec 9<>/dev/virtio-ports/host
	echo "$*" >&9
	read -r answer <&9
	exec 9>&-
	echo "$answer"
}

# journal TEXT: envelope-keyd logged it
journal() {
	journalctl -q -u envelope-keyd -o cat | grep -qF "$1"
}

# The last lines that the kernel said of device-mapper
kernel_said() {
	dmesg | grep 'device-mapper' | grep -v 'ioctl:' | tail -n 3
}

# key NAME BYTES SEED: a logon key in the session keyring, the same for the same seed
key() {
	key_hex "$2" "$3" | python3 -c \
		'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' |
		keyctl padd logon "$1" @s >/dev/null
}

# key_hex BYTES SEED: the same bytes as hexadecimal digits, as dm-crypt takes them
key_hex() {
	printf '%s' "$2" | sha512sum | cut -c1-$(($1 * 2))
}

# key_check BYTES SEED: the key_check of a table line for that key
key_check() {
	python3 - "$1" "$2" <<'PY'
import hashlib, hmac, sys
key = hashlib.sha512(sys.argv[2].encode()).digest()[:int(sys.argv[1])]
print(hmac.digest(key, b"dm-envelope key check v1", "sha256")[:8].hex())
PY
}

# Where a volume has what an open must not change: its header, its witness, its first data
METADATA=(0 16 32) # MiB

# metadata_save DISK FILE
metadata_save() {
	local mib
	for mib in "${METADATA[@]}"; do
		dd if="$1" of="$2" bs=1M skip="$mib" seek="$mib" count=1 conv=notrunc iflag=direct status=none
	done
}

# metadata_restore FILE DISK
metadata_restore() {
	local mib
	for mib in "${METADATA[@]}"; do
		dd if="$1" of="$2" bs=1M skip="$mib" seek="$mib" count=1 conv=notrunc,fsync status=none
	done
}

# make_fs FS DEVICE: ext4 or xfs
make_fs() {
	case $1 in
	xfs) mkfs.xfs -q -f "$2" ;;
	*) "mkfs.$1" -q -F "$2" ;;
	esac
}

# nothing_to_repair FS DEVICE: which is not mounted
nothing_to_repair() {
	echo 3 >/proc/sys/vm/drop_caches
	case $1 in
	xfs) xfs_repair -n "$2" ;;
	*) "fsck.$1" -f -n "$2" ;;
	esac
}

# snapshot: what a command that is refused leaves alone: the disks, what is kept of volumes and
# keys, what is mapped. A test may have its own.
snapshot() {
	local disk mib
	for disk in /dev/vdb /dev/vdc; do
		for mib in "${METADATA[@]}"; do
			dd if="$disk" bs=256K skip=$((4 * mib)) count=1 iflag=direct status=none
		done | cksum
	done
	find /etc/envelope /var/lib/envelope ! -type d -printf '%p %s %m %u %C@\n' | sort
	dmsetup table
}

# without_udev: stop it; dmsetup makes the nodes below /dev/mapper, which are no links then. For
# tests of the target alone: udev's look at each device takes longer than they do.
without_udev() {
	udevadm settle
	systemctl stop systemd-udevd{.service,-control.socket,-kernel.socket}
	export DM_DISABLE_UDEV=1
}

# uptime_ms: since the boot, whatever the clock shows
uptime_ms() {
	awk '{ print int($1 * 1000) }' /proc/uptime
}

# past MS: of that
past() {
	[ "$(uptime_ms)" -gt "$1" ]
}

# fenced_ms: of that, when the kernel last said that a device is fenced: however late the test sees it
fenced_ms() {
	dmesg | sed -n 's/^\[ *\([0-9]*\)\.\([0-9]\{3\}\).* envelope: .*: fenced: .*/\1\2/p' | tail -n 1
}

# kernel_clean [REGEXP]: the kernel has said nothing that it says when something is badly wrong, but what is named
kernel_clean() {
	! dmesg | grep -E 'BUG|WARNING|Oops|INFO: task|general protection|refcount_t' | grep -vE "${1:-^$}"
}
