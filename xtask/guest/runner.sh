#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs COMMAND: its stdout, its stderr and its exit status each go to the host through a line of their own.

payload=/run/testbed/payload
. $payload/boot.env
mapfile -d '' -t command <$payload/command
for name in $(compgen -e); do
  unset "$name"
done
export HOME=/root USER=root LOGNAME=root SHELL=/bin/bash LANG=C.UTF-8 TERM=dumb
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /root || exit
unset OLDPWD
exec </dev/null

stdout=(/dev/vport*p1) stderr=(/dev/vport*p2) control=(/dev/vport*p3)
# COMMAND gets pipes, as from any other caller; a copier each passes on what comes.
exec 3> >(exec cat >"${stdout[0]}")
copier_out=$!
exec 4> >(exec cat >"${stderr[0]}")
copier_err=$!

if [ "$INIT" = systemd ]; then
  timeout 60 systemctl is-system-running --wait >/dev/null
fi
echo ready >"${control[0]}"
(exec setsid -- "${command[@]}" >&3 2>&4 3>&- 4>&-)
status=$?
exec 3>&- 4>&-

# What COMMAND left running may hold a pipe open for ever; what it wrote so far has a second to get out.
(sleep 1; kill $copier_out $copier_err 2>/dev/null) &
wait $copier_out
wait $copier_err
printf %s "$NONCE" >"${stdout[0]}"
printf %s "$NONCE" >"${stderr[0]}"
echo "exit $status" >"${control[0]}"
exec sleep infinity
