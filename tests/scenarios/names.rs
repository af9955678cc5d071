// SPDX-License-Identifier: MIT OR Apache-2.0

//! Egress by name: a name that a rule allows opens its addresses, for its ports and its time; every other name is
//! refused, and nothing of it leaves.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use serde_json::Value;

use crate::{
    guest::{Place, Run, Tally, attack, bare, sh, until},
    name_server::{NameServer, SERVER, SERVER6},
};

/// A port that is listened on at every address of the guest; what arrives is counted.
struct Port {
    number: u16,
    arrived: Arc<AtomicU64>,
}

impl Port {
    fn open() -> Self {
        let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let (number, arrived) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&arrived);
        thread::spawn(move || {
            for _stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { number, arrived }
    }

    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::SeqCst)
    }
}

/// What each line of a Python program prints, under a profile whose network rules are these.
fn python(place: &Place, network: &str, program: &str) -> (Vec<String>, Run) {
    let profile = place.profile(&format!(
        "{{ exec: {{ default: allow }}, files: {{ write: {{ default: allow }} }}, network: {network} }}"
    ));
    let file = place.file("program.py", &format!("{HELPERS}\n{program}"));
    let run = place.run(&profile, &["python3", file.to_str().unwrap()]);
    assert_eq!(run.ended.status, 0, "{}", run.ended.stderr);
    (run.ended.stdout.lines().map(str::to_owned).collect(), run)
}

const HELPERS: &str = r#"
import errno, os, socket, struct, time
def said(action):
    try: return str(action())
    except OSError as error: return errno.errorcode.get(error.errno, str(error.errno))
def addresses(name): return said(lambda: sorted({entry[4][0] for entry in socket.getaddrinfo(name, 1, type=socket.SOCK_STREAM)}))
def connect(address, port):
    with socket.socket() as s:
        s.settimeout(20)
        return said(lambda: s.connect((address, port)))
def packet(name, kind): return b"ab\1\0\0\1\0\0\0\0\0\0" + b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0" + struct.pack(">HH", kind, 1)
def code(answer): return {0: "fine", 2: "failed", 3: "none", 5: "refused"}[answer[3] & 15]
def udp(server, name, kind=1, connected=False):
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        if connected:
            s.connect((server, 53)); s.send(packet(name, kind))
        else: s.sendto(packet(name, kind), (server, 53))
        answer, source = s.recvfrom(4096)
        return code(answer) + (" from it" if source[:2] == (server, 53) else f" from {source}")
def tcp(server, name, kind=1):
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET) as s:
        s.settimeout(20); s.connect((server, 53))
        query = packet(name, kind); s.sendall(struct.pack(">H", len(query)) + query)
        answer = s.recv(4096)[2:]
        return code(answer) + (" from it" if s.getpeername()[:2] == (server, 53) else f" from {s.getpeername()}")
"#;

