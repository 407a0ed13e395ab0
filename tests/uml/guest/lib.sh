# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash disable=SC2034 # what it sets is for them
# Sourced by the scripts of the guest.

# point NAME COMMAND…: a test point, with what the command printed where it fails. The
# command runs in a shell of its own, in which any failure is its failure.
point() {
	local name=$1 status
	shift
	(
		set -e
		"$@"
	) >/tmp/point 2>&1 </dev/null
	status=$?
	if [ $status -eq 0 ]; then
		echo "ok - $name" >>/host/tap
	else
		echo "not ok - $name" >>/host/tap
		{ sed 's/^/# /' /tmp/point; echo "# status $status"; } >>/host/tap
	fi
	echo "envelope-test: $name: $status" >/dev/kmsg
}

# refused COMMAND…: succeeds where the command fails, and not by a signal
refused() {
	local status=0
	"$@" || status=$?
	[ $status -gt 0 ] && [ $status -lt 128 ]
}

uptime_s() {
	cut -d. -f1 /proc/uptime
}

DISK=/dev/ram0
IRQ_DISK=/dev/nullb0	# completes in a soft interrupt
HARD_DISK=/dev/vda	# in a hard one, where the machine has such a disk
[ -b $HARD_DISK ] || HARD_DISK=$IRQ_DISK
FAULTS=/sys/kernel/debug

# The keys t:right, t:right2, which is the same, and t:wrong; HMAC-SHA-256(RIGHT, "dm-envelope key
# check v1"), 8 bytes
RIGHT='smoke test key, 64 bytes of it, known to all and good for none..'
WRONG='another key of 64 bytes, of another volume: it must be refused..'
CHECK=key_check:1d7356ef71da54d4
add_keys() {
	printf %s "$RIGHT" | keyctl padd logon t:right @us
	printf %s "$RIGHT" | keyctl padd logon t:right2 @us
	printf %s "$WRONG" | keyctl padd logon t:wrong @us
}

dm() {
	dmsetup --noudevsync --noudevrules "$@"
}

# fail ATTRIBUTE=VALUE… for what fails slab and page allocations
fail() {
	local each kind
	for each in "$@"; do
		for kind in failslab fail_page_alloc; do
			[ ! -e "$FAULTS/$kind/${each%=*}" ] ||
				echo "${each#*=}" >"$FAULTS/$kind/${each%=*}"
		done
	done
}
