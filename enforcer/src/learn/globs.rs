// SPDX-License-Identifier: MIT OR Apache-2.0

//! Paths that are alike, as a profile writes them.

use enforcer_common::Kind;

use crate::{
    behaviour::general::{General, Pattern, Piece, Place, Places},
    profile::{is_glob, quote::escaped},
    recording::format::Image,
};

/// Where a program goes by its name.
const PROGRAMS: [&str; 6] =
    ["/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"];
/// Letters that a program's name begins with before what may differ: `python3.11`, and not `2to3`.
const LETTERS: usize = 3;

/// The glob for a path, or the name of a local socket; none if no rule can name it.
pub(super) fn glob(
    places: &Places,
    kind: Kind,
    text: &[u8],
    own: Option<&[u8]>,
    exact: bool,
) -> Option<String> {
    let as_it_is = written(&places.exact(text), kind);
    let glob = match places.general(kind, text, None, own) {
        General::Path(pattern) if !exact => written(&pattern, kind),
        General::Path(_) => as_it_is.clone(),
        _ => return None,
    };
    let glob = match kind {
        Kind::Exec => program(&glob).or_else(|| program(&as_it_is)).unwrap_or(glob),
        _ => glob,
    };
    is_glob(&glob, kind).then_some(glob)
}

/// The directory of the package that a program acts for, if it is one that is installed.
pub(super) fn own(image: &Image) -> Option<Vec<u8>> {
    let path = image.package.as_ref()?.path.as_ref()?.bytes()?.into_owned();
    path.windows(14).any(|part| part == b"/node_modules/").then_some(path)
}

/// The name alone of a program where the system has its programs; none if it says too little.
fn program(glob: &str) -> Option<String> {
    let name = PROGRAMS.iter().find_map(|directory| glob.strip_prefix(directory))?;
    let before = name.find('*').unwrap_or(usize::MAX);
    (!name.contains('/') && before >= LETTERS).then(|| name.to_owned())
}

/// A pattern as a glob.
fn written(pattern: &Pattern, kind: Kind) -> String {
    let mut glob = match &pattern.place {
        Place::Root => String::new(),
        Place::Named(name) => name.clone(),
        Place::Package(directory) => written(directory, kind),
    };
    for piece in &pattern.pieces {
        match piece {
            Piece::Text(text) => glob += &plain(text),
            Piece::Star => glob.push('*'),
            Piece::Between => glob += "/**",
            Piece::Below => glob += "/**",
        }
    }
    match kind {
        // An abstract name.
        Kind::Unix => glob.strip_prefix("\\@").map_or_else(|| glob.clone(), |name| format!("@{name}")),
        _ => glob,
    }
}

/// Text in a glob: what a profile cannot write is any byte.
fn plain(text: &[u8]) -> String {
    let mut glob = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                // What people could not see, or would take for something else.
                c if c.is_control() || !c.is_ascii() && !c.is_alphanumeric() => {
                    glob.extend(std::iter::repeat_n('?', c.len_utf8()));
                }
                c => glob += &escaped(c.encode_utf8(&mut [0; 4])),
            }
        }
        glob.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    glob
}
