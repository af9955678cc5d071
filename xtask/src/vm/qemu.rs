// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU: its arguments, and a process that ends when we do.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use super::payload::Disks;
use super::streams::Ends;
use super::{Accel, Vm};

/// A running QEMU. Killed on drop.
pub(super) struct Guest {
    child: Child,
    stderr: File,
}

impl Guest {
    /// Ends it at once; its disks are throw-away copies.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What QEMU itself had to say.
    pub(super) fn said(&mut self) -> String {
        let mut text = String::new();
        let _ = self.stderr.seek(SeekFrom::Start(0));
        let _ = self.stderr.read_to_string(&mut text);
        text.trim().to_owned()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts QEMU for `vm`; our ends of its lines come back.
pub(super) fn start(vm: &Vm<'_>, disks: &Disks) -> Result<(Guest, Ends)> {
    let mut pass: Vec<OwnedFd> = Vec::new();
    let mut line = || -> Result<(UnixStream, RawFd)> {
        let (ours, theirs) = UnixStream::pair().context("making a socket pair")?;
        let fd = theirs.as_raw_fd();
        pass.push(theirs.into());
        Ok((ours, fd))
    };
    let (console, console_fd) = line()?;
    let (stdout, stdout_fd) = line()?;
    let (stderr, stderr_fd) = line()?;
    let (control, control_fd) = line()?;

    let mut command = vm.bed.qemu.command();
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot"]);
    command.args(["-name", &format!("enforcer-{}", vm.line), "-m", &format!("{}M", vm.mem)]);
    command.args(["-machine", "q35,usb=off,smbus=off,sata=off,vmport=off", "-rtc", "base=utc"]);
    match (vm.icount, vm.accel) {
        (true, _) => command.args([
            "-accel",
            "tcg,thread=single",
            "-icount",
            "shift=0,sleep=off",
            "-smp",
            "1",
            "-cpu",
            "max",
        ]),
        (false, Accel::Kvm) => command.args(["-accel", "kvm", "-smp", "2", "-cpu", "host"]),
        // One host thread for both processors. With a thread for each, QEMU before 8.1 may keep a translation of code that
        // the other processor has just patched: the guest then meets an int3 the kernel has taken back, and panics.
        (false, Accel::Tcg) => command.args(["-accel", "tcg,thread=single", "-smp", "2", "-cpu", "max"]),
    };
    command.arg("-kernel").arg(&vm.kernel.image);
    command.arg("-initrd").arg(format!("/proc/self/fd/{}", disks.initramfs.as_raw_fd()));
    // no_timer_check: on a busy host an emulated timer can miss the moment in which the kernel checks that it ticks,
    // and the kernel panics. It leaves the check out by itself under KVM.
    // norandmaps: QEMU 7.2 finds a translation by its virtual address too, so with randomised addresses every exec of the
    // same program is translated anew. Without, an exec takes a third of the time.
    let append = format!("console=ttyS0 quiet no_timer_check norandmaps panic=-1 rdinit=/init {}", vm.append);
    command.args(["-append", append.trim()]);

    let mut disk = |serial: &str, file: &str, flags: &str| {
        // A comma in a file name is doubled in QEMU's options.
        let file = file.replace(',', ",,");
        command.arg("-drive").arg(format!("file={file},id={serial},if=none,format=raw,cache=unsafe,{flags}"));
        command.arg("-device").arg(format!("virtio-blk-pci,drive={serial},serial={serial}"));
    };
    disk("modules", &vm.kernel.modules.to_string_lossy(), "readonly=on");
    let fd_path = |file: &File| format!("/proc/self/fd/{}", file.as_raw_fd());
    disk("root", &fd_path(&vm.bed.disk), "snapshot=on");
    disk("payload", &fd_path(&disks.payload), "readonly=on");
    for (index, share) in disks.shares.iter().enumerate() {
        disk(&format!("share{index}"), &fd_path(share), "readonly=on");
    }

    command.args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci,max_ports=8"]);
    command.args(["-chardev", &format!("socket,id=console,fd={console_fd}"), "-serial", "chardev:console"]);
    for (number, name, fd) in [(1, "stdout", stdout_fd), (2, "stderr", stderr_fd), (3, "control", control_fd)]
    {
        command.arg("-chardev").arg(format!("socket,id={name},fd={fd}"));
        command.arg("-device").arg(format!("virtserialport,nr={number},name={name},chardev={name}"));
    }

    let mut inherit: Vec<RawFd> = pass.iter().map(AsRawFd::as_raw_fd).collect();
    inherit.extend([vm.bed.disk.as_raw_fd(), disks.initramfs.as_raw_fd(), disks.payload.as_raw_fd()]);
    inherit.extend(disks.shares.iter().map(AsRawFd::as_raw_fd));
    let said = tempfile::tempfile().context("making a temporary file")?;
    let own = said.try_clone().context("sharing a temporary file")?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    // A group of its own, so that Ctrl-C reaches us alone and our end ends it.
    command.process_group(0);
    let parent = std::process::id();
    // SAFETY: between fork and exec only prctl, getppid, fcntl and _exit are called, all async-signal-safe; the vector is
    // allocated before the fork and only read.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if libc::getppid() as u32 != parent {
                libc::_exit(1);
            }
            for fd in &inherit {
                if libc::fcntl(*fd, libc::F_SETFD, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    let child = command.spawn().context("starting QEMU")?;
    drop(pass);
    Ok((Guest { child, stderr: own }, Ends { stdout, stderr, control, console }))
}
