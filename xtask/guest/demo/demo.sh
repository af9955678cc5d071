#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The demonstration, in the guest or where host.sh has put its disk: the same `npm install` twice, bare and enforced.
# What counts is what the listener received, which stands outside and knows nothing of the enforcer. Exit 0 if the theft
# happened bare and not enforced.
set -euo pipefail

title() { printf '\n\033[1m%s\033[0m\n\n' "$*"; }

# received FIELD: a total of what arrived at the listener
received() { testbed-evidence summary | python3 -c "import json,sys; print(json.load(sys.stdin)['$1'])"; }

# install WRAPPER...: a fresh checkout, fresh credentials, and the install
install() {
  testbed-evidence reset
  local app
  app=$(testbed-app trojaned)
  runuser -u builder -- env --chdir="$app" HOME=/home/builder "$@" npm install --no-fund --no-audit 2>&1
  testbed-evidence settle
  beacons=$(received beacons)
  stolen=$(received canary_bytes)
  printf '\n  The listener received %s beacons and %s bytes of the canary credentials.\n' "$beacons" "$stolen"
}

title "Starting a registry, a name server, and the attacker's listener …"
testbed-services
testbed-evidence start
echo 'builder ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/builder

title '1. $ npm install'
install
bare_beacons=$beacons bare_stolen=$stolen

title '2. $ sudo enforcer run -- npm install'
install sudo enforcer run --
testbed-evidence stop

if [ "$bare_beacons" -gt 0 ] && [ "$bare_stolen" -gt 0 ] && [ "$beacons" -eq 0 ] && [ "$stolen" -eq 0 ]; then
  title "Bare, the trojan took $bare_stolen bytes of credentials. Enforced, nothing left this machine."
else
  title "This is not what should have happened: see above."
  exit 1
fi
