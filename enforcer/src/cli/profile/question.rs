// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `explain` is asked: the texts that its arguments mean.

use std::{ffi::OsString, net::SocketAddr, os::unix::ffi::OsStrExt as _, path::PathBuf};

use enforcer_common::{
    address::{Endpoint, Protocol, TEXT_LEN},
    anchor::Anchors,
};

use crate::{
    profile::{ANCHOR_NAMES, Host, Variable, glob::OBJECTS, sockets},
    report::escape::escape,
    run::{anchors, invoker::Invoker},
};

/// The directories that the anchors stand for; `None` for one that cannot be an anchor.
pub(super) type Places = [Option<PathBuf>; ANCHOR_NAMES.len()];

/// The anchors' values: what was given, in the order of the anchors, or what `enforcer run` would take.
pub(super) fn places(
    given: [&Option<PathBuf>; ANCHOR_NAMES.len()],
    variables: &[Variable],
) -> Result<(Places, Anchors), String> {
    let found = Invoker::detect()
        .and_then(|invoker| anchors::Places::find_but(given.map(Clone::clone), &invoker, variables))
        .map_err(|error| error.to_string())?;
    let mut places: Places = [const { None }; ANCHOR_NAMES.len()];
    let mut anchors = Anchors::NONE;
    for (index, _, path) in found.named() {
        match (anchors.set(index, path.as_os_str().as_bytes()), given.get(index)) {
            (Ok(()), Some(_)) => places[index] = Some(path.to_owned()),
            (Err(_), Some(Some(_))) => {
                return Err(format!(
                    "--{} cannot be {}: it is an absolute path, not the root directory, of at most 255 bytes",
                    ANCHOR_NAMES[index],
                    path.display()
                ));
            }
            // What cannot be an anchor stops a run; here it is as if it were not set.
            _ => {}
        }
    }
    Ok((places, anchors))
}

/// A path as the kernel reports it, anchors written out.
pub(super) fn absolute(path: &OsString, places: &Places) -> Result<Vec<u8>, String> {
    let bytes = path.as_bytes();
    for (place, name) in places.iter().zip(ANCHOR_NAMES) {
        let symbol = format!("${{{name}}}");
        let tilde = bytes.strip_prefix(b"~").filter(|_| name == "home");
        let Some(rest) = bytes.strip_prefix(symbol.as_bytes()).or(tilde) else { continue };
        let Some(place) = place else {
            return Err(format!("{symbol} has no value here: give it one with --{name} DIR"));
        };
        if rest.is_empty() || rest.starts_with(b"/") {
            return Ok([place.as_os_str().as_bytes(), rest].concat());
        }
    }
    let object = |name: &str| bytes.starts_with(name.as_bytes());
    if bytes.starts_with(b"/") || OBJECTS.iter().any(|name| object(name)) {
        return Ok(bytes.to_vec());
    }
    Err(format!(
        "`{0}` is not absolute, and the kernel reports nothing else; `command -v {0}` says where a program is",
        escape(bytes)
    ))
}

/// The text of an endpoint.
pub(super) fn endpoint(text: &str) -> Result<Vec<u8>, String> {
    let (address, protocol) = match text.rsplit_once('/') {
        None => (text, Protocol::Tcp),
        Some((address, "tcp")) => (address, Protocol::Tcp),
        Some((address, "udp")) => (address, Protocol::Udp),
        Some((_, other)) => return Err(format!("`{other}` is not a protocol: it is `tcp` or `udp`")),
    };
    let address: SocketAddr = address.parse().map_err(|_| {
        format!("`{text}` is not an address and a port, such as 192.0.2.1:443 or [2001:db8::1]:53/udp; names are looked up only when a run begins")
    })?;
    let endpoint = match address {
        SocketAddr::V4(v4) => Endpoint::v4(v4.ip().octets(), v4.port(), protocol),
        SocketAddr::V6(v6) => Endpoint::v6(v6.ip().octets(), v6.port(), protocol),
    };
    let mut buffer = [0; TEXT_LEN];
    let len = endpoint.write(|i, b| buffer[i] = b);
    Ok(buffer[..len].to_vec())
}

/// A name that is looked up.
pub(super) fn host(name: &str) -> Result<Vec<u8>, String> {
    match Host::parse(name) {
        Ok(Host::Name(name)) => Ok(name.into_bytes()),
        _ => Err(format!(
            "`{}` is not a name that is looked up, such as mirror.example",
            escape(name.as_bytes())
        )),
    }
}

/// The text of a socket.
pub(super) fn socket(name: &str) -> Result<Vec<u8>, String> {
    sockets::sample(name).map_err(|problem| match problem.help {
        Some(ref help) => format!("{problem}; {help}"),
        None => problem.to_string(),
    })
}
