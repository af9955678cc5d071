// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the enforcer itself says, in every stage. These rules have the last numbers and no line, so that whatever a
//! profile says of the same texts is what is reported; a deny rule of the profile beats those that allow.

use std::net::{Ipv4Addr, Ipv6Addr};

use enforcer_common::{Kind, address::Protocol};

use super::{
    super::{
        address::{Block, PortRange},
        automaton::Pattern,
        compile::Rule,
        document::Effect,
        glob::Glob,
        nfa::{Sequence, Step},
        sockets::{self, DGRAM, NETLINK, RAW, Sockets},
    },
    Lowering,
};

/// What messages say instead of a file.
const PLACE: &str = "the enforcer's own rules";

/// A rule of the enforcer's own.
struct Own {
    kind: Kind,
    effect: Effect,
    /// What it says, for people.
    text: &'static str,
    /// What it matches.
    texts: fn() -> Vec<Sequence>,
}

/// All of them.
static OWN: [Own; 3] = [
    // A memory file is not executed, else one whose name ends well would do for a glob that begins with `**`.
    // An except rule can take this back if it says `/memfd:` itself.
    Own {
        kind: Kind::Exec,
        effect: Effect::Deny,
        text: MEMORY_FILES,
        texts: || Glob::parse(MEMORY_FILES).map(|glob| glob.sequences(true)).unwrap_or_default(),
    },
    // What every program makes: where it leads is decided when it is used. Of netlink only what the C library asks
    // for the machine's addresses.
    Own {
        kind: Kind::Socket,
        effect: Effect::Allow,
        text: "the sockets tcp, udp, unix, and netlink for routes",
        texts: sockets,
    },
    // What nobody outside can reach; and what a datagram socket gets that is never bound.
    Own {
        kind: Kind::Listen,
        effect: Effect::Allow,
        text: "loopback addresses, and port 0 for datagrams",
        texts: listening,
    },
];

/// What the kernel reports for a memory file. Its name is chosen by whoever made it, and may have slashes.
const MEMORY_FILES: &str = "/memfd:*/**";
/// How it begins.
const MEMORY_FILE: &[u8] = b"/memfd:";

fn sockets() -> Vec<Sequence> {
    let rows = ["tcp", "udp", "unix"].into_iter().filter_map(|name| sockets::row_of(name).ok());
    let routes = Sockets { families: NETLINK, types: &[DGRAM, RAW], protocols: &[0] };
    rows.flat_map(sockets::Row::sequences).chain(routes.sequences()).collect()
}

fn listening() -> Vec<Sequence> {
    let loopback = [Block::V4(Ipv4Addr::new(127, 0, 0, 0), 8), Block::V6(Ipv6Addr::LOCALHOST, 128)];
    let loopback = loopback.into_iter().flat_map(|block| block.sequences(&[], None, Effect::Allow));
    let any_port = PortRange { first: 0, last: 0 };
    loopback.chain(Block::Any.sequences(&[any_port], Some(Protocol::Udp), Effect::Allow)).collect()
}

/// Whether a text begins as a memory file does.
pub(super) fn is_memory_file(text: &Sequence) -> bool {
    let mut bytes = MEMORY_FILE.iter();
    text.len() >= MEMORY_FILE.len()
        && text
            .iter()
            .take(MEMORY_FILE.len())
            .all(|step| bytes.next().is_some_and(|&b| *step == Step::Byte(b)))
}

impl Lowering<'_> {
    /// Adds them to every stage.
    pub(super) fn own_rules(&mut self) {
        for stage in 0..self.document.stages.len() {
            for Own { kind, effect, text, texts } in &OWN {
                let number = u16::try_from(self.out.rules.len() + 1).unwrap_or(u16::MAX);
                let stage = stage as u8;
                self.out.rules.push(Rule {
                    number,
                    stage,
                    kind: *kind,
                    effect: *effect,
                    text: (*text).to_owned(),
                    file: PLACE.into(),
                    line: 0,
                    column: 0,
                    exception: None,
                    leads_to: None,
                    widen: false,
                    arguments: false,
                });
                self.out.places.push(None);
                self.out.wildcards.push(0);
                let pattern = Pattern::new(number, *effect, texts());
                self.pattern(stage, *kind, Pattern { insistent: *effect == Effect::Deny, ..pattern });
            }
        }
    }
}
