# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
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
