// SPDX-License-Identifier: MIT OR Apache-2.0

//! Local sockets, by the name that their owner bound them to. Daemons that would act for a run are out of its reach.

use std::{fs, os::unix::net::UnixDatagram, path::Path};

use crate::{
    attempts::{DENIED, bare},
    guest::{Place, until},
    visitors::{Bound, Visitors, abstracted, exact},
};

/// All spellings of a path.
const SPELLINGS: [&str; 11] = [
    "stream",
    "ring",
    "ring-poller",
    "relative",
    "dots",
    "descriptor",
    "root",
    "symlink",
    "hard-link",
    "renamed",
    "mount",
];
const ANY: &str = "exec: { default: allow }, files: { write: { default: allow } }";

/// The names of daemons that would act for whoever asks.
const DAEMONS: [&str; 9] = [
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/systemd/io.system.ManagedOOM",
    "/run/user/1000/bus",
    "/tmp/ssh-XXXXXXabcdef/agent.4242",
    "/run/user/1000/gnupg/S.gpg-agent",
];

#[test]
fn daemons_are_out_of_reach_however_they_are_spelled() {
    let place = Place::new();
    let visitors = Visitors::default();
    let bound = DAEMONS.map(|path| Bound::new(Path::new(path), &visitors));
    let spelled = Path::new(DAEMONS[0]);
    // Spelled in a directory of its own: its neighbours in /run matter to others.
    let own = place.path("own/docker.sock");
    let own = Bound::new(&own, &visitors);
    let mut attempts: Vec<_> =
        SPELLINGS.iter().map(|way| format!("local {way} {}", own.0.display())).collect();
    attempts.extend(DAEMONS.map(|path| format!("local stream {path}")));
    attempts.extend(
        ["relative", "dots", "descriptor", "root"].map(|way| format!("local {way} {}", spelled.display())),
    );
    place.each(&place.profile(&format!("{{ {ANY} }}")), &attempts).all(DENIED);
    assert_eq!(visitors.count(), 0);
    bare(&attempts).all(0);
    until("all come", || visitors.count() == attempts.len() as u64);
    let rules: Vec<_> = DAEMONS
        .iter()
        .copied()
        .chain(["PLACE/own/*.sock"])
        .map(|path| format!("{{ unix: \"{path}\" }}"))
        .collect();
    let named = place.profile(&format!("{{ {ANY}, network: {{ allow: [{}] }} }}", rules.join(", ")));
    place.each(&named, &attempts).all(0);
    until("all come again", || visitors.count() == 2 * attempts.len() as u64);
    drop(bound);
}

#[test]
fn every_type_and_every_sort_of_name() {
    let place = Place::new();
    let visitors = Visitors::default();
    let path = |name: &str| place.path(name).to_str().unwrap().to_owned();
    visitors.datagrams(UnixDatagram::bind(path("datagram")).unwrap());
    visitors.datagrams(UnixDatagram::bind(path("connected")).unwrap());
    visitors.streams(exact(libc::SOCK_SEQPACKET, &path("packets")));
    visitors.streams(abstracted(b"att-name"));
    visitors.streams(abstracted(b"att\0with\0nul"));
    visitors.streams(abstracted(b"\0"));
    // As long as a name can be: no room for a NUL.
    let base = path("");
    let long = format!("{base}{}", "l".repeat(108 - base.len()));
    visitors.streams(exact(libc::SOCK_STREAM, &long));
    let attempts = [
        format!("local datagram {}", path("datagram")),
        format!("local connected-datagram {}", path("connected")),
        format!("local seqpacket {}", path("packets")),
        "local stream @att-name".to_owned(),
        "local ring @att-name".to_owned(),
        "local stream @att@with@nul".to_owned(),
        "local stream @@".to_owned(),
        format!("local stream {long}"),
    ];
    place.each(&place.profile(&format!("{{ {ANY} }}")), &attempts).all(DENIED);
    assert_eq!(visitors.count(), 0);
    bare(&attempts).all(0);
    until("all come", || visitors.count() == attempts.len() as u64);
    let named = place.profile(&format!(
        "{{ {ANY}, network: {{ allow: [{{ unix: \"PLACE/*\" }}, {{ unix: \"@att*\" }}, {{ unix: \"@@\" }}] }} }}"
    ));
    place.each(&named, &attempts).all(0);
    until("all come again", || visitors.count() == 2 * attempts.len() as u64);
    let one = place.profile(&format!(
        "{{ {ANY}, network: {{ allow: [{{ unix: \"@att\" }}, {{ unix: \"PLACE/data\" }}] }} }}"
    ));
    place.each(&one, &attempts).all(DENIED);
}

#[test]
fn a_name_relative_to_somewhere_is_nobodys() {
    let place = Place::new();
    let script = "import os, socket, sys, subprocess
os.chdir(sys.argv[1])
server = socket.socket(socket.AF_UNIX); server.bind('relative.sock'); server.listen()
sys.exit(subprocess.call(sys.argv[2:], stdout=1))";
    let path = place.path("relative.sock");
    let reach = ["each".to_owned(), format!("local stream {}", path.display())];
    let profile = place.profile(&format!("{{ {ANY}, network: {{ allow: [{{ unix: \"/**\" }}] }} }}"));
    let outside = |command: &[&str]| {
        let mut python = std::process::Command::new("python3");
        python.args(["-c", script]).arg(place.path("")).args(command).args(&reach);
        crate::guest::finish(python).success().stdout
    };
    let attack = crate::guest::attack();
    let attack = attack.to_str().unwrap();
    assert_eq!(outside(&[attack]).trim(), "0");
    fs::remove_file(&path).unwrap();
    let run = ["enforcer", "run", "-q", "--profile", profile.to_str().unwrap(), "--", attack];
    assert_eq!(outside(&run).trim(), DENIED.to_string());
}

#[test]
fn a_run_reaches_its_own() {
    let place = Place::new();
    let profile = place.profile(&format!("{{ {ANY} }}"));
    let program = "
import os, socket, sys, threading
os.chdir(sys.argv[1])
for kind in socket.SOCK_STREAM, socket.SOCK_SEQPACKET:
    for name in sys.argv[1] + f'/{kind}.sock', f'{kind}.relative', f'\\0{kind}-own', '':
        server = socket.socket(socket.AF_UNIX, kind); server.bind(name); server.listen()
        def serve():
            with server.accept()[0] as stream: stream.sendall(stream.recv(9).upper())
        threading.Thread(target=serve).start()
        client = socket.socket(socket.AF_UNIX, kind)
        client.connect(server.getsockname()); client.sendall(b'hello')
        assert client.recv(9) == b'HELLO', name
here = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); here.bind('datagram')
there = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); there.bind('other')
there.sendto(b'question', 'datagram'); data, whom = here.recvfrom(9); here.sendto(b'answer', whom)
assert there.recv(9) == b'answer'
for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET:
    a, b = socket.socketpair(socket.AF_UNIX, kind)
    if os.fork() == 0: b.sendall(b'child'); os._exit(0)
    assert a.recv(9) == b'child'; os.wait()
print('done')";
    let run = place.run(&profile, &["python3", "-c", program, place.path("").to_str().unwrap()]);
    assert_eq!(run.ended.stdout, "done\n", "{run:#?}");
}
