// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where metrics are asked for: HTTP, one request a connection.

use std::{
    convert::Infallible, fmt, future, io, net::SocketAddr, path::PathBuf, rc::Rc, str::FromStr, sync::Arc,
    time::Duration,
};

use hyper::{Method, Request, Response, StatusCode, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{
    super::{Error, control},
    text::TYPE,
};

/// Where they are.
const PATH: &str = "/metrics";
/// Clients at a time.
const CLIENTS: usize = 8;
/// How long a client may take from beginning to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long until the next one may come in its place: whoever asks all the time does not keep the service from its work.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes that the head of a request may have.
const REQUEST_MAX: usize = 8192;

/// Where metrics may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port of the loopback.
    Loopback(SocketAddr),
}

/// What is no such place.
#[derive(Debug, thiserror::Error)]
#[error(
    "neither `unix:` and an absolute path, nor a loopback address and a port, such as unix:/run/enforcer/metrics.sock or 127.0.0.1:9469"
)]
pub struct AddressError;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Self::Unix(path)) } else { Err(AddressError) };
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() && address.port() != 0 => Ok(Self::Loopback(address)),
            _ => Err(AddressError),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Loopback(address) => address.fmt(f),
        }
    }
}

/// A socket that is listened at.
pub(in super::super) enum Listener {
    Unix(UnixListener),
    Loopback(TcpListener),
}

impl Listener {
    /// Listens there.
    pub(in super::super) async fn bind(address: &Address) -> Result<Self, Error> {
        match address {
            Address::Unix(path) => control::listen(path).map(Self::Unix),
            Address::Loopback(address) => {
                let bound = TcpListener::bind(address).await;
                bound.map(Self::Loopback).map_err(Error::file("listen at", address.to_string()))
            }
        }
    }

    /// Tells whoever asks what `metrics` says then.
    pub(in super::super) async fn serve<E: fmt::Display>(
        self,
        metrics: impl Fn() -> Result<String, E> + 'static,
    ) {
        let metrics = Rc::new(metrics);
        let clients = Arc::new(Semaphore::new(CLIENTS));
        loop {
            // Whoever comes when there are too many waits.
            let Ok(place) = Arc::clone(&clients).acquire_owned().await else { return };
            let stream = match self.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!("a client that asks for metrics could not be accepted: {error}");
                    sleep(PATIENCE).await;
                    continue;
                }
            };
            let metrics = Rc::clone(&metrics);
            tokio::task::spawn_local(async move {
                answer(stream, &*metrics).await;
                sleep(PAUSE).await;
                drop(place);
            });
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
            Self::Loopback(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// The two kinds of connections.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Answers one client.
async fn answer<E: fmt::Display>(stream: Box<dyn Stream>, metrics: &impl Fn() -> Result<String, E>) {
    let service =
        service_fn(|request: Request<_>| future::ready(Ok::<_, Infallible>(respond(&request, metrics))));
    let mut http = http1::Builder::new();
    http.keep_alive(false).max_buf_size(REQUEST_MAX);
    match timeout(PATIENCE, http.serve_connection(TokioIo::new(stream), service)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a client that asks for metrics: {error}"),
        Err(_) => tracing::debug!("a client that asks for metrics takes too long"),
    }
}

fn respond<B, E: fmt::Display>(
    request: &Request<B>,
    metrics: &impl Fn() -> Result<String, E>,
) -> Response<String> {
    let plain = |status, text: String| (status, "text/plain; charset=utf-8", text);
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, PATH) => match metrics() {
            Ok(text) => (StatusCode::OK, TYPE, text),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        (_, PATH) => plain(StatusCode::METHOD_NOT_ALLOWED, "GET it\n".to_owned()),
        _ => plain(StatusCode::NOT_FOUND, format!("metrics are at {PATH}\n")),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        os::unix::net::UnixStream,
        thread,
    };

    use tokio::task::LocalSet;

    use super::*;

    #[test]
    fn addresses_are_of_this_machine() {
        for right in ["unix:/run/enforcer/metrics.sock", "127.0.0.1:9469", "127.8.9.10:1", "[::1]:9469"] {
            assert_eq!(right.parse::<Address>().unwrap().to_string(), right);
        }
        for wrong in [
            "",
            "unix:",
            "unix:metrics.sock",
            "/run/enforcer/metrics.sock",
            "9469",
            ":9469",
            "127.0.0.1",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "0.0.0.0:9469",
            "192.0.2.1:9469",
            "[::]:9469",
            "[2001:db8::1]:9469",
            "[::ffff:127.0.0.1]:9469",
            "localhost:9469",
            "http://127.0.0.1:9469/metrics",
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    /// What comes back for each of these, from one that listens at a socket.
    fn asked(requests: &'static [&'static [u8]]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(LocalSet::new().run_until(async {
            let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
            tokio::task::spawn_local(listener.serve(|| Ok::<_, fmt::Error>("# EOF\n".to_owned())));
            let client = thread::spawn(move || {
                let ask = |request: &&[u8]| {
                    let mut stream = UnixStream::connect(&path).unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                    // It may have heard enough in the middle.
                    let _ = stream.write_all(request);
                    let mut answer = Vec::new();
                    let _ = stream.read_to_end(&mut answer);
                    String::from_utf8_lossy(&answer).into_owned()
                };
                requests.iter().map(ask).collect()
            });
            while !client.is_finished() {
                sleep(Duration::from_millis(5)).await;
            }
            client.join().unwrap()
        }))
    }

    #[test]
    fn metrics_are_got_and_nothing_else() {
        let answers = asked(&[
            b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /metrics?x=1 HTTP/1.0\r\n\r\n",
            b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            b"GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        ]);
        for answer in &answers[..3] {
            assert!(answer.contains(" 200 OK\r\n"), "{answer}");
            assert!(answer.contains(&format!("content-type: {TYPE}\r\n")), "{answer}");
        }
        assert!(answers[..2].iter().all(|answer| answer.ends_with("\r\n\r\n# EOF\n")), "{answers:?}");
        assert!(answers[2].ends_with("\r\n\r\n"), "{answers:?}");
        assert!(answers[3].contains(" 405 ") && answers[3].contains("allow: GET, HEAD\r\n"), "{answers:?}");
        assert!(answers[4].contains(" 404 "), "{answers:?}");
    }

    #[test]
    fn rubbish_does_not_hurt() {
        let answers = asked(&[
            b"\r\n\r\n\0\xff",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &[b'x'; 100_000],
            b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\nzzz",
            // It never ends: whoever waits for the rest gives up.
            b"GET /metr",
            b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        ]);
        let (last, others) = answers.split_last().unwrap();
        assert!(others.iter().all(|answer| !answer.contains(" 200 ")), "{others:?}");
        assert!(last.ends_with("# EOF\n"), "{last}");
    }
}
