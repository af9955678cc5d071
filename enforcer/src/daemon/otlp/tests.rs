// SPDX-License-Identifier: MIT OR Apache-2.0

use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse},
    common::v1::any_value::Value,
};
use prost::Message as _;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::LocalSet,
    time::sleep,
};

use super::{
    post::TYPE,
    record::tests::{about, event},
    sender::BATCH,
    *,
};
use crate::{cli::output::Verbosity, report::json::Target};

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// For tests that do not wait for a batch to become full.
const QUICK: Pace = Pace {
    gather: Duration::from_millis(5),
    first: Duration::from_millis(5),
    longest: Duration::from_millis(20),
};

/// What a collector answers: a status, a time to come again, and what it did not take.
type Answer = (u16, Option<&'static str>, ExportLogsPartialSuccess);

fn answer(status: u16) -> Answer {
    (status, None, ExportLogsPartialSuccess::default())
}

/// A collector.
#[derive(Default)]
struct Server {
    heard: RefCell<Vec<ExportLogsServiceRequest>>,
    /// What it answers first; then it takes everything.
    answers: RefCell<VecDeque<Answer>>,
}

impl Server {
    fn start(listener: TcpListener, answers: &[Answer]) -> Rc<Self> {
        let server = Rc::new(Self { answers: RefCell::new(answers.to_vec().into()), ..Self::default() });
        let serving = Rc::clone(&server);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = Rc::clone(&serving);
                let service = service_fn(move |request| {
                    let server = Rc::clone(&server);
                    async move { Ok::<_, Infallible>(server.answer(request).await) }
                });
                tokio::task::spawn_local(
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        server
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/v1/logs"));
        assert_eq!(request.headers()[header::CONTENT_TYPE], TYPE);
        let body = request.into_body().collect().await.unwrap().to_bytes();
        self.heard.borrow_mut().push(ExportLogsServiceRequest::decode(body).unwrap());
        let (status, after, partial) = self.answers.borrow_mut().pop_front().unwrap_or_else(|| answer(200));
        let partial_success = (partial != ExportLogsPartialSuccess::default()).then_some(partial);
        let body = ExportLogsServiceResponse { partial_success }.encode_to_vec();
        let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, TYPE);
        if let Some(after) = after {
            response = response.header(header::RETRY_AFTER, after);
        }
        response.body(Full::new(body.into())).unwrap()
    }

    /// The records of each request.
    fn batches(&self) -> Vec<usize> {
        let records = |request: &ExportLogsServiceRequest| {
            let of = request.resource_logs.iter().flat_map(|of| &of.scope_logs);
            of.map(|of| of.log_records.len()).sum()
        };
        self.heard.borrow().iter().map(records).collect()
    }
}

/// Does something in a runtime like the service's.
fn served(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(async { timeout(PATIENCE, test).await.unwrap() }));
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn otlp(to: SocketAddr, room: usize, pace: Pace) -> Otlp {
    let terminal = Terminal::stderr(anstream::ColorChoice::Never, Verbosity::Normal);
    Otlp::with(format!("http://{to}").parse().unwrap(), terminal, room, pace)
}

/// So many denials.
fn deny(otlp: &Otlp, count: usize) {
    let run = otlp.of_run(about());
    for _ in 0..count {
        run.event(&event("read", Target::default()), SystemTime::now());
    }
}

/// Waits until something is so.
async fn until(so: impl Fn() -> bool) {
    while !so() {
        sleep(Duration::from_millis(2)).await;
    }
}

/// Sent, waiting, refused, dropped.
fn counts(otlp: &Otlp) -> [u64; 4] {
    let Told { sent, waiting, refused, dropped, .. } = otlp.told();
    [sent, waiting, refused, dropped]
}

#[test]
fn records_arrive_in_batches_that_say_who_tells() {
    served(async {
        let (listener, address) = listen().await;
        let server = Server::start(listener, &[]);
        let otlp = otlp(address, ROOM, QUICK);
        deny(&otlp, BATCH + 1);
        assert_eq!(counts(&otlp), [0, BATCH as u64 + 1, 0, 0]);
        until(|| otlp.told().sent == BATCH as u64 + 1).await;
        assert_eq!(server.batches(), [BATCH, 1]);
        assert_eq!((counts(&otlp)[1], otlp.told().problem), (0, None));
        let heard = server.heard.borrow();
        let told = heard.iter().map(|request| request.resource_logs[0].resource.clone().unwrap());
        let told: Vec<_> = told.collect();
        assert_eq!(told[0], told[1]);
        let text = |key: &str| {
            let found = told[0].attributes.iter().find(|attribute| attribute.key == key);
            match found.and_then(|attribute| attribute.value.clone()?.value) {
                Some(Value::StringValue(text)) if !text.is_empty() => text,
                other => panic!("{key}: {other:?}"),
            }
        };
        assert_eq!(text("service.name"), "enforcer");
        assert_eq!(text("service.version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(text("service.instance.id").len(), 36);
        text("host.name");
    });
}

#[test]
fn what_is_refused_for_now_is_sent_again() {
    served(async {
        let (listener, address) = listen().await;
        let later = [answer(503), (429, Some("0"), Default::default()), answer(502), answer(504)];
        let server = Server::start(listener, &later);
        let otlp = otlp(address, ROOM, QUICK);
        deny(&otlp, 3);
        until(|| otlp.told().sent == 3).await;
        assert_eq!(server.batches(), [3; 5]);
        assert!(server.heard.borrow().windows(2).all(|two| two[0] == two[1]));
        assert_eq!((counts(&otlp), otlp.told().problem), ([3, 0, 0, 0], None));
    });
}

#[test]
fn what_is_refused_for_good_is_counted_and_not_sent_again() {
    served(async {
        let (listener, address) = listen().await;
        let part = ExportLogsPartialSuccess {
            rejected_log_records: 2,
            error_message: "too old\n\x1b[31m".to_owned(),
        };
        let server = Server::start(listener, &[answer(400), answer(500), answer(301), (200, None, part)]);
        let otlp = otlp(address, ROOM, QUICK);
        for refused in 1..=3 {
            deny(&otlp, 1);
            until(|| otlp.told().refused == refused).await;
        }
        // Of this one it takes a part.
        deny(&otlp, 3);
        until(|| otlp.told().sent == 1).await;
        deny(&otlp, 1);
        until(|| otlp.told().sent == 2).await;
        assert_eq!((server.batches(), counts(&otlp)), (vec![1, 1, 1, 3, 1], [2, 0, 5, 0]));
    });
}

#[test]
fn with_the_collector_away_what_finds_no_room_is_counted_and_the_rest_arrives_later() {
    served(async {
        // Nobody listens yet, and nobody else can have the port.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let otlp = otlp(socket.local_addr().unwrap(), 8, QUICK);
        deny(&otlp, 100);
        assert_eq!(counts(&otlp), [0, 8, 0, 92]);
        until(|| otlp.told().problem.is_some()).await;
        // These are on their way, so there is room for as many again.
        deny(&otlp, 100);
        assert_eq!(counts(&otlp), [0, 16, 0, 184]);
        let server = Server::start(socket.listen(8).unwrap(), &[]);
        until(|| otlp.told().sent == 16).await;
        assert_eq!((server.batches(), otlp.told().problem), (vec![8, 8], None));
        deny(&otlp, 1);
        until(|| otlp.told().sent == 17).await;
        assert_eq!(counts(&otlp), [17, 0, 0, 184]);
    });
}

#[test]
fn the_end_sends_what_waits() {
    served(async {
        let (listener, address) = listen().await;
        let server = Server::start(listener, &[]);
        let otlp = otlp(address, ROOM, Pace { gather: PATIENCE, ..QUICK });
        deny(&otlp, BATCH + 2);
        until(|| otlp.told().sent == BATCH as u64).await;
        otlp.finish().await;
        assert_eq!((server.batches(), counts(&otlp)), (vec![BATCH, 2], [BATCH as u64 + 2, 0, 0, 0]));
    });
}

#[test]
fn a_collector_that_is_away_or_says_nothing_does_not_hold_up_the_end() {
    served(async {
        let (_listener, silent) = listen().await;
        let closed = TcpSocket::new_v4().unwrap();
        closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        for address in [silent, closed.local_addr().unwrap()] {
            let otlp = otlp(address, ROOM, QUICK);
            deny(&otlp, 5);
            let began = Instant::now();
            otlp.finish().await;
            assert!(began.elapsed() < PATIENCE / 2);
            assert_eq!(counts(&otlp), [0, 5, 0, 0]);
        }
    });
}
