#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The root file system lies on a device whose key is taken away, and the daemon with its files on that:
# nothing that gives the key back needs them. Then the same on one that fails its requests.
# vm: --all-cpus --memory 1280
. "$(dirname "$0")/lib.sh"

# This script stays where nothing is taken away: in a mount namespace that keeps the root as it was,
# and by a name that systemd spares when it goes to another
if [ "${1:-}" != away ]; then
	exec unshare -m --propagation private bash -c 'exec -a @root.t bash "$0" away' "$(realpath "$0")"
fi

export SYSTEMD_IGNORE_CHROOT=1
STORE=/run/kek # elsewhere, as a provider is
ROOT=/proc/1/root # as systemd sees it
VICTIM=usr/bin/perl # nobody has it open

# As a host has it whose root is opened by an initramfs: units, programs, configuration, pins
copy_root() {
	local new=$ROOT/mnt
	mkfs.ext4 -q -e remount-ro /dev/mapper/root && nsenter -t 1 -m mount /dev/mapper/root /mnt &&
		mkdir -p "$new"/{dev,proc,sys,run,tmp,mnt,var/log/journal} &&
		tar -C / --one-file-system --exclude=./usr/lib/{modules,python3\*,udev/hwdb\*} \
			--exclude=./usr/share --exclude=./{run,tmp,srv}/\* -c . | tar -C "$new" -x && sync -f "$new"
}

status() { # status FILTER: of the device
	envelopectl status root --json | jq -r ".devices[0] | $1"
}

is_managed() {
	[ "$(status .managed)" = true ]
}

kernel_state() {
	dmsetup status --noflush root | sed 's/^.* envelope \([a-z]*\) .*/\1/'
}

is_active() {
	[ "$(kernel_state)" = active ]
}

is_fenced() {
	[ "$(kernel_state)" = fenced ]
}

# What is not locked in memory goes
evict() {
	stress-ng --vm 1 --vm-bytes 85% --vm-keep --timeout 10 >/run/stress 2>&1
	echo 3 >/proc/sys/vm/drop_caches
}

worker() {
	pgrep -x kek:default
}

is_another() { # is_another PID: there is a worker, and it is not this one
	local pid
	pid=$(worker) && [ "$pid" != "$1" ]
}

hangs() { # hangs PID
	sleep 2
	kill -0 "$1"
}

write() { # write NAME: a file that is to last
	dd if=/$VICTIM of=$ROOT/var/tmp/"$1" bs=64K conv=fsync status=none
}

is_root() {
	[[ $(</proc/1/mounts) == *"/dev/mapper/root / ext4 "* ]]
}

is_readonly() {
	dmesg | grep -q 'EXT4-fs .*: Remounting filesystem read-only' && ! touch "$ROOT/var/tmp/another" 2>/dev/null
}

# From Linux 6.6 to 6.14 ext4 refuses reads too, where it is said to be read-only after an error
shuts_down() {
	local fixed=6.15 broken=6.6
	[ "$(printf '%s\n' $broken "$(uname -r)" $fixed | sort -V | sed -n 2p)" = "$(uname -r)" ]
}

is_well() {
	[ "$(status '.checks[0].state')" = ok ]
}

# What is found when the machine is booted again: the disk as it is now, written to elsewhere
boot_again() {
	local disk
	export DM_DISABLE_UDEV=1
	disk=$(losetup --find --show --read-only --direct-io=on /dev/mapper/root)
	modprobe dm_snapshot &&
		dmsetup create again --table "0 $(blockdev --getsz "$disk") snapshot $disk /dev/vdc N 8" &&
		fsck.ext4 -p /dev/mapper/again && mkdir /run/again && mount /dev/mapper/again /run/again
}

mkdir -p /etc/envelope/keks.d
cat >/etc/envelope/keks.d/default.conf <<CONF
[kek]
provider = service
check_interval = 1

[service]
keystore = $STORE
CONF
systemctl reload envelope-keyd
install -d -o envelope -g envelope -m 700 $STORE
ok "format" envelopectl format /dev/vdb
ok "open" envelopectl open --on-key-loss queue /dev/vdb root
ok "a root file system on it" copy_root
systemctl stop envelope-keyd systemd-udevd{.service,-kernel.socket,-control.socket}
systemctl switch-root /mnt
until is_root; do :; done # until then systemd ends whatever else is run
ok "it is the root now" poll 60 systemctl is-active envelope-keyd
ok "… and the daemon that lies on it has taken it over" poll 60 is_managed
is_managed || done_testing
ok "… with its pin on it" test -e $ROOT/var/lib/envelope/volumes/"$(status .uuid)".json
keyd=$(pgrep -x envelope-keyd)

# Without its key
ok "its KEK is disabled" envelopectl kek disable default
ok "… and so it is fenced" poll 20 is_fenced
ok "memory runs short, and programs are dropped from it" evict
dd if=$ROOT/$VICTIM of=/run/read bs=64K status=none &
reader=$!
write written &
writer=$!
ok "the root hangs: what is read" hangs "$reader"
ok "… and what is written" hangs "$writer"
is "the daemon tells" "$(status .state)" fenced
before=$(worker)
kill -9 "$before"
ok "a worker that is killed comes back" poll 10 is_another "$before"
kill -HUP "$keyd"
ok "asked to read its files again, the daemon still answers" timeout 10 envelopectl status
before=$(worker)
kill -9 "$before"
ok "… and another worker comes" poll 10 is_another "$before"
ok "memory is short again" evict
is "it is fenced still" "$(kernel_state)" fenced

# With it
ok "its KEK is enabled" timeout 20 envelopectl kek enable default
ok "… and it gets its key by itself" poll 30 is_active
wait $reader
is "what was read goes on" $? 0
ok "… and is right" cmp /run/read /$VICTIM
wait $writer
is "what was written too" $? 0
is "the daemon is the one that was" "$(pgrep -x envelope-keyd)" "$keyd"

# The other way, with what Documentation/operations.rst says of it
dmsetup message root 0 on_key_loss error
ok "systemd goes on" timeout 60 systemctl restart envelope-keyd
ok "… and the daemon is started anew from it" poll 30 is_managed
envelopectl kek disable default
ok "its requests fail: it is fenced" poll 20 is_fenced
not_ok "… so does what is written" write more
ok "its file system is read-only" poll 30 is_readonly
ok "its KEK is enabled" timeout 20 envelopectl kek enable default
ok "… and well" poll 20 is_well
is "… but nobody gives it its key unasked" "$(kernel_state)" fenced
ok "unlock" envelopectl unlock root
echo 3 >/proc/sys/vm/drop_caches
if shuts_down; then
	not_ok "it cannot be read any more" cmp $ROOT/$VICTIM /$VICTIM
else
	ok "it can be read" cmp $ROOT/$VICTIM /$VICTIM
fi
nsenter -t 1 -m /bin/mount -o remount,rw /
ok "it cannot be made writable" is_readonly
ok "booted again, it can" boot_again
ok "… and has what it had" cmp /run/again/var/tmp/written /$VICTIM
ok "the kernel log is clean" kernel_clean
done_but_for_power
# Who would switch the machine off lies on that root
echo o >/proc/sysrq-trigger
exec tail -f /dev/null