/// Texts of the refused lookups of a run.
fn refused(run: &Run) -> Vec<String> {
    let names = run.denials().into_iter().filter(|event| event["action"] == "resolve");
    names.map(|event| event["host"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_name_opens_its_addresses_for_its_ports() {
    let (place, server, port) = (Place::new(), NameServer::start(), Port::open());
    server.name("good.test", &["203.0.113.20"], 300);
    let number = port.number;
    let (lines, run) = python(
        &place,
        &format!("{{ allow: [{{ host: good.test, ports: [{number}], protocol: tcp }}] }}"),
        &format!(
            "print(connect('203.0.113.20', {number})); print(addresses('good.test')); \
             print(connect('203.0.113.20', {number})); print(connect('203.0.113.20', {number} ^ 1)); \
             print(connect('203.0.113.21', {number})); print(addresses('GOOD.test'))"
        ),
    );
    let found = "['203.0.113.20']";
    assert_eq!(lines, ["EPERM", found, "None", "EPERM", "EPERM", found]);
    until("the one connection arrives", || port.arrived() == 1);
    // The lookup that led there is named.
    let last: Vec<Value> = run.denials();
    assert_eq!(last[1]["address"]["host"], "good.test", "{last:#?}");
    assert!(last[0]["address"]["host"].is_null(), "{last:#?}");
}

#[test]
fn every_client_gets_its_answer_from_the_server_it_asked() {
    let (place, server) = (Place::new(), NameServer::start());
    server.name("good.test", &["203.0.113.20", "2001:db8::20"], 300);
    let node = "const d=require('dns'),t=(n,f)=>new Promise(r=>f((e,a)=>{console.log(n,e?e.code:[a].flat().join());r()}));\
        (async()=>{await t('lookup',r=>d.lookup('good.test',{family:4},r));await t('resolve4',r=>d.resolve4('good.test',r));\
        await t('resolve6',r=>d.resolve6('good.test',r));await t('txt',r=>d.resolveTxt('good.test',r));\
        await t('evil',r=>d.resolve4('evil.test',r));d.setServers(['8.8.8.8']);await t('hard',r=>d.resolve4('good.test',r))})()";
    let program = format!(
        "import subprocess
for server in ['{SERVER}', '{SERVER6}', '8.8.8.8', '127.0.0.53', '::ffff:9.9.9.9']:
    print(udp(server, 'good.test'), udp(server, 'good.test', 28, True), tcp(server, 'good.test'), udp(server, 'evil.test'), tcp(server, 'evil.test'))
print(subprocess.run(['node', '-e', {node:?}], capture_output=True, text=True).stdout, end='')"
    );
    let (lines, _) = python(&place, "{ allow: [{ host: good.test, ports: [443] }] }", &program);
    let fine = "fine from it";
    let answers = format!("{fine} {fine} {fine} refused from it refused from it");
    assert_eq!(lines[..5], vec![answers; 5]);
    let found = "203.0.113.20";
    let node = ["lookup", "resolve4", "resolve6", "txt", "evil", "hard"];
    let said = [found, found, "2001:db8::20", "ENODATA", "EREFUSED", found];
    let expected: Vec<String> = node.iter().zip(said).map(|(name, said)| format!("{name} {said}")).collect();
    assert_eq!(lines[5..], expected);
    let asked = server.asked();
    assert!(asked.iter().all(|name| name == "good.test") && !asked.is_empty(), "{asked:?}");
}

/// musl asks all servers at once, by a socket that is bound and not connected, and takes what comes from one of them.
#[test]
fn a_program_with_a_c_library_of_its_own_gets_its_answers() {
    let (place, server, port) = (Place::new(), NameServer::start(), Port::open());
    server.name("good.test", &["203.0.113.20"], 300);
    server.name("evil.test", &["203.0.113.21"], 300);
    let (source, client) = (place.file("lookup.c", include_str!("lookup.c")), place.path("lookup"));
    sh(&format!("musl-gcc -static -o {} {}", client.display(), source.display())).success();
    let (client, number) = (client.to_str().unwrap(), port.number.to_string());
    let command = [client, &number, "good.test", "evil.test"];
    let profile = place.profile(&format!(
        "{{ exec: {{ allow: [{client:?}] }}, network: {{ allow: [{{ host: good.test, ports: [{number}] }}] }} }}"
    ));
    for servers in [&[SERVER][..], &[SERVER, SERVER6]] {
        server.at(servers);
        let bare = sh(&command.join(" ")).success().stdout;
        assert_eq!(bare, "good.test: 203.0.113.20 connected\nevil.test: 203.0.113.21 connected\n");
        // Of two servers, one has answered; what the other was asked may not have arrived. Both names, for addresses of two kinds.
        let mut asked = Vec::new();
        until("bare, all servers are asked", || {
            asked.extend(server.asked());
            asked.len() >= 4 * servers.len()
        });
        assert!(asked.iter().any(|name| name == "evil.test"), "{asked:?}");
        let run = place.run(&profile, &command);
        // It takes a refusal for no answer, and gives up when its time for one is over.
        assert_eq!(run.ended.stdout, "good.test: 203.0.113.20 connected\nevil.test: Try again\n");
        assert!(refused(&run).iter().all(|name| name == "evil.test") && !refused(&run).is_empty());
        let asked = server.asked();
        assert!(asked.iter().all(|name| name == "good.test") && !asked.is_empty(), "{asked:?}");
    }
    until("what was allowed arrives", || port.arrived() == 2 * (2 + 1));
}

#[test]
fn nothing_of_a_refused_name_leaves() {
    let (place, server) = (Place::new(), NameServer::start());
    // 100 KB in labels, by the system's resolver and straight to a server, on UDP and TCP; and asked for as TXT.
    let program = format!(
        "data = os.urandom(100_000).hex()
for at in range(0, len(data), 200):
    name = '.'.join(data[at:at + 200][i:i + 50] for i in range(0, 200, 50)) + '.tunnel.test'
    way = at // 200 % 4
    if way == 0: said(lambda: udp('{SERVER}', name, 16))
    if way == 1: said(lambda: udp('{SERVER6}', name, 16, True))
    if way == 2: said(lambda: tcp('{SERVER}', name, 16))
    if way == 3: said(lambda: udp('192.0.2.53', name))
print(addresses('x.tunnel.test'))"
    );
    let file = place
        .file("bare.py", &format!("{HELPERS}\nfor way in (udp, tcp): way('{SERVER}', 'x.tunnel.test', 16)"));
    sh(&format!("python3 {}", file.display())).success();
    assert_eq!(server.asked(), ["x.tunnel.test"; 2], "bare, a tunnel works");
    let (lines, run) = python(&place, "{ allow: [{ host: \"*.good.test\", ports: [443] }] }", &program);
    assert_ne!(lines, ["[]"]);
    assert_eq!(server.asked(), Vec::<String>::new());
    let names = refused(&run);
    assert!(names.len() >= 1000, "{}", names.len());
    assert!(names.iter().all(|name| name.ends_with(".tunnel.test")));
    assert!(run.ended.stderr.contains(".tunnel.test"), "{}", run.ended.stderr);
}

#[test]
fn a_name_that_leads_home_is_refused() {
    let (place, server) = (Place::new(), NameServer::start());
    let homes = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1"];
    for (name, home) in ["a.test", "b.test", "c.test", "d.test"].iter().zip(homes) {
        server.name(name, &["203.0.113.20", home], 300);
    }
    let (lines, run) = python(
        &place,
        "{ allow: [{ host: a.test, ports: [443] }, { host: b.test, ports: [443] }, { host: c.test, ports: [443] }, \
           { host: d.test, ports: [443], private: true }] }",
        "for name in 'abcd': print(udp('9.9.9.9', name + '.test'))
print(connect('203.0.113.20', 443))",
    );
    let refusal = "refused from it";
    assert_eq!(lines[..4], [refusal, refusal, refusal, "fine from it"]);
    assert_ne!(lines[4], "EPERM", "opened by the last");
    assert_eq!(refused(&run), ["a.test", "b.test", "c.test"]);
    assert_eq!(run.denials()[0]["leads_to"], "127.0.0.1", "{:#?}", run.denials());
}

#[test]
fn a_run_cannot_poison_its_lookups() {
    let (place, server) = (Place::new(), NameServer::start());
    server.name("good.test", &["203.0.113.20"], 300);
    // A server of its own on port 53, which the system's resolver is told to ask.
    let program = "import threading
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); own.bind(('127.0.0.1', 53))
def serve():
    while True:
        query, source = own.recvfrom(4096)
        own.sendto(query[:2] + b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0' + query[12:] + b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\1\\0\\0\\4' + bytes([203, 0, 113, 66]), source)
threading.Thread(target=serve, daemon=True).start()
before = open('/etc/resolv.conf').read()
open('/etc/resolv.conf', 'w').write('nameserver 127.0.0.1\\n')
print(addresses('good.test')); print(addresses('evil.test') == \"['203.0.113.66']\"); print(connect('203.0.113.66', 443))
print(said(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 17)), said(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)))
open('/etc/resolv.conf', 'w').write(before)";
    let file = place.file("bare.py", &format!("{HELPERS}\n{program}"));
    let bare = sh(&format!("python3 {}", file.display())).success().stdout;
    assert!(bare.starts_with("['203.0.113.66']\nTrue\n"), "bare, it does: {bare}");
    let (lines, _) = python(&place, "{ allow: [{ host: good.test, ports: [443] }] }", program);
    assert_eq!(lines, ["['203.0.113.20']", "False", "EPERM", "EPERM EPERM"]);
    assert!(server.asked().iter().all(|name| name == "good.test"));
}

#[test]
fn a_name_opens_nothing_for_another_run_nor_for_ever_and_is_followed_when_it_moves() {
    let (place, server, port) = (Place::new(), NameServer::start(), Port::open());
    server.name("brief.test", &["203.0.113.10"], 1);
    server.name("lasting.test", &["203.0.113.11"], 3600);
    let moving: Vec<String> = (20..220).map(|host| format!("203.0.113.{host}")).collect();
    let moving: Vec<&str> = moving.iter().map(String::as_str).collect();
    server.name("moving.test", &moving, 0);
    let number = port.number;
    let rules = format!(
        "{{ allow: [{{ host: brief.test, ports: [{number}] }}, {{ host: lasting.test, ports: [{number}] }}] }}"
    );
    // The other runs look, while this one's addresses are open; and this one looks again when they are not.
    let here = place.path("open");
    let program = format!(
        "print(addresses('brief.test'), addresses('lasting.test'), connect('203.0.113.10', {number}), connect('203.0.113.11', {number}))
open('{}', 'w').close()
time.sleep(65)
print(connect('203.0.113.10', {number}), connect('203.0.113.11', {number}), addresses('brief.test'), connect('203.0.113.10', {number}))",
        here.display()
    );
    let lines = thread::scope(|scope| {
        scope.spawn(|| {
            until("the first run has its addresses", || here.exists());
            let program =
                format!("print(connect('203.0.113.10', {number}), connect('203.0.113.11', {number}))");
            assert_eq!(python(&Place::new(), &rules, &program).0, ["EPERM EPERM"]);
            follow("moving.test", number);
        });
        python(&place, &rules, &program).0
    });
    assert_eq!(lines, ["['203.0.113.10'] ['203.0.113.11'] None None", "EPERM None ['203.0.113.10'] None"]);
    until("what was allowed arrives", || port.arrived() == 4 + 2 + PAIRS);
}

/// Lookups, each followed by a connection to where it led, while the other run waits for its addresses to close.
const PAIRS: u64 = 10_000;

/// Looks a name up that is elsewhere each time, and connects to it.
fn follow(name: &str, port: u16) {
    let (place, port, pairs) = (Place::new(), port.to_string(), PAIRS.to_string());
    let lookup = ["lookup", "198.51.100.53:53", name, &port];
    assert_eq!(bare(&[&["--times", "2"][..], &lookup].concat()), Tally::allowed(2));
    let profile = place.profile(&format!(
        "{{ exec: {{ allow: [{:?}] }}, network: {{ allow: [{{ host: {name}, ports: [{port}] }}] }} }}",
        attack()
    ));
    assert_eq!(place.attack(&profile, &[&["--times", &pairs][..], &lookup].concat()), Tally::allowed(PAIRS));
}

/// Lookups of each kind under load, as fast as they come from four processes at once.
const LOAD: u64 = 3_000;

#[test]
fn no_lookup_is_lost_or_mistaken_under_load() {
    let (place, server) = (Place::new(), NameServer::start());
    server.name("good.test", &["203.0.113.20"], 300);
    let profile = place.profile(&format!(
        "{{ exec: {{ default: allow, allow: [{:?}] }}, files: {{ write: {{ default: allow }} }}, \
           network: {{ allow: [{{ host: good.test, ports: [443] }}] }} }}",
        attack()
    ));
    let attempt = |name: &str, expected: &str| {
        format!(
            "{} --processes 2 --times {} resolve 198.51.100.53:53 {name} {expected}",
            attack().display(),
            LOAD / 2
        )
    };
    let script =
        format!("{} & {}; wait", attempt("good.test", "203.0.113.20"), attempt("evil.test", "refused"));
    let started = std::time::Instant::now();
    let run = place.run(&profile, &["bash", "-c", &script]);
    // For the curious: nothing depends on it.
    println!("{} lookups took {:?}", 2 * LOAD, started.elapsed());
    assert_eq!(run.ended.status, 0, "{}", run.ended.stderr);
    let whole = format!("{{\"allowed\": {LOAD}, \"denied\": 0, \"failed\": 0}}");
    assert_eq!(run.ended.stdout.lines().collect::<Vec<_>>(), [&whole, &whole]);
    assert!(!run.ended.stderr.contains("lookups of allowed names failed"), "{}", run.ended.stderr);
    assert_eq!(server.asked().len() as u64, LOAD, "what is allowed is asked for, once each");
}

#[test]
fn lookups_fail_when_their_resolver_is_gone() {
    let (place, server) = (Place::new(), NameServer::start());
    server.name("good.test", &["203.0.113.20"], 300);
    // COMMAND ends at once; what it leaves behind is held to the profile, and has nobody to ask.
    let out = place.path("out");
    let program = format!(
        "wrapper = os.getppid()
if os.fork() == 0:
    while os.path.exists(f'/proc/{{wrapper}}'): time.sleep(0.1)
    open('{0}.part', 'w').write(addresses('good.test')); os.rename('{0}.part', '{0}')
    os._exit(0)",
        out.display()
    );
    python(&place, "{ allow: [{ host: good.test, ports: [443] }] }", &program);
    until("it has looked", || out.exists());
    let found = std::fs::read_to_string(&out).unwrap();
    assert!(!found.contains("203.0.113"), "{found}");
    assert!(server.asked().is_empty());
}
