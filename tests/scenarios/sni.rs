// SPDX-License-Identifier: MIT OR Apache-2.0

//! Two hosts behind one address: with `sni` a connection begins with a TLS hello that asks for the one that is allowed.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    guest::{Place, Run, sh, until},
    name_server::NameServer,
};

/// The address of all hosts.
const ADDRESS: &str = "203.0.113.20";
const ADDRESS6: &str = "2001:db8::20";

/// A port at every address of the guest, which answers with a byte as soon as it has all of a hello, or what is none.
struct Port {
    number: u16,
    answered: Arc<Mutex<Vec<String>>>,
}

impl Port {
    fn open() -> Self {
        sh(&format!("ip -6 addr replace {ADDRESS6}/128 dev dummy0 nodad")).success();
        // Anybody may send data in the first segment.
        sh("sysctl -qw net.ipv4.tcp_fastopen=0x603").success();
        let listener = TcpListener::bind("[::]:0").unwrap();
        let (number, answered) =
            (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
        let all = Arc::clone(&answered);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let all = Arc::clone(&all);
                thread::spawn(move || answer(stream, &all));
            }
        });
        Self { number, answered }
    }

    /// What was answered since the last time: the names in the hellos, or what came instead.
    fn answered(&self) -> Vec<String> {
        std::mem::take(&mut self.answered.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, all: &Mutex<Vec<String>>) {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(len @ 1..) = stream.read(&mut part) {
        bytes.extend(&part[..len]);
        if let Some(name) = whole(&bytes) {
            all.lock().unwrap().push(name);
            let _ = stream.write_all(b"!");
            bytes.clear();
        }
    }
}

/// The name in a whole hello: what stands between `<` and `>`, which tests put around it in another place.
fn whole(mut bytes: &[u8]) -> Option<String> {
    let mut message = Vec::new();
    while let [22, 3, _, high, low, rest @ ..] = bytes {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        message.extend(rest.get(..len)?);
        bytes = &rest[len..];
        let [_, a, b, c, rest @ ..] = &message[..] else { continue };
        if rest.len() >= usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c) {
            let text = String::from_utf8_lossy(rest);
            let (name, _) = text.split_once('<')?.1.split_once('>')?;
            return Some(name.to_owned());
        }
    }
    match bytes {
        [] | [22, ..] => None,
        other => Some(String::from_utf8_lossy(other).into_owned()),
    }
}

/// What the programs share: a hello is written by hand, its mark being part of what comes before the name.
const HELPERS: &str = r#"
import errno, os, socket, struct, subprocess, sys
def said(action):
    try: return str(action())
    except OSError as error: return errno.errorcode.get(error.errno, str(error.errno))
def sized(size, data): return len(data).to_bytes(size, "big") + data
def extension(kind, data): return struct.pack(">H", kind) + sized(2, data)
def hello(mark, name, more=b"", records=1):
    names = [] if name is None else [extension(0, sized(2, b"\0" + sized(2, name.encode())))]
    body = b"\3\3" + bytes(32) + sized(1, ("<" + mark + ">").encode()) + sized(2, b"\x13\1") + sized(1, b"\0")
    message = b"\1" + sized(3, body + sized(2, extension(43, b"\2\3\4") + b"".join(names) + more))
    step = -(-len(message) // records)
    return b"".join(b"\x16\3\1" + sized(2, message[at:at + step]) for at in range(0, len(message), step))
def connected(address=ADDRESS, family=None):
    s = socket.socket(family or (socket.AF_INET6 if ":" in address else socket.AF_INET)); s.settimeout(60)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.connect((address, PORT)); return s
def memory(data):
    fd = os.memfd_create("hello"); os.write(fd, data); os.lseek(fd, 0, 0); return fd
def pipe(data):
    reader, writer = os.pipe(); os.write(writer, data); return reader
def plainly(s, data): s.sendall(data)
def bytewise(s, data):
    for byte in data: s.sendall(bytes([byte]))
def by_file(s, data): os.sendfile(s.fileno(), memory(data), 0, len(data))
def by_splice(s, data): os.splice(pipe(data), s.fileno(), len(data))
def lent(s, data):
    s.setsockopt(socket.SOL_SOCKET, 60, 1); s.sendall(data, 0x4000000)
def by_ring(s, data): subprocess.run([ATTACK, "handed", "ring-send-poller"], stdin=s, stdout=subprocess.DEVNULL, check=True)
def offer(data, way=plainly, **where):
    with connected(**where) as s:
        way(s, data); return s.recv(1).decode()
def early(data):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 60, 0)); s.sendto(data, 0x20000000, (ADDRESS, PORT)); return s.recv(1).decode()
"#;

