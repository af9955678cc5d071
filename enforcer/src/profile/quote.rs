// SPDX-License-Identifier: MIT OR Apache-2.0

//! Text made fit for a profile.

/// Characters that mean something in a glob.
const SPECIAL: &[char] = &['\\', '*', '?', '[', ']', '{', '}', '$', '~', '@'];

/// A glob that matches this text only.
#[must_use]
pub(crate) fn escaped(text: &str) -> String {
    let mut glob = String::with_capacity(text.len());
    for character in text.chars() {
        if SPECIAL.contains(&character) {
            glob.push('\\');
        }
        glob.push(character);
    }
    glob
}

/// Text in quotes, as YAML has it.
#[must_use]
pub(crate) fn quoted(text: &str) -> String {
    // Single quotes: the only thing that needs care in them is a single quote.
    let plain = !text.contains(['\\', '"', '\'']);
    if plain { format!("\"{text}\"") } else { format!("'{}'", text.replace('\'', "''")) }
}
