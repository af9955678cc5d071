// SPDX-License-Identifier: MIT OR Apache-2.0

//! One batch to the collector, and what it says to that.
//!
//! Each has a connection of its own: at one a second that costs nothing, and none is kept that the other end has forgotten.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, Request, Response, StatusCode, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use prost::Message as _;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

use super::collector::Collector;

/// The type of what is sent and of what comes back.
pub(super) const TYPE: &str = "application/x-protobuf";
/// How long a batch may take from beginning to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 1 << 16;
/// The longest that a collector may have us wait: what it asks for beyond is a mistake, or worse.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Why a batch was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It is to be tried again: after this time, if the collector says when.
    #[error("{why}")]
    Later { why: String, after: Option<Duration> },
    /// It would be refused again.
    #[error("{0}")]
    Never(String),
}

impl Failure {
    fn later(why: impl ToString) -> Self {
        Self::Later { why: why.to_string(), after: None }
    }
}

/// Sends a batch. What the collector did not take of one that it took is in the answer.
pub(super) async fn post(to: &Collector, batch: Bytes) -> Result<ExportLogsPartialSuccess, Failure> {
    let answer = timeout(PATIENCE, exchange(to, batch)).await;
    answer.unwrap_or_else(|_| Err(Failure::later("it takes too long to answer")))
}

async fn exchange(to: &Collector, batch: Bytes) -> Result<ExportLogsPartialSuccess, Failure> {
    let stream = TcpStream::connect(to.place()).await.map_err(Failure::later)?;
    let (mut http, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::later)?;
    // It goes with us, however we end.
    let mut with_us = JoinSet::new();
    with_us.spawn_local(connection);
    let request = Request::post(to.path())
        .header(header::HOST, to.authority())
        .header(header::CONTENT_TYPE, TYPE)
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, concat!("enforcer/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(batch))
        .map_err(|error| Failure::Never(error.to_string()))?;
    heard(http.send_request(request).await.map_err(Failure::later)?).await
}

/// What an answer means, as OTLP has it.
async fn heard(response: Response<Incoming>) -> Result<ExportLogsPartialSuccess, Failure> {
    let status = response.status();
    let why = || format!("it answers {status}");
    match status {
        status if status.is_success() => {
            // It has the batch, whatever becomes of the rest of the answer.
            let text = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
            let text = text.map(|text| text.to_bytes()).unwrap_or_default();
            let answer = ExportLogsServiceResponse::decode(text).unwrap_or_default();
            Ok(answer.partial_success.unwrap_or_default())
        }
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            Err(Failure::Later { why: why(), after: retry_after(response.headers()) })
        }
        _ => Err(Failure::Never(why())),
    }
}

/// How long to wait, in seconds or until a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = httpdate::parse_http_date(text).ok()?;
            until.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_says_when_to_come_again() {
        let wait = |text: &str| {
            let value = text.parse().unwrap();
            retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, value)]))
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("99999999999"), Some(WAIT_MAX));
        assert_eq!(wait("Tue, 31 Mar 2026 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Tue, 31 Mar 2099 00:00:00 GMT"), Some(WAIT_MAX));
        for wrong in ["", "soon", "-1", "1.5"] {
            assert_eq!(wait(wrong), None, "{wrong}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
