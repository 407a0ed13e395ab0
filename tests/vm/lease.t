#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A device lives by its lease: renewed while its KEK is well, and no longer, whatever the daemon does;
# held requests go on when it is well again; lock and unlock.
# vm: --all-cpus
. "$(dirname "$0")/lib.sh"

LEASE=6
CHECK=1
STORE=/var/lib/envelope/keystore
RUN=/run/test
mkdir -p /etc/envelope/keks.d $RUN

cat >/etc/envelope/keks.d/default.conf <<CONF
[kek]
provider = service
lease = $LEASE
check_interval = $CHECK
CONF
cat >/etc/envelope/hook <<HOOK
#!/bin/sh
echo "\$ENVELOPE_EVENT \$ENVELOPE_DEVICE \$ENVELOPE_LEASE_LEFT \$ENVELOPE_REASON" >>$RUN/hook
HOOK
chmod +x /etc/envelope/hook

of() { # of NAME FILTER: of its status
	envelopectl status "$1" --json | jq -r ".devices[0] | $2"
}

kernel_state() { # kernel_state NAME: and why
	dmsetup status --noflush "$1" | sed 's/^.* envelope \([a-z]*\) reason:\([a-z]*\) .*/\1 \2/'
}

is_kernel_state() {
	[ "$(kernel_state "$1")" = "$2" ]
}

is_active() {
	is_kernel_state "$1" "active none"
}

is_fenced() {
	[[ $(kernel_state "$1") == "fenced "* ]]
}

reads() {
	dd if=/dev/mapper/"$1" of=/dev/null iflag=direct bs=4k count=1
}

said() { # said WHAT: the hook was told
	grep -q "^$1" $RUN/hook
}

udevadm monitor --kernel --property --subsystem-match=block >$RUN/uevents &
monitor=$!
heard() { # heard STATE REASON: udev, of the device that holds its requests
	awk -v device="DEVPATH=/devices/virtual/block/$(basename "$(readlink -f /dev/mapper/held)")" \
		-v state="ENVELOPE_STATE=$1" -v reason="ENVELOPE_REASON=$2" '
		BEGIN { RS = ""; FS = "\n" }
		{
			n = 0
			for (i = 1; i <= NF; i++)
				n += $i == device || $i == state || $i == reason
			found += n == 3
		}
		END { exit !found }' $RUN/uevents
}

# As a user has it
systemctl restart envelope-keyd
ok "format" envelopectl format /dev/vdb
ok "format another" envelopectl format /dev/vdc
ok "open, one that holds its requests" envelopectl open --on-key-loss queue /dev/vdb held
ok "open, one that fails them" envelopectl open /dev/vdc failing
like "its table has the lease" "$(dmsetup table held)" "* lease:$LEASE *"
is "the status has it" "$(of held .lease)" $LEASE
is "… what it hangs on" "$(of held '.checks[0] | .kek + " " + .version + " " + .state')" "default 1 ok"
is "… and whose loss fences it" "$(of held '.fenced_by | tostring')" '[["default"]]'
is "… and what will become of it" "$(of held .outlook)" "its lease is renewed while its KEKs are well"
like "the same for people" "$(envelopectl status held)" "*KEK default, version 1: ok*fenced by:    the loss of default*"
from=$(uptime_ms)
ok "three leases later" poll 60 past $((from + 3000 * LEASE))
ok "… it is active" is_active held
ok "… with the key that it had" test "$(of held .generation)" = 1
ok "… and the lease is as it should be" test "$(of held .lease_left)" -gt 0
not_ok "nothing was said of its lease" said half

# The provider is gone: the lease ends, counted from the last proof
mv $STORE $STORE.away
from=$(uptime_ms)
ok "without its key store it is fenced" poll $((2 * LEASE)) is_fenced held
took=$(($(fenced_ms) - from))
ok "… at the end of the lease: after $took ms" test $took -le $((1000 * LEASE + 1000))
ok "… and not much before" test $took -ge $((1000 * (LEASE - CHECK) - 2000))
is "… says the kernel" "$(kernel_state held)" "fenced lease"
ok "… and has udev hear of it" poll 10 heard fenced lease
ok "the other one too" poll $LEASE is_fenced failing
ok "half, three quarters and the end were announced" poll 10 said "over held"
is "… in order" "$(awk '$2 == "held" { print $1 }' $RUN/hook | tr '\n' ' ')" "half three-quarters over "
like "… with the reason" "$(grep '^half held' $RUN/hook)" "half held [23] KEK default is unreachable"
ok "… and in the journal" journal "held: half of its lease is over: KEK default is unreachable"
like "the status says what is the matter" "$(of held .outlook)" "it gets its key when its KEKs are well: KEK default is unreachable"
is "… and that of the other" "$(of failing .outlook)" "it has no key until: envelopectl unlock failing"
not_ok "one fails its reads" reads failing
reads held >$RUN/read 2>&1 &
reader=$!
holds() {
	[ "$(of held .held)" -gt 0 ]
}
ok "one holds them" poll 10 holds
rm -rf $STORE
mv $STORE.away $STORE
ok "with the key store back it gets its key by itself" poll 20 is_active held
ok "… and udev hears of it" poll 10 heard active none
kill $monitor
ok "… and what was held goes on" wait $reader
ok "… and the hook hears of it" poll 10 said "active held"
ok "the other one waits" is_fenced failing
refused 2 "a lock of all and of one" "either a NAME or --all" "" envelopectl lock --all held
ok "unlock" envelopectl unlock failing
ok "… gives it its key" is_active failing
ok "… it reads" reads failing
is "once more it has its key" "$(envelopectl unlock failing)" "failing: it has its key"

