# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The real daemon with a real worker, in a directory of its own, and the command that asks it.
# Sourced, after lib.sh, with the arguments of the test: ENVELOPECTL ENVELOPE-KEYD ENVELOPE-PROVIDER.
CTL=$(realpath "$1") KEYD=$2 PROVIDER=$3
ROOT=$(mktemp -d)
DAEMON=''

clean_up() {
	[ -z "$DAEMON" ] || kill "$DAEMON"
	wait
	rm -rf "$ROOT"
}
trap clean_up EXIT

ctl() {
	"$CTL" "$@" --socket "$ROOT/socket" </dev/null
}

# json FILTER COMMAND…: one value of what it prints with --json
json() {
	local filter=$1
	shift
	ctl "$@" --json 2>/dev/null | python3 -c \
		'import json, sys; print(eval(sys.argv[1], {"d": json.load(sys.stdin)}))' "$filter"
}

image() {
	truncate -s "$2" "$ROOT/$1"
	echo "$ROOT/$1"
}

# What a command that is refused leaves alone: $DISK, and what the daemon has
snapshot() {
	cksum "$DISK"
	find "$ROOT/state" "$ROOT/keks" ! -type d -printf '%p %s %m %u %C@\n' 2>/dev/null | sort
}

start_daemon() {
	chmod 755 "$ROOT"
	mkdir "$ROOT/keks"
	cp "$PROVIDER" "$ROOT/provider"
	printf '[kek]\nprovider = service\n\n[service]\nkeystore = %s\n' "$ROOT/state/keystore" \
		>"$ROOT/keks/default.conf"
	"$KEYD" --socket "$ROOT/socket" --state-dir "$ROOT/state" --runtime-dir "$ROOT/run" \
		--keks-dir "$ROOT/keks" --provider "$ROOT/provider" --user nobody >"$ROOT/log" 2>&1 &
	DAEMON=$!
}