/// A program, and what it needs to know.
fn program(place: &Place, port: &Port, program: &str) -> String {
    let attack = crate::guest::attack();
    let known = format!("ADDRESS, PORT, ATTACK = '{ADDRESS}', {}, {attack:?}", port.number);
    let file = place.file("program.py", &format!("{known}\n{HELPERS}\n{program}"));
    file.to_str().unwrap().to_owned()
}

/// What each line of it prints in a run that may reach `good.test` and `other.test` on the port.
fn enforced(place: &Place, port: &Port, options: &[&str], text: &str) -> (Vec<String>, Run) {
    let rule = |host: &str, more: &str| format!("{{ host: {host}, ports: [{}]{more} }}", port.number);
    let profile = place.profile(&format!(
        "{{ exec: {{ default: allow }}, files: {{ write: {{ default: allow }} }}, network: {{ allow: [{}, {}, {}] }} }}",
        rule("good.test", ""),
        rule("other.test", ""),
        rule("plain.test", ", tls: false"),
    ));
    let text = program(place, port, text);
    let run = place.run_with(&profile, options, &["python3", &text]);
    assert_eq!(run.ended.status, 0, "{}", run.ended.stderr);
    (run.ended.stdout.lines().map(str::to_owned).collect(), run)
}

fn start() -> (Place, NameServer, Port) {
    let (place, server, port) = (Place::new(), NameServer::start(), Port::open());
    server.name("good.test", &[ADDRESS, ADDRESS6], 300);
    server.name("other.test", &[ADDRESS, ADDRESS6], 300);
    server.name("plain.test", &["203.0.113.21"], 300);
    (place, server, port)
}

/// Attempts that are denied with `sni`, and why.
const DENIED: [(&str, &str, &str); 20] = [
    ("neighbour", "hello('neighbour', 'evil.test')", "server-name"),
    ("below", "hello('below', 'x.good.test')", "server-name"),
    ("not-looked-up", "hello('not-looked-up', 'other.test')", "server-name"),
    ("nameless", "hello('nameless', None)", "no-server-name"),
    (
        "no-extension",
        "b'\\x16\\3\\1' + sized(2, b'\\1' + sized(3, b'\\3\\3' + bytes(32) + sized(1, b'<no-extension>') + sized(2, b'\\x13\\1') + sized(1, b'\\0')))",
        "no-server-name",
    ),
    ("no-hello", "b'GET / HTTP/1.1'", "not-hello"),
    (
        "two-names",
        "hello('two-names', 'good.test', extension(0, sized(2, b'\\0' + sized(2, b'evil.test'))))",
        "not-hello",
    ),
    ("encrypted", "hello('encrypted', 'good.test', extension(0xfe0d, bytes(8)))", "encrypted-hello"),
    ("bytewise", "hello('bytewise', 'evil.test'), bytewise", "server-name"),
    ("large", "hello('large', 'evil.test', extension(21, bytes(2000)))", "server-name"),
    (
        "large-bytewise",
        "hello('large-bytewise', 'evil.test', extension(21, bytes(2000)), 7), bytewise",
        "server-name",
    ),
    ("records", "hello('records', 'evil.test', records=30)", "server-name"),
    ("too-large", "hello('too-large', 'good.test', extension(21, bytes(17000)), 2)", "not-hello"),
    ("by-file", "hello('by-file', 'good.test'), by_file", "unjudged"),
    ("by-splice", "hello('by-splice', 'good.test'), by_splice", "unjudged"),
    ("lent", "hello('lent', 'good.test'), lent", "unjudged"),
    ("by-ring", "b'', by_ring", "not-hello"),
    ("six", "hello('six', 'evil.test'), address='2001:db8::20'", "server-name"),
    ("six-bytewise", "hello('six-bytewise', 'evil.test'), bytewise, address='2001:db8::20'", "server-name"),
    ("mapped", "hello('mapped', 'evil.test'), address='::ffff:203.0.113.20'", "server-name"),
];

