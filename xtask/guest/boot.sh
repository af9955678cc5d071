#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# PID 1 on the root disk: what every guest has, whatever runs it afterwards; and what `demo --host` starts in its namespaces.
# Few processes: each costs 20 ms emulated.

payload=/run/testbed/payload
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
. $payload/boot.env

mkdir -p /dev/pts /dev/shm /dev/hugepages /usr/lib/modules /etc/enforcer
mount -t devpts -o mode=620,gid=5,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
mount -t tmpfs -o mode=1777,nosuid,nodev,size=75% tmp /tmp
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t securityfs securityfs /sys/kernel/security
mount -t tracefs tracefs /sys/kernel/tracing
ln -sfn /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr

echo testbed >/proc/sys/kernel/hostname
read -r id </proc/sys/kernel/random/uuid
printf '127.0.0.1 localhost\n127.0.1.1 testbed\n::1 localhost ip6-localhost\n' >/etc/hosts
# Nothing answers here until the guest's DNS server is started; then it writes its own.
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >/etc/resolv.conf

# All of the documentation networks are this machine, so any of their addresses can be a real listener.
ip -batch - <<'BATCH'
link set lo up
link set dummy0 up
addr add 192.0.2.1/24 dev dummy0
addr add 198.51.100.1/24 dev dummy0
addr add 203.0.113.1/24 dev dummy0
addr add 2001:db8::1/32 dev dummy0 nodad
route add local 192.0.2.0/24 dev dummy0
route add local 198.51.100.0/24 dev dummy0
route add local 203.0.113.0/24 dev dummy0
route add local 2001:db8::/32 dev dummy0
BATCH

[ -e $payload/enforcer ] && cp $payload/enforcer /usr/local/bin/enforcer
rm -rf /etc/enforcer/profiles
if [ -d $payload/profiles ]; then cp -r $payload/profiles /etc/enforcer/profiles; else mkdir /etc/enforcer/profiles; fi

case $INIT in
  systemd)
    echo "$id" | tr -d - >/etc/machine-id
    units=/run/systemd/system
    mkdir -p $units/multi-user.target.wants
    cp $payload/guest/testbed.service $units/
    ln -s ../testbed.service $units/multi-user.target.wants/
    # What would only cost time, or look for a network and a console that are not there.
    for unit in getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
      e2scrub_reap.service fstrim.timer systemd-networkd-wait-online.service systemd-update-utmp.service \
      systemd-journal-flush.service systemd-random-seed.service; do
      ln -s /dev/null $units/$unit
    done
    exec /lib/systemd/systemd --unit=multi-user.target
    ;;
  demo)
    exec /bin/bash $payload/guest/demo/demo.sh
    ;;
  *)
    setsid -w /bin/bash $payload/guest/runner.sh
    exec sleep infinity
    ;;
esac
