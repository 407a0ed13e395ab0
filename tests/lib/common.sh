# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the scripts that build and test: where things are, how to say things.
# Source it after `set -eu`.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$TOP/build
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/dm-envelope
export PATH=$PATH:/usr/sbin:/sbin # also where no login shell set it
mkdir -p "$CACHE" "$BUILD"

say() {
	printf 'dm-envelope: %s\n' "$*" >&2
}

die() {
	say "$*"
	exit 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# kernels: the names in tests/kernels/table
kernels() {
	sed -n 's/^\([^#[:space:]]*\)[[:space:]].*/\1/p' "$TOP/tests/kernels/table"
}

# kernel_line NAME: its line there
kernel_line() {
	grep "^${1//./[.]}[[:space:]]" "$TOP/tests/kernels/table" ||
		die "kernel $1: not in tests/kernels/table, which has $(kernels | paste -sd ' ')"
}

# debian_release: the name of this machine's, such as bookworm
debian_release() {
	# shellcheck source=/dev/null
	. /etc/os-release && echo "${VERSION_CODENAME:-none}"
}

# hash_of FILE…: a short name for their content
hash_of() {
	cat "$@" | sha256sum | cut -c1-16
}

# sources: the files of the tree, with a NUL after each: what git has and does not ignore; in a
# copy without git, whatever is there
sources() {
	local file
	(
		cd "$TOP" || exit
		if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$TOP" ]; then
			git ls-files -z --cached --others --exclude-standard
		else
			find . -path ./build -prune -o -path ./.git -prune -o ! -type d -printf '%P\0'
		fi | while IFS= read -rd '' file; do
			[ ! -f "$file" ] || printf '%s\0' "$file"
		done
	)
}

# cached NAME FUNCTION: where $CACHE/NAME does not exist, run FUNCTION DIRECTORY in a fresh
# directory and give it that name at the end, whole or not at all. Prints its path.
cached() {
	local name=$1 function=$2 temporary
	(
		set -e # which a command substitution does not inherit
		flock 9
		if [ ! -e "$CACHE/$name" ]; then
			temporary=$(mktemp -d "$CACHE/.$name.XXXXXX")
			chmod 755 "$temporary"
			trap 'rm -rf "$temporary"' EXIT
			"$function" "$temporary" >&2 </dev/null
			mv "$temporary" "$CACHE/$name"
			trap - EXIT
		fi
	) 9>"$CACHE/.$name.lock"
	printf '%s\n' "$CACHE/$name"
}

# at_once MOST FUNCTION WORD…: FUNCTION WORD for each, so many at the same time; 1 where one fails
at_once() {
	local most=$1 function=$2 word running=0 status=0
	shift 2
	for word in "$@"; do
		if [ $running -eq "$most" ]; then
			wait -n || status=1
			running=$((running - 1))
		fi
		"$function" "$word" &
		running=$((running + 1))
	done
	while [ $running -gt 0 ]; do
		wait -n || status=1
		running=$((running - 1))
	done
	return $status
}
