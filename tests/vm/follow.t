#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Volumes that are open follow their KEK to a newer version, without anybody asking.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"

mkdir -p /etc/envelope/keks.d
declare_kek() { # declare_kek NAME ROTATION_INTERVAL
	printf '[kek]\nprovider = service\ncheck_interval = 1\nrotation_interval = %s\n' "$2" >/etc/envelope/keks.d/"$1".conf
}
declare_kek a 2
declare_kek still 0
systemctl reload-or-restart envelope-keyd
for kek in a still; do
	envelopectl kek create $kek >/dev/null
done

version_of() { # version_of DISK: that its first slot is wrapped by
	envelopectl dump "$1" --json | jq -r '.slots[0].shares[0].version'
}

is_version() {
	[ "$(version_of "$1")" = "$2" ]
}

is_of() { # is_of NAME FILTER TEXT
	[ "$(envelopectl status "$1" --json | jq -r ".devices[0] | $2")" = "$3" ]
}

reads() {
	dd if=/dev/mapper/"$1" of=/dev/null iflag=direct bs=4k count=1
}

ok "format" envelopectl format /dev/vdb --kek a
ok "format: by a KEK that none follows" envelopectl format /dev/vdc --kek still
ok "open" envelopectl open /dev/vdb one
ok "open" envelopectl open /dev/vdc two
ok "nothing is written where there is nothing to follow" stays 5 is_version /dev/vdb 1
for kek in a still; do
	ok "kek rotate $kek" envelopectl kek rotate $kek
done
ok "the volume follows, open as it is" poll 20 is_version /dev/vdb 2
ok "… and hangs on that version" poll 10 is_of one '.checks[0].version' 2
ok "… by the key that it has" is_of one .generation 1
ok "… the log says so" journal "KEK a has version 2: volumes of version 1 follow"
is "… the header is backed up as it was" "$(envelopectl kek usage a 1 --json | jq -r '.uses[].kind' | sort -u)" backup
ok "… what it was wrapped by may go" envelopectl kek disable a 1
ok "… it stays" stays 4 is_of one .state active
ok "… and reads" reads one
ok "the other stays behind: its KEK has rotation_interval = 0" is_version /dev/vdc 1
declare_kek still 2
ok "until that changes" systemctl reload envelope-keyd
ok "… it follows" poll 20 is_version /dev/vdc 2
ok "close" envelopectl close two

# Of an encryption set
ok "a set" envelopectl set create fleet --kek a
ok "format: one of it" envelopectl format /dev/vdc --set fleet --force
ok "open" envelopectl open /dev/vdc two
ok "kek rotate" envelopectl kek rotate a
ok "both follow" poll 20 is_version /dev/vdb 3
ok "… both" poll 20 is_version /dev/vdc 3
is "… and the set" "$(envelopectl set show fleet --json | jq -r '.set.shares[0].version')" 3
is "… of which the other is still" "$(envelopectl inventory --json | jq -r '[.volumes[].slots[].set // empty] | unique | .[]')" fleet
ok "close" envelopectl close two

# A disk that another host may write to is let alone
ok "format" envelopectl format /dev/vdc --kek a --force
ok "open, read-only" envelopectl open --readonly /dev/vdc two
rm /var/lib/envelope/inventory/"$(envelopectl dump /dev/vdb --json | jq -r .uuid)".json # another wrote this header
ok "kek rotate" envelopectl kek rotate a
ok "read-only: it does not follow" poll 20 journal "two is open read-only: another host may have it open to write"
ok "… nor one whose header another host may have written" poll 20 \
	journal "one: its header is not as this host has left it: another may have it open"
is "… neither does" "$(version_of /dev/vdb) $(version_of /dev/vdc)" "3 3"
ok "by hand it does" envelopectl rewrap /dev/vdb
is "… at once" "$(version_of /dev/vdb)" 4
ok "kek rotate" envelopectl kek rotate a
ok "… and by itself from then on" poll 20 is_version /dev/vdb 5
ok "both are well" is_of one .state active
ok "… both" is_of two .state active
ok "close" envelopectl close one
ok "close" envelopectl close two
ok "the kernel log is clean" kernel_clean
done_testing
