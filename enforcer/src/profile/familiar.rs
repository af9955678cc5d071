// SPDX-License-Identifier: MIT OR Apache-2.0

//! Texts that everybody knows. As examples they say more than a shortest one does.

use enforcer_common::{
    Kind,
    address::{Endpoint, Protocol},
    argv::SEPARATOR,
};

use super::{
    example::Example,
    places::{Place, Places},
    sockets::samples,
};

/// Those of a kind, the most telling first.
pub(super) fn familiar(places: &Places, kind: Kind) -> impl Iterator<Item = Example> {
    const WORKSPACE: Place = Place::WORKSPACE;
    const HOME: Place = Place::HOME;
    const TMP: Place = Place::TMP;
    const PLAIN: Place = Place::PLAIN;
    let paths: &[(Place, &str)] = match kind {
        Kind::Exec | Kind::Argv => &[
            (PLAIN, "/usr/bin/curl"),
            (PLAIN, "/usr/bin/dash"),
            (PLAIN, "/usr/bin/python3.11"),
            (PLAIN, "/usr/bin/gcc"),
            (PLAIN, "/usr/bin/make"),
            (PLAIN, "/usr/bin/git"),
            (PLAIN, "/usr/bin/cat"),
            (PLAIN, "/usr/bin/node"),
            (PLAIN, "/usr/bin/npm"),
            (WORKSPACE, "/node_modules/x/bin/x"),
            (WORKSPACE, "/scripts/x"),
            (TMP, "/x"),
            (HOME, "/x"),
        ],
        Kind::Read => &[
            (HOME, "/.npmrc"),
            (HOME, "/.ssh/id_ed25519"),
            (WORKSPACE, "/.env"),
            (WORKSPACE, "/.git/config"),
            (PLAIN, "/etc/shadow"),
            (PLAIN, "/etc/passwd"),
        ],
        Kind::Write => &[
            (WORKSPACE, "/node_modules/x/index.js"),
            (WORKSPACE, "/package.json"),
            (WORKSPACE, "/.git/hooks/pre-commit"),
            (WORKSPACE, "/dist/index.js"),
            (WORKSPACE, "/src/index.js"),
            (HOME, "/.bashrc"),
            (TMP, "/x"),
            (PLAIN, "/etc/passwd"),
            (PLAIN, "/dev/null"),
        ],
        Kind::Unix => &[
            (PLAIN, "/run/docker.sock"),
            (PLAIN, "/run/dbus/system_bus_socket"),
            (TMP, "/x.sock"),
            (WORKSPACE, "/x.sock"),
            (PLAIN, "@x"),
        ],
        _ => &[],
    };
    // Programs that take code from their arguments.
    let commands: &[&[&str]] = match kind {
        Kind::Argv => &[
            &["/usr/bin/node", "x.js"],
            &["/usr/bin/node", "-e", "x"],
            &["/usr/bin/dash", "-c", "x"],
            &["/usr/bin/python3.11", "-c", "x"],
        ],
        _ => &[],
    };
    // What is open without being a file; a search for paths does not come by.
    let objects: &[&str] = match kind {
        Kind::Exec | Kind::Argv | Kind::Read | Kind::Write => {
            &["pipe:[4711]", "socket:[4711]", "anon_inode:[eventpoll]"]
        }
        _ => &[],
    };
    let endpoints: Vec<Endpoint> = match kind {
        Kind::Connect => vec![
            Endpoint::v4([203, 0, 113, 7], 443, Protocol::Tcp),
            Endpoint::v4([203, 0, 113, 7], 53, Protocol::Udp),
            Endpoint::v4([127, 0, 0, 1], 80, Protocol::Tcp),
        ],
        Kind::Listen => vec![
            Endpoint::v4([0, 0, 0, 0], 8080, Protocol::Tcp),
            Endpoint::v4([0, 0, 0, 0], 5353, Protocol::Udp),
            Endpoint::v4([127, 0, 0, 1], 8080, Protocol::Tcp),
        ],
        _ => Vec::new(),
    };
    let paths = paths.iter().map(move |(place, rest)| places.example(*place, kind, rest.as_bytes()));
    let separator = char::from(SEPARATOR).to_string();
    let commands = commands.iter().map(move |words| words.join(&separator));
    let commands = commands.map(move |text| places.example(Place::PLAIN, kind, text.as_bytes()));
    let objects = objects.iter().map(move |text| places.example(Place::PLAIN, kind, text.as_bytes()));
    let endpoints = endpoints.into_iter().map(move |endpoint| places.endpoint(kind, endpoint));
    let sockets = samples().filter(move |_| kind == Kind::Socket);
    let sockets = sockets.map(move |text| places.example(Place::PLAIN, kind, &text));
    paths.chain(commands).chain(objects).chain(endpoints).chain(sockets)
}
