// SPDX-License-Identifier: MIT OR Apache-2.0

//! A collector: takes OTLP over HTTP, and keeps it as the file exporter of OpenTelemetry's own would, one request a line.

use std::{
    convert::Infallible,
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use prost::Message as _;
use serde_json::Value;
use tokio::{sync::oneshot, task::LocalSet};

/// A collector, as long as this lives.
pub(crate) struct Collector {
    file: PathBuf,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// Takes what comes there, and adds it to a file.
    pub(crate) fn start(listener: TcpListener, file: &Path) -> Self {
        listener.set_nonblocking(true).unwrap();
        File::create(file).unwrap();
        let (end, ended) = oneshot::channel();
        let to = file.to_owned();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(LocalSet::new().run_until(async {
                tokio::select! {
                    () = serve(listener, to) => {}
                    _ = ended => {}
                }
            }));
        };
        Self { file: file.to_owned(), end: Some(end), thread: Some(thread::spawn(serve)) }
    }

    /// What it has.
    pub(crate) fn records(&self) -> Vec<Record> {
        let text = fs::read_to_string(&self.file).unwrap();
        // Another request may be on its way into the file.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let requests = whole.map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of_request = |request: Value| {
            let every = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
            every(&request, "resourceLogs").into_iter().flat_map(move |machine| {
                let scopes = every(&machine, "scopeLogs").into_iter();
                let records = scopes.flat_map(move |scope| every(&scope, "logRecords"));
                let resource = machine["resource"].clone();
                records.map(move |record| Record { resource: resource.clone(), record })
            })
        };
        requests.flat_map(of_request).collect()
    }

    /// Those of a name.
    pub(crate) fn named(&self, name: &str) -> Vec<Record> {
        self.records().into_iter().filter(|record| record.record["eventName"] == name).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A log record, and who told it.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) resource: Value,
    pub(crate) record: Value,
}

impl Record {
    /// An attribute as text; numbers, too, as OTLP's JSON has them.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        attribute(&self.record, key)
    }

    /// An attribute of who told it.
    pub(crate) fn of_resource(&self, key: &str) -> Option<String> {
        attribute(&self.resource, key)
    }
}

fn attribute(of: &Value, key: &str) -> Option<String> {
    let found = of["attributes"].as_array()?.iter().find(|attribute| attribute["key"] == key)?;
    let value = &found["value"];
    value["stringValue"].as_str().or(value["intValue"].as_str()).map(str::to_owned)
}

async fn serve(listener: TcpListener, to: PathBuf) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let to = to.clone();
        let service = service_fn(move |request| take(request, to.clone()));
        tokio::task::spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn take(request: Request<Incoming>, to: PathBuf) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/v1/logs"));
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let request = ExportLogsServiceRequest::decode(body).unwrap();
    let line = serde_json::to_string(&request).unwrap() + "\n";
    File::options().append(true).open(to).unwrap().write_all(line.as_bytes()).unwrap();
    Ok(Response::new(Full::new(ExportLogsServiceResponse::default().encode_to_vec().into())))
}