/// Attempts that are allowed.
const ALLOWED: [(&str, &str); 9] = [
    ("plain", "hello('plain', 'good.test')"),
    ("capitals", "hello('capitals', 'GOOD.Test')"),
    ("good-bytewise", "hello('good-bytewise', 'good.test'), bytewise"),
    ("good-large", "hello('good-large', 'good.test', extension(21, bytes(2000)))"),
    ("good-larger", "hello('good-larger', 'good.test', extension(21, bytes(15000)))"),
    ("good-records", "hello('good-records', 'good.test', extension(21, bytes(2000)), 30), bytewise"),
    ("good-six", "hello('good-six', 'good.test'), address='2001:db8::20'"),
    ("good-mapped", "hello('good-mapped', 'good.test'), address='::ffff:203.0.113.20'"),
    ("alpn", "hello('alpn', 'good.test', extension(16, sized(2, sized(1, b'h2'))))"),
];

/// The program that makes attempts, each on a line.
fn offers<'a>(attempts: impl Iterator<Item = &'a str>) -> String {
    let lines = attempts.map(|attempt| format!("print(said(lambda: offer({attempt})), flush=True)\n"));
    format!("said(lambda: socket.getaddrinfo('good.test', PORT))\n{}", lines.collect::<String>())
}

#[test]
fn only_a_name_that_led_there_is_asked_for() {
    let (place, _server, port) = start();
    let both = || ALLOWED.iter().map(|its| its.1).chain(DENIED.iter().map(|its| its.1));
    let names: Vec<&str> = ALLOWED.iter().map(|its| its.0).chain(DENIED.iter().map(|its| its.0)).collect();
    let text = program(&place, &port, &offers(both()));
    // Bare, and without `sni`, there is nothing that does not arrive.
    let bare = sh(&format!("python3 {text}")).success();
    assert_eq!(bare.stdout.lines().collect::<Vec<_>>(), vec!["!"; names.len()], "{}", bare.stderr);
    let arrived = port.answered();
    assert_eq!(arrived.len(), names.len(), "{arrived:?}");
    let (lines, run) = enforced(&place, &port, &["--sni"], &offers(both()));
    let (allowed, denied) = lines.split_at(ALLOWED.len());
    assert_eq!(allowed, ["!"; ALLOWED.len()], "{}", run.ended.stderr);
    for (line, (name, ..)) in denied.iter().zip(DENIED) {
        assert!(["ECONNABORTED", "EPERM", "ECONNRESET"].contains(&line.as_str()), "{name}: {line}");
    }
    let expected: Vec<&str> = ALLOWED.iter().map(|its| its.0).collect();
    assert_eq!(port.answered(), expected, "what is denied does not arrive whole");
    let reasons: Vec<String> =
        run.denials().iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect();
    let expected: Vec<&str> = DENIED.iter().map(|its| its.2).collect();
    assert_eq!(reasons, expected, "{}", run.ended.stderr);
    let first = &run.denials()[0];
    assert_eq!(
        (&first["address"]["host"], &first["address"]["asked"]),
        (&"good.test".into(), &"evil.test".into())
    );
    for part in
        [&format!("connect {ADDRESS}:{} tcp (good.test) as evil.test", port.number), "host: evil.test"]
    {
        assert!(run.ended.stderr.contains(part), "{part}: {}", run.ended.stderr);
    }
}

#[test]
fn without_sni_a_neighbour_is_reached() {
    let (place, _server, port) = start();
    let (lines, _) = enforced(&place, &port, &[], &offers(["hello('x', 'evil.test')"].into_iter()));
    assert_eq!((lines, port.answered()), (vec!["!".to_owned()], vec!["x".to_owned()]));
    // In audit mode it is, and that is told.
    let (lines, run) =
        enforced(&place, &port, &["--sni", "--audit"], &offers(["hello('y', 'evil.test')"].into_iter()));
    assert_eq!((lines, port.answered()), (vec!["!".to_owned()], vec!["y".to_owned()]));
    assert_eq!(run.denials().len(), 1);
    assert_eq!(run.denials()[0]["verdict"], "would-deny");
}

