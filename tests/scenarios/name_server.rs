// SPDX-License-Identifier: MIT OR Apache-2.0

//! A name server outside of every run, that the guest's resolver is configured for while it lives. It keeps what it
//! was asked.

use std::{
    collections::HashMap,
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, TcpListener, UdpSocket},
    path::Path,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use hickory_proto::{
    op::Message,
    rr::{RData, Record, RecordType, rdata},
};

use crate::guest::sh;

/// Its IPv4 address.
pub(crate) const SERVER: &str = "198.51.100.53";
/// Its IPv6 address.
pub(crate) const SERVER6: &str = "2001:db8::5:3";
const FILE: &str = "/etc/resolv.conf";

/// The one name server of this program, once it is needed.
static ZONE: OnceLock<Arc<Zone>> = OnceLock::new();

/// The use of the name server.
pub(crate) struct NameServer {
    zone: Arc<Zone>,
    before: Option<String>,
}

#[derive(Default)]
struct Zone {
    /// The addresses of each name, and how long they are good for. Each answer has the next one first.
    names: Mutex<HashMap<String, (Vec<IpAddr>, u32)>>,
    turn: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

impl NameServer {
    /// It knows nobody.
    pub(crate) fn start() -> Self {
        let zone = Arc::clone(ZONE.get_or_init(serve));
        zone.names.lock().unwrap().clear();
        zone.asked.lock().unwrap().clear();
        let before = fs::read_to_string(FILE).ok();
        let server = Self { zone, before };
        server.at(&[SERVER]);
        server
    }

    /// Has it asked at these of its addresses.
    pub(crate) fn at(&self, addresses: &[&str]) {
        let servers: String = addresses.iter().map(|address| format!("nameserver {address}\n")).collect();
        replace(&format!("{servers}options timeout:5 attempts:1\n"));
    }

    /// Gives a name addresses, each first in its turn.
    pub(crate) fn name(&self, name: &str, addresses: &[&str], ttl: u32) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.zone.names.lock().unwrap().insert(name.to_owned(), (addresses, ttl));
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.zone.asked.lock().unwrap())
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        replace(self.before.as_deref().unwrap_or_default());
    }
}

/// Begins to answer.
fn serve() -> Arc<Zone> {
    sh(&format!("ip -6 addr replace {SERVER6}/128 dev dummy0 nodad")).success();
    let zone = Arc::new(Zone::default());
    for address in [SERVER, SERVER6] {
        let udp = UdpSocket::bind((address, 53)).unwrap();
        let tcp = TcpListener::bind((address, 53)).unwrap();
        let (over_udp, over_tcp) = (Arc::clone(&zone), Arc::clone(&zone));
        thread::spawn(move || {
            let mut packet = [0; 4096];
            while let Ok((len, source)) = udp.recv_from(&mut packet) {
                let answer = over_udp.answer(&packet[..len]);
                let _ = udp.send_to(&answer, source);
            }
        });
        thread::spawn(move || {
            for mut stream in tcp.incoming().flatten() {
                let (mut len, mut packet) = ([0; 2], Vec::new());
                let whole = stream.read_exact(&mut len).and_then(|()| {
                    packet.resize(usize::from(u16::from_be_bytes(len)), 0);
                    stream.read_exact(&mut packet)
                });
                if whole.is_ok() {
                    let answer = over_tcp.answer(&packet);
                    let len = (answer.len() as u16).to_be_bytes();
                    let _ = stream.write_all(&[&len[..], &answer].concat());
                }
            }
        });
    }
    zone
}

/// Writes the resolver's configuration anew, whatever the file is now.
fn replace(text: &str) {
    let _ = fs::remove_file(Path::new(FILE));
    fs::write(FILE, text).unwrap();
}

impl Zone {
    fn answer(&self, packet: &[u8]) -> Vec<u8> {
        let Ok(query) = Message::from_vec(packet) else { return Vec::new() };
        let mut message = Message::response(query.id, query.op_code);
        for question in &query.queries {
            let name = question.name.to_lowercase().to_ascii();
            let name = name.trim_end_matches('.');
            self.asked.lock().unwrap().push(name.to_owned());
            message.add_query(question.clone());
            let names = self.names.lock().unwrap();
            let Some((addresses, ttl)) = names.get(name) else { continue };
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            for index in 0..addresses.len().min(4) {
                let data = match (addresses[(turn + index) % addresses.len()], question.query_type) {
                    (IpAddr::V4(address), RecordType::A) => RData::A(rdata::A(address)),
                    (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(rdata::AAAA(address)),
                    _ => continue,
                };
                message.add_answer(Record::from_rdata(question.name.clone(), *ttl, data));
            }
        }
        message.to_vec().unwrap()
    }
}