# A KEK whose failing devices come back too, by a reload
sed -i '$a resume = all' /etc/envelope/keks.d/default.conf
ok "reload" systemctl reload envelope-keyd
mv $STORE $STORE.away
ok "fenced" poll $((2 * LEASE)) is_fenced failing
mv $STORE.away $STORE
ok "with resume = all that comes back by itself, too" poll 20 is_active failing
ok "… and the other" poll 20 is_active held

# Lock
ok "lock" envelopectl lock held
is "… and its key is gone when it returns" "$(kernel_state held | cut -d ' ' -f 1)" fenced
not_ok "… from the keyring" grep -q ':held:' /proc/keys
is "… the status says so" "$(of held '.locked')" true
from=$(uptime_ms)
ok "two leases later" poll 60 past $((from + 2000 * LEASE))
ok "… it is locked still" is_fenced held
systemctl kill -s KILL envelope-keyd
again() {
	[ "$(of failing .managed)" = true ]
}
ok "a daemon that comes after" poll 30 again
ok "… leaves it locked" is_fenced held
is "… and knows that it is" "$(of held .locked)" true
ok "unlock" envelopectl unlock held
ok "… gives it its key" is_active held
cached() { # KiB of block devices
	awk '/^Buffers/ { print $2 }' /proc/meminfo
}
exec 8</dev/mapper/failing
head -c 16M <&8 >/dev/null
before=$(cached)
ok "lock all, and drop caches" envelopectl lock --all --drop-caches --json
ok "… both are" is_fenced failing
ok "… and what was read of them is not in the page cache" test $((before - $(cached))) -gt 16000
exec 8<&-
ok "unlock all" envelopectl unlock --all
ok "… both are active" is_active failing
ok "… both" is_active held

# A disk that holds what is to be written keeps no other disk's key
ok "lock one" envelopectl lock held
exec 8<>/dev/mapper/held
head -c 64k /dev/zero >&8
from=$(uptime_ms)
ok "lock all, and drop caches" timeout 60 envelopectl lock --all --drop-caches
like "… which says what it could not do" "$OUTPUT" "*failing: locked*warning: what the page cache holds stays there: a disk did not take it within 10 s*"
took=$(($(uptime_ms) - from))
ok "… after $took ms" test $took -le 20000
ok "… the other is" is_fenced failing
ok "unlock all" envelopectl unlock --all
ok "… what waited is written" sync
exec 8<&-

# A lock that cannot be noted is one all the same
dd if=/dev/zero of=/run/full bs=4k status=none 2>/dev/null
refused 24 "lock, without room in /run" "failing is locked, for this envelope-keyd alone: no note can be left in /run/envelope" \
	"make room there, and repeat it" envelopectl lock failing
rm /run/full
ok "… it is" is_fenced failing
ok "lock once more" envelopectl lock failing
ok "unlock" envelopectl unlock failing

# The daemon hangs: the kernel needs none
pid=$(systemctl show -P MainPID envelope-keyd)
kill -STOP "$pid"
from=$(uptime_ms)
ok "with the daemon stopped it is fenced" poll $((2 * LEASE)) is_fenced held
took=$(($(fenced_ms) - from))
ok "… at the end of the lease: after $took ms" test $took -le $((1000 * LEASE + 1000))
kill -CONT "$pid"
ok "it goes on, and so does the device" poll 30 is_active held

# The clock on the wall
date -s '+1 day' >/dev/null
ok "the clock steps: it stays active" is_active held
ok "… and every KEK is asked anew" poll 10 journal "The clock was set: every KEK is asked anew"

# A shorter lease is declared
ends_in() { # ends_in SECONDS: at most
	[ "$(of held .lease_left)" -le "$1" ]
}
ok "close" envelopectl close held
declare_lease() { # declare_lease SECONDS
	sed -i "s/^lease = .*/lease = $1/" /etc/envelope/keks.d/default.conf
	systemctl reload envelope-keyd
}
ok "another lease" declare_lease 60
ok "open" envelopectl open --on-key-loss queue /dev/vdb held
not_ok "… with that" ends_in 15
ok "a shorter one" declare_lease 15
ok "… counts for what is open" poll 10 ends_in 15
ok "… from now on" stays 4 ends_in 15
ok "… and it is active" is_active held
ok "close" envelopectl close held
ok "… both" envelopectl close failing
ok "the kernel log is clean" kernel_clean
done_testing
