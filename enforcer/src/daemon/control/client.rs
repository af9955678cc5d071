// SPDX-License-Identifier: MIT OR Apache-2.0

//! The other end of the socket.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use super::protocol::{Ask, Reply, Request, VERSION, line};

/// Where the service listens.
pub const SOCKET: &str = "/run/enforcer/control.sock";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens.
    #[error("the service is not running: nobody listens at {path} (`systemctl start enforcer`, or `enforcer daemon`)", path = .0.display())]
    Absent(PathBuf),
    /// We may not ask.
    #[error("{path} is closed to you: the service answers root and members of the group enforcer", path = .0.display())]
    Closed(PathBuf),
    /// Something else.
    #[error("failed to talk to the service at {path}: {source}", path = .path.display())]
    Failed {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The service has refused.
    #[error("the service refuses: {0}")]
    Refused(String),
}

impl Error {
    /// What went wrong at a socket.
    pub(crate) fn of(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::Absent(path.to_owned()),
            io::ErrorKind::PermissionDenied => Self::Closed(path.to_owned()),
            _ => Self::Failed { path: path.to_owned(), source },
        }
    }
}

/// A question that was asked.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    reader: BufReader<UnixStream>,
}

impl Client {
    /// Asks.
    ///
    /// # Errors
    ///
    /// Nobody is there, or it is not ours to ask.
    pub fn ask(path: &Path, ask: Ask) -> Result<Self, Error> {
        let failed = |source| Error::of(path, source);
        let mut stream = UnixStream::connect(path).map_err(failed)?;
        let text = line(&Request { version: VERSION, ask }).map_err(io::Error::from).map_err(failed)?;
        stream.write_all(text.as_bytes()).map_err(failed)?;
        stream.shutdown(Shutdown::Write).map_err(failed)?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(stream) })
    }

    /// The next line of the answer; `None` behind the last.
    ///
    /// # Errors
    ///
    /// The service has refused, or said what is no answer.
    pub fn read(&mut self) -> Result<Option<Reply>, Error> {
        let path = self.path.clone();
        let failed = |source| Error::Failed { path: path.clone(), source };
        let mut text = String::new();
        if self.reader.read_line(&mut text).map_err(failed)? == 0 {
            return Ok(None);
        }
        match serde_json::from_str(&text).map_err(io::Error::from).map_err(failed)? {
            Reply::Error(why) => Err(Error::Refused(why)),
            reply => Ok(Some(reply)),
        }
    }

    /// The only line of the answer.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; or there is none.
    pub fn only(mut self) -> Result<Reply, Error> {
        match self.read()? {
            Some(reply) => Ok(reply),
            None => Err(Error::Failed { path: self.path, source: io::ErrorKind::UnexpectedEof.into() }),
        }
    }
}
