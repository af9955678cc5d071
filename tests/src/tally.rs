// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counting attempts, over several processes.

use std::io::{self, Read as _, Write as _};

/// How attempts ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    allowed: u64,
    denied: u64,
    failed: u64,
}

impl Tally {
    /// Counts one attempt.
    pub(crate) fn count<T>(&mut self, result: io::Result<T>) {
        match result {
            Ok(_) => self.allowed += 1,
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => self.denied += 1,
            Err(error) => {
                self.failed += 1;
                eprintln!("attack: {error}");
            }
        }
    }

    /// One line.
    pub(crate) fn to_json(self) -> String {
        let Self { allowed, denied, failed } = self;
        format!("{{\"allowed\": {allowed}, \"denied\": {denied}, \"failed\": {failed}}}")
    }

    fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        for (slot, value) in bytes.chunks_exact_mut(8).zip([self.allowed, self.denied, self.failed]) {
            slot.copy_from_slice(&value.to_ne_bytes());
        }
        bytes
    }

    fn add_bytes(&mut self, bytes: &[u8; 24]) {
        let (values, _) = bytes.as_chunks::<8>();
        for (total, value) in [&mut self.allowed, &mut self.denied, &mut self.failed].into_iter().zip(values)
        {
            *total += u64::from_ne_bytes(*value);
        }
    }
}

/// Runs `work` in so many processes at the same time, and adds up what they counted. A process that dies is an error.
pub(crate) fn in_parallel(processes: u32, work: impl Fn() -> Tally) -> anyhow::Result<Tally> {
    if processes <= 1 {
        return Ok(work());
    }
    let (mut reader, mut writer) = io::pipe()?;
    for _ in 0..processes {
        // SAFETY: this program is single-threaded; the child works on and leaves by `_exit`.
        if unsafe { libc::fork() } == 0 {
            let sent = writer.write_all(&work().to_bytes());
            // SAFETY: ends the child without running the parent's destructors.
            unsafe { libc::_exit(i32::from(sent.is_err())) };
        }
    }
    drop(writer);
    let mut total = Tally::default();
    for _ in 0..processes {
        let mut bytes = [0; 24];
        reader.read_exact(&mut bytes)?;
        total.add_bytes(&bytes);
    }
    Ok(total)
}