#[test]
fn a_connection_is_asked_once_and_what_speaks_no_tls_is_not() {
    let (place, _server, port) = start();
    let text = "said(lambda: socket.getaddrinfo('good.test', PORT)); said(lambda: socket.getaddrinfo('plain.test', PORT))
with connected() as s:
    s.sendall(hello('first', 'good.test')); print(s.recv(1).decode())
    s.sendall(hello('again', 'evil.test')); print(s.recv(1).decode())
    by_ring(s, b''); print(s.recv(1).decode())
    by_file(s, b'by-file'); print(s.recv(1).decode())
with connected(address='203.0.113.21') as s:
    s.sendall(b'plain'); print(s.recv(1).decode())
said(lambda: socket.getaddrinfo('other.test', PORT)); print(offer(hello('other', 'other.test')))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    print(said(lambda: s.connect((ADDRESS, PORT))), said(lambda: s.send(b'QUIC')), said(lambda: s.sendto(b'QUIC', (ADDRESS, PORT))))";
    let (lines, run) = enforced(&place, &port, &["--sni"], text);
    assert_eq!(lines, ["!", "!", "!", "!", "!", "!", "None EPERM EPERM"], "{}", run.ended.stderr);
    assert_eq!(port.answered(), ["first", "again", "<ring-send-poller>", "by-file", "plain", "other"]);
}

#[test]
fn data_in_the_first_segment_is_judged_too() {
    let (place, _server, port) = start();
    // The first time brings a cookie, with which the second sends its data at once.
    let text = "said(lambda: socket.getaddrinfo('good.test', PORT))
for name in ['good.test', 'good.test', 'evil.test']: print(said(lambda: early(hello(name, name))), flush=True)";
    let file = program(&place, &port, text);
    let bare = sh(&format!("python3 {file}")).success().stdout;
    assert_eq!(bare, "!\n!\n!\n");
    assert_eq!(port.answered(), ["good.test", "good.test", "evil.test"]);
    let (lines, run) = enforced(&place, &port, &["--sni"], text);
    assert_eq!(lines[..2], ["!", "!"], "{}", run.ended.stderr);
    assert!(["ECONNABORTED", "EPERM"].contains(&lines[2].as_str()), "{lines:?}");
    assert_eq!(port.answered(), ["good.test", "good.test"]);
}

#[test]
fn real_clients_are_understood() {
    let (place, _server, port) = start();
    let key = place.file("key.pem", include_str!("sni.pem"));
    let ready = place.path("ready");
    let text = format!(
        "import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain({key:?})
asked = []; context.sni_callback = lambda s, name, c: asked.append(name)
listener = socket.socket(); listener.bind(('', 0)); listener.listen()
open({:?}, 'w').write(str(listener.getsockname()[1])); os.rename({:?}, {ready:?})
while True:
    try:
        with context.wrap_socket(listener.accept()[0], server_side=True) as s: s.sendall(str(asked[-1]).encode())
    except OSError: pass",
        place.path("part"),
        place.path("part"),
    );
    let file = program(&place, &port, &text);
    let mut server = Command::new("python3").arg(file).stdin(Stdio::null()).spawn().unwrap();
    until("the server is there", || ready.exists());
    let number = std::fs::read_to_string(&ready).unwrap().parse().unwrap();
    let port = Port { number, answered: Arc::default() };
    let node = "const tls=require('tls'),t=n=>new Promise(r=>{const s=tls.connect({host:'good.test',port:+process.argv[1],servername:n,\
        rejectUnauthorized:false});let d='';s.on('data',b=>d+=b).on('end',()=>r(d)).on('error',e=>r(e.code))});\
        (async()=>{for(const n of['good.test','evil.test'])console.log(await t(n))})()";
    let text = format!(
        "import ssl
context = ssl._create_unverified_context()
def ask(name):
    with context.wrap_socket(connected(address='good.test'), server_hostname=name) as s: return s.recv(99).decode()
for name in ['good.test', 'evil.test']: print(said(lambda: ask(name)), flush=True)
print(subprocess.run(['node', '-e', {node:?}, str(PORT)], capture_output=True, text=True).stdout, end='')"
    );
    let file = program(&place, &port, &text);
    let bare = sh(&format!("python3 {file}")).success().stdout;
    let (lines, run) = enforced(&place, &port, &["--sni"], &text);
    server.kill().and_then(|()| server.wait()).unwrap();
    assert_eq!(bare, "good.test\nevil.test\ngood.test\nevil.test\n");
    assert_eq!(lines, ["good.test", "ECONNABORTED", "good.test", "ECONNABORTED"], "{}", run.ended.stderr);
    // Nothing else: to find out which address to use, the C library connects datagram sockets, and sends nothing.
    assert_eq!(run.denials().len(), 2, "{}", run.ended.stderr);
}
