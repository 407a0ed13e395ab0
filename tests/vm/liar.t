#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A worker that gives another share than the one that was sealed: nothing is mapped or unlocked with it.
. "$(dirname "$0")/lib.sh"

KEYSTORE=/var/lib/envelope/keystore
PROVIDER=$(command -v told-provider)
mkdir -p /etc/envelope/keks.d /run/systemd/system/envelope-keyd.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/sbin/envelope-keyd --provider %s\n' "$PROVIDER" \
	>/run/systemd/system/envelope-keyd.service.d/provider.conf
for kek in default other; do
	printf '[kek]\nprovider = service\nlease = 600\ncheck_interval = 1\n\n[service]\nkeystore = %s/%s\n' \
		"$KEYSTORE" $kek >/etc/envelope/keks.d/$kek.conf
	install -d -o envelope -m 0700 "$KEYSTORE/$kek"
done
systemctl daemon-reload
systemctl restart envelope-keyd
for kek in default other; do
	envelopectl kek create $kek >/dev/null
done

lies() { # lies: what "default" unwraps is another share from now on
	echo lie >"$KEYSTORE/default/told"
}

honest() {
	rm "$KEYSTORE/default/told"
}

is_state() { # is_state NAME STATE
	[ "$(envelopectl status "$1" --json | jq -r '.devices[0].state')" = "$2" ]
}

mapped() {
	[ -e /dev/mapper/"$1" ]
}

is "the worker is the one that can lie" "$(readlink "/proc/$(pgrep -x kek:default)/exe")" "$PROVIDER"
ok "format" envelopectl format /dev/vdb --kek default
lies
refused 12 "open: a share that was not sealed" "KEK default unwraps something else than was sealed" "restore a header backup" \
	envelopectl open /dev/vdb one
not_ok "… and nothing is mapped" mapped one
honest
ok "the worker is honest: it opens" envelopectl open --on-key-loss queue /dev/vdb one
ok "lock" envelopectl lock one
lies
refused 12 "unlock: a share that was not sealed" "KEK default unwraps something else than was sealed" "restore a header backup" \
	envelopectl unlock one
ok "… and it stays fenced" is_state one fenced
honest
ok "the worker is honest: it is unlocked" envelopectl unlock one
ok "close" envelopectl close one

ok "format: two of two" envelopectl format /dev/vdc --kek default --kek other --threshold 2
lies
refused 12 "open: one of two lies" "KEK default unwraps something else than was sealed" "restore a header backup" \
	envelopectl open /dev/vdc two
not_ok "… and nothing is mapped" mapped two
honest
ok "they are honest: it opens" envelopectl open /dev/vdc two
ok "close" envelopectl close two
ok "the kernel log is clean" kernel_clean
done_testing
