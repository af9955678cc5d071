// SPDX-License-Identifier: MIT OR Apache-2.0

//! The example of FLEET.md: three runners, one collector, and the question that stands there.

use std::{
    env,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use super::{Service, copy, quiet};
use crate::{
    collector::Collector,
    guest::{Ended, Place, finish, sh, until},
};

/// The example.
const FLEET: &str = include_str!("../../../enforcer/FLEET.md");
/// What each runner's job looks up or connects to.
const JOBS: [(&str, &str); 3] = [
    ("runner-1", "getent hosts sfrclak.test"),
    ("runner-2", "getent hosts headers.test; : >/dev/tcp/198.51.100.8/443"),
    ("runner-3", "getent hosts sfrclak.test; : >/dev/tcp/198.51.100.7/8000"),
];

/// A block of the example, which begins like this.
fn block(begin: &str) -> &'static str {
    let (_, rest) = FLEET.split_once(&format!("```{begin}")).unwrap();
    rest.split_once("```").unwrap().0
}

/// A network namespace with an interface, whose other end is here.
struct Runner(&'static str);

impl Runner {
    fn new(name: &'static str, number: usize) -> Self {
        let (here, there) = (format!("192.0.2.{}/31", 2 * number), format!("192.0.2.{}/31", 2 * number + 1));
        sh(&format!(
            "modprobe veth; ip netns add {name}; ip -n {name} link set lo up
             ip link add to-{name} type veth peer name up0 netns {name}
             ip addr add {here} dev to-{name}; ip link set to-{name} up
             ip -n {name} addr add {there} dev up0; ip -n {name} link set up0 up; ip -n {name} route add default via {}",
            here.trim_end_matches("/31")
        ))
        .success();
        Self(name)
    }

    /// What becomes a command there. `ip netns exec` would also take /sys away.
    fn within(&self) -> [String; 7] {
        let become_it = format!("hostname {} && exec \"$@\"", self.0);
        let net = format!("--net=/run/netns/{}", self.0);
        ["nsenter", &net, "unshare", "--uts", "sh", "-c", &become_it].map(str::to_owned)
    }

    fn runs(&self, command: &[&str]) -> Ended {
        let [program, words @ ..] = self.within();
        let mut run = Command::new(program);
        run.args(words).arg("sh").args(command);
        finish(run)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // The interface goes with the namespace.
        sh(&format!("ip netns del {}; ip link del to-{0} 2>/dev/null || true", self.0));
    }
}

/// OpenTelemetry's Collector, which passes on what it takes: its core has no exporter to a file.
struct Between(Child);

impl Between {
    /// Takes what comes to port 4318 of any address.
    fn start(collector: &str, place: &Place, to: &TcpListener) -> Self {
        let config = format!(
            "receivers: {{ otlp: {{ protocols: {{ http: {{ endpoint: '0.0.0.0:4318' }} }} }} }}
exporters: {{ otlphttp: {{ endpoint: 'http://{}', compression: none }} }}
service:
  telemetry: {{ metrics: {{ level: none }} }}
  pipelines: {{ logs: {{ receivers: [otlp], exporters: [otlphttp] }} }}
",
            to.local_addr().unwrap()
        );
        let config = place.file("collector.yaml", &config);
        let child = Command::new(collector).arg("--config").arg(config).spawn().unwrap();
        until("the collector listens", || TcpStream::connect("127.0.0.1:4318").is_ok());
        Self(child)
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn one_question_finds_the_runners_that_met_a_host() {
    let place = Place::new();
    let shell = copy(&place, "/bin/bash".as_ref(), "job");
    let shell = shell.to_str().unwrap();
    let profile = format!(
        "select: [{{ exe: {shell} }}]\nstages:\n  all:\n    exec: {{ default: allow }}\n    files: {{ read: {{ default: allow }}, write: {{ default: allow }} }}\n"
    );
    let heard = place.path("events.jsonl");
    // Debian 12 has no Collector: whoever has one names it.
    let collector = env::var("ENFORCER_COLLECTOR").ok();
    let listener =
        TcpListener::bind(if collector.is_some() { "127.0.0.1:0" } else { "0.0.0.0:4318" }).unwrap();
    let _between = collector.map(|collector| Between::start(&collector, &place, &listener));
    let collector = Collector::start(listener, &heard);
    for (number, (name, job)) in (1..).zip(JOBS) {
        let runner = Runner::new(name, number);
        let within = runner.within();
        let words: Vec<&str> = within.iter().map(String::as_str).chain(["sh"]).collect();
        let url = format!("http://192.0.2.{}:4318", 2 * number);
        // One kernel has one service, so they are there one after the other.
        let service = Service::start_within(&words, &place, &[("npm-install", &profile)], &["--otlp", &url]);
        runner.runs(&[shell, "-c", &format!("{job}; :")]).success();
        until("its end is told", || collector.named("enforcer.summary").len() == number);
        quiet();
        drop(service);
    }
    let hosts: Vec<_> =
        collector.named("enforcer.summary").iter().map(|end| end.of_resource("host.name")).collect();
    assert_eq!(hosts, JOBS.map(|(name, _)| Some(name.to_owned())));
    // The question as it stands in the example, and the answer.
    let asked = block("sh\njq ").trim();
    place.file("ask.sh", &format!("cd {}\njq {asked}\n", place.path("").display()));
    let answer = sh(&format!("bash {}", place.path("ask.sh").display())).success().stdout;
    assert_eq!(answer, format!("runner-1{}", block("\nrunner-1")));
}
