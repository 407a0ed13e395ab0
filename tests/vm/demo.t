#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The demo, as a test.
. "$(dirname "$0")/lib.sh"

ok "the demo runs to its end" "$(dirname "$0")/../demo"
like "… and says so" "$OUTPUT" "*demo: 11 steps passed"
ok "the kernel log is clean" kernel_clean
done_testing
