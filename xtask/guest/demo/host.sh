#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# host.sh ROOM DISK ENFORCER: the demonstration on this machine's own kernel, as root, in mount, network, process, host
# name, IPC and cgroup namespaces of its own (`cargo xtask demo --host` makes them). Its root is the guest's disk, in
# memory at ROOM, so what the trojan takes is planted there, the listener is there, and no packet has a way out. With
# the namespaces everything ends, and nothing is left.
set -euo pipefail

room=$1 disk=$2 enforcer=$3
guest=$(realpath "$(dirname "$0")/..")

[ $$ -eq 1 ] || { echo "host.sh: not in namespaces of its own; use: cargo xtask demo --host" >&2; exit 2; }
mount -t tmpfs -o mode=700 room "$room"
cp --sparse=always "$disk" "$room/disk"
mkdir "$room/root"
# Where udev has not made /dev/loop-control, opening it would not load the module.
modprobe --quiet loop || true
mount -o noatime "$room/disk" "$room/root"
cd "$room/root"

mount -t tmpfs -o mode=755,nosuid,nodev run run
payload=run/testbed/payload
mkdir -p $payload
cp -r "$guest" $payload/guest
cp -r "$guest/../../profiles" $payload/profiles
cp "$enforcer" $payload/enforcer
echo INIT=demo >$payload/boot.env
: >run/enforcer-testbed

mount -t proc proc proc
mount -t sysfs sys sys
mount -t tmpfs -o mode=755,nosuid dev dev
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
chroot . ip link add dummy0 type dummy
exec chroot . /bin/sh /$payload/guest/boot.sh
