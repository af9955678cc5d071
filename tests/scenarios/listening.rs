// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waiting for others: on the loopback, and nowhere else unless a rule says so.

use crate::{
    attempts::{DENIED, bare},
    guest::{Place, sh},
};

const NOTHING: &str = "{ exec: { allow: [\"/mnt/**\"] } }";

fn attempts(ways: &[&str], addresses: &[&str]) -> Vec<String> {
    addresses.iter().flat_map(|on| ways.iter().map(move |way| format!("listen {way} {on}"))).collect()
}

#[test]
fn nobody_outside_is_waited_for() {
    sh("ip -6 addr replace 2001:db8::30/128 dev dummy0 nodad").success();
    let place = Place::new();
    let profile = place.profile(NOTHING);
    let addresses = [
        "0.0.0.0:7001",
        "[::]:7002",
        "198.51.100.30:7003",
        "[2001:db8::30]:7004",
        "[::ffff:198.51.100.30]:7005",
    ];
    let mut attempts = attempts(&["udp", "tcp", "listen"], &addresses);
    attempts.extend(
        [
            "unbound 0.0.0.0:0",
            "unbound [::]:0",
            "listen 0.0.0.0:0",
            "listen [::]:0",
            "dissolved 0.0.0.0:7006",
            "dissolved [::]:7007",
            "unspec 0.0.0.0:7008",
        ]
        .map(|attempt| format!("listen {attempt}")),
    );
    bare(&attempts).all(0);
    place.each(&profile, &attempts).all(DENIED);
    // From 6.11 on.
    let ring = ["listen ring 0.0.0.0:7009".to_owned(), "listen ring 0.0.0.0:0".to_owned()];
    let control = bare(&ring);
    if control.list[0].1 == libc::EINVAL {
        control.all(libc::EINVAL);
    } else {
        control.all(0);
        place.each(&profile, &ring).all(DENIED);
    }
}

#[test]
fn the_loopback_is_free_and_so_is_a_port_for_questions() {
    let place = Place::new();
    let mut attempts = attempts(
        &["udp", "tcp", "listen"],
        &["127.0.0.1:7011", "127.0.0.1:0", "127.8.8.8:7012", "[::1]:7013", "[::1]:0"],
    );
    attempts.extend(
        ["listen udp 0.0.0.0:0", "listen udp [::]:0", "listen udp 198.51.100.30:0"].map(String::from),
    );
    bare(&attempts).all(0);
    place.each(&place.profile(NOTHING), &attempts).all(0);
}

#[test]
fn a_rule_names_an_address_a_port_and_a_protocol() {
    let place = Place::new();
    let profile =
        place.profile("{ network: { allow: [{ listen: 0.0.0.0, ports: [7021], protocol: tcp }, { listen: 198.51.100.0/24, ports: [7022] }] } }");
    let named = attempts(&["tcp", "listen"], &["0.0.0.0:7021", "198.51.100.30:7022"]);
    let others = [
        attempts(&["listen"], &["0.0.0.0:7022", "198.51.100.30:7021", "203.0.113.1:7022", "[::]:7021"]),
        attempts(&["udp"], &["0.0.0.0:7021"]),
    ]
    .concat();
    place.each(&profile, &named).all(0);
    place.each(&profile, &others).all(DENIED);
}

/// A server and a client in one run; what it accepts, it answers.
const CONVERSATION: &str = "
import socket, threading
for family, ip in (socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1'):
    server = socket.create_server((ip, 0), family=family)
    def serve():
        with server.accept()[0] as stream:
            stream.sendall(stream.recv(9).upper())
    threading.Thread(target=serve).start()
    with socket.create_connection(server.getsockname()[:2]) as client:
        client.sendall(b'hello')
        print(client.recv(9).decode())
    here = socket.socket(family, socket.SOCK_DGRAM); here.bind((ip, 0))
    there = socket.socket(family, socket.SOCK_DGRAM)
    there.sendto(b'question', here.getsockname())
    data, whom = here.recvfrom(9)
    here.sendto(b'answer', whom)
    print(there.recv(9).decode())
";

const NODE: &str = "
const net = require('net'), dgram = require('dgram'), child = require('child_process');
const server = net.createServer(stream => stream.end('tcp')).listen(0, '127.0.0.1', () =>
  net.connect(server.address().port, '127.0.0.1').on('data', data => { console.log(String(data)); server.close(); udp(); }));
function udp() {
  const here = dgram.createSocket('udp4');
  here.on('message', data => { console.log(String(data)); here.close(); ipc(); });
  here.bind(0, '127.0.0.1', () => dgram.createSocket('udp4').unref().send('udp', here.address().port, '127.0.0.1'));
}
function ipc() {
  const other = child.spawn(process.execPath, ['-e', 'process.on(\"message\", m => { process.send(m + m); process.disconnect(); })'],
    { stdio: ['pipe', 'pipe', 'inherit', 'ipc'] });
  other.on('message', text => { console.log(text); local(); });
  other.send('ipc');
}
function local() {
  const path = process.argv[1] + '/node.sock';
  const server = net.createServer(stream => stream.end('local')).listen(path, () =>
    net.connect(path).on('data', data => { console.log(String(data)); server.close(); }));
}
";

#[test]
fn servers_and_clients_on_the_loopback_work() {
    let place = Place::new();
    let profile = place.profile(
        "{ exec: { default: allow }, network: { allow: [{ address: 127.0.0.0/8 }, { address: \"::1\" }] }, files: { write: { default: allow } } }",
    );
    let run = place.run(&profile, &["python3", "-c", CONVERSATION]);
    assert_eq!(run.ended.stdout, "HELLO\nanswer\nHELLO\nanswer\n", "{run:#?}");
    let run = place.run(&profile, &["node", "-e", NODE, place.path("").to_str().unwrap()]);
    assert_eq!(run.ended.stdout, "tcp\nudp\nipcipc\nlocal\n", "{run:#?}");
    let http = "python3 -m http.server --bind 127.0.0.1 7031 >/dev/null 2>&1 & server=$!
until curl -sf http://127.0.0.1:7031/ -o /dev/null; do kill -0 $server; sleep 0.1; done; kill $server; echo served";
    let run = place.run(&profile, &["bash", "-c", http]);
    assert_eq!(run.ended.stdout, "served\n", "{run:#?}");
}
