#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# usage: files.t MINUTES [SEED]: file systems on encrypted disks, with sectors of 512 and 4096,
# under load while tables are swapped below them; what was written is there when they are mounted
# again. tests/soak/run runs it. The load is of tests/soak/exercise.c and stress-ng.
# vm: --all-cpus
. "$(dirname "$0")/../vm/lib.sh"

MINUTES=${1:?usage: files.t MINUTES [SEED]}
SEED=${2:-1}
ROUND=90	# seconds of load between two comparisons, at most
BETWEEN=100	# bios that each table sees, at least
SECTORS=$((512 * 2048))

# The file system and the sector size; disk and offset
declare -A PLACES=(
	[ext4-4096]="/dev/vdb 0" [xfs-512]="/dev/vdb $SECTORS"
	[xfs-4096]="/dev/vdc 0" [ext4-512]="/dev/vdc $SECTORS"
)
NAMES=("${!PLACES[@]}")

# Those of stress-ng's that write to files and directories, and do no harm to a VM
STRESSORS=(
	aiol dentry dir "fallocate --fallocate-bytes 16M" filename fpunch "hdd --hdd-bytes 16M"
	"hdd --hdd-bytes 8M --hdd-opts direct,utimes" "iomix --iomix-bytes 16M" link
	"mmap --mmap-bytes 8M --mmap-file" "msync --msync-bytes 8M" rawdev
	"readahead --readahead-bytes 16M" rename "revio --revio-bytes 16M" "seek --seek-size 16M"
	"sendfile --sendfile-size 4M" symlink "sync-file --sync-file-bytes 8M" utime xattr
)

table() { # table NAME OPTION…
	echo "0 $SECTORS envelope aes-xts-plain64 :64:logon:test:soak 0 ${PLACES[$1]}" \
		"$(($# + 2)) key_check:$CHECK sector_size:${1#*-} allow_discards ${*:2}"
}

# Another table, once the one that there is has seen some bios
swap() { # swap NAME "OPTION…" "HOW TO SUSPEND…"
	poll 60 busy "$1" || { echo "$1: nothing is read or written"; return 1; }
	# shellcheck disable=SC2086 # words
	dmsetup reload "$1" --table "$(table "$1" $2)" && dmsetup suspend $3 "$1" && dmsetup resume "$1"
}

busy() {
	local bios
	bios=$(dmsetup status "$1" | grep -oE '(reads|writes):[0-9]+' | cut -d : -f 2 | paste -sd +)
	[ $((bios)) -ge $BETWEEN ]
}

swap_until() { # swap_until SECONDS
	local name options=("" lease:3600 on_key_loss:queue)
	local how=("" --nolockfs "--noflush --nolockfs" --noflush)
	while [ $SECONDS -lt "$1" ]; do
		for name in "${NAMES[@]}"; do
			swap "$name" "${options[SWAPS % 3]}" "${how[SWAPS / 4 % 4]}" || return
			fstrim "/run/$name" || return
		done
		SWAPS=$((SWAPS + 1))
	done
}

# start WHAT COMMAND…: in the background, behind what is done to the tables
start() {
	local log=/run/logs/${#STARTED[@]}
	nice "${@:2}" >"$log" 2>&1 &
	STARTED+=($!)
	WHAT+=("$1")
}

stress() { # stress NAME SECONDS: by the next of the stressors
	local words
	read -ra words <<<"${STRESSORS[NEXT % ${#STRESSORS[@]}]}"
	NEXT=$((NEXT + 1))
	start "$1: stress-ng ${words[*]}" stress-ng --temp-path "/run/$1" --verify --timeout "$2" \
		--seed "$SEED" "--${words[0]}" 1 "${words[@]:1}"
}

load() { # load SECONDS ROUND
	local name
	STARTED=() WHAT=()
	rm -rf /run/logs
	mkdir /run/logs
	for name in "${NAMES[@]}"; do
		start "$name: a file by page cache, mapping, direct I/O" exercise "/run/$name/one" "$1" \
			$((SEED + 10 * $2))
		start "$name: another" exercise "/run/$name/two" "$1" $((SEED + 10 * $2 + 1))
		stress "$name" "$1"
		rm -rf "/run/$name/tree$(($2 % 3))"
		start "$name: files" cp -r /usr/lib/python3.11/encodings "/run/$name/tree$(($2 % 3))"
	done
}

ended() { # ended STATUS LOG
	cat "$2"
	return "$1"
}

one_round() { # one_round ROUND SECONDS
	local name n status=0 began=$SECONDS
	SWAPS=0
	load "$2" "$1"
	swap_until $((began + $2)) >/run/swap.log 2>&1 || status=$?
	ok "round $1: tables swapped under load, $SWAPS times each" ended $status /run/swap.log
	for n in "${!STARTED[@]}"; do
		status=0
		wait "${STARTED[n]}" || status=$?
		ok "round $1: ${WHAT[n]}" ended $status "/run/logs/$n"
	done
	grep -hs '^exercise:' /run/logs/* | sed 's/^/# /'
	for name in "${NAMES[@]}"; do
		again "$1" "$name"
	done
}

# Unmounted, nothing is broken; mounted again, all files are what they were
again() { # again ROUND NAME
	(cd "/run/$2" && find . -type f -print0 | xargs -0 sha256sum) >"/run/$2.sums"
	umount "/run/$2"
	ok "round $1: $2: nothing to repair" nothing_to_repair "${2%-*}" "/dev/mapper/$2"
	mount "/dev/mapper/$2" "/run/$2"
	ok "round $1: $2: the files are the files" sh -c "cd /run/$2 && sha256sum -c --quiet" <"/run/$2.sums"
}

echo "# seed $SEED"
NEXT=$SEED
key test:soak 64 soak
CHECK=$(key_check 64 soak)
for name in "${NAMES[@]}"; do
	ok "$name: a device" dmsetup create "$name" --table "$(table "$name")"
	ok "$name: a file system" make_fs "${name%-*}" "/dev/mapper/$name"
	mkdir "/run/$name"
	mount "/dev/mapper/$name" "/run/$name"
done
end=$((SECONDS + MINUTES * 60))
round=0
while [ $FAILED -eq 0 ] && { [ $round -eq 0 ] || [ $((end - SECONDS)) -ge 20 ]; }; do
	round=$((round + 1))
	one_round $round $((end - SECONDS < ROUND ? end - SECONDS : ROUND))
done
# On whatever disk: where a page's blocks are there already, ext4_page_mkwrite() lets a freeze go by
# between its check and the moment when the page is dirty; msync() then writes it, and ext4 wonders
ok "the kernel log is clean" kernel_clean 'WARNING: .* at fs/ext4/ext4_jbd2\.c:[0-9]+ ext4_journal_check_start'
if [ $FAILED -ne 0 ]; then
	dmsetup status | sed 's/^/# /'
	dmesg | tail -n 60 | sed 's/^/# /'
fi
done_testing
