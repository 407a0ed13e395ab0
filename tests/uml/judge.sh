# SPDX-License-Identifier: GPL-2.0-or-later
# What came of a run of guest/init, as TAP: for tests/uml/run and tests/x86/run, which set
#
#   FLAVOUR    is named in each point
#   DIRECTORY  dmesg is what the kernel logged from where guest/init said that it begins;
#              results is the guest's /host
#
# shellcheck shell=bash disable=SC2153 # they do

count=0
failed=0

# point STATUS NAME [FILE]: a test point; FILE says why it failed
point() {
	local status=$1 name=$2 file=${3:-/dev/null}
	count=$((count + 1))
	if [ "$status" -eq 0 ]; then
		echo "ok $count - $FLAVOUR: $name"
	else
		failed=$((failed + 1))
		echo "not ok $count - $FLAVOUR: $name"
		head -n 40 "$file" | sed 's/^/#   /'
	fi
}

# holds NAME COMMAND…: a point, good where the command succeeds
holds() {
	local name=$1 bad=0
	shift
	"$@" >"$DIRECTORY/why" || bad=1
	point $bad "$name" "$DIRECTORY/why"
}

# suite_log SUITE: what the kernel logged of a suite, without times
suite_log() {
	sed 's/^\[ *[0-9.]*\] //' "$DIRECTORY/dmesg" |
		sed -n "/^    # Subtest: $1\$/,/^[a-z ]*ok [0-9]* $1\$/p"
}

# Each case of each suite that the source has. The log is read, because debugfs cuts what a
# case says after 512 bytes, its verdict with it.
judge_kunit() {
	local source suite cases planned verdict name
	for source in "$TOP"/kernel/tests/*_kunit.c; do
		suite=envelope_$(basename "$source" _kunit.c)
		suite_log "$suite" >"$DIRECTORY/$suite"
		cases=0
		while read -r verdict _ name; do
			cases=$((cases + 1))
			if [ "$verdict" = ok ]; then
				point 0 "$suite: $name"
			else
				grep -A 8 "# $name: " "$DIRECTORY/$suite" >"$DIRECTORY/why" || :
				point 1 "$suite: $name" "$DIRECTORY/why"
			fi
		done < <(sed -n 's/^    not ok /not-ok /p; s/^    ok /ok /p' "$DIRECTORY/$suite")
		planned=$(sed -n 's/^    1\.\.//p' "$DIRECTORY/$suite")
		point $((cases == 0 || cases != ${planned:-0})) "$suite: all of its ${planned:-0} cases ran"
	done
}

# Points of the guest's scripts
judge_guest() {
	local file=$DIRECTORY/results/tap line name=
	: >"$DIRECTORY/why"
	while IFS= read -r line; do
		case $line in
		'ok - '*) point 0 "${line#ok - }" ;;
		'not ok - '*)
			name=${line#not ok - }
			grep -F -x -A 40 "$line" "$file" | sed '1d; /^[^#]/,$d; s/^# //' >"$DIRECTORY/why"
			point 1 "$name" "$DIRECTORY/why"
			;;
		esac
	done <"$file"
	sed "s/^/# $FLAVOUR: /" "$DIRECTORY/results/notes"
}

BAD='BUG|WARNING|INFO:|KASAN|UBSAN|unreferenced object|circular|held lock freed|Invalid wait context|ODEBUG|Oops|Kernel panic|dm_put_device call missing'

clean_log() {
	! grep -E -A 30 "$BAD" "$1"
}

no_leak() {
	[ -e "$DIRECTORY/results/kmemleak" ] && ! grep . "$DIRECTORY/results/kmemleak"
}

lockdep_watched() {
	[ "$(cat "$DIRECTORY/results/lockdep" 2>/dev/null)" = 1 ]
}

came_to_its_end() {
	[ -e "$DIRECTORY/results/end" ] || { tail -n 30 "$DIRECTORY/dmesg"; return 1; }
}

# judge_exit STATUS: of the machine
judge_exit() {
	tail -n 30 "$DIRECTORY/dmesg" >"$DIRECTORY/why"
	point "$1" "the kernel exits with status 0" "$DIRECTORY/why"
	holds "the guest comes to its end" came_to_its_end
}
