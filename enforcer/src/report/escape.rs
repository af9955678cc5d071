// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bytes that somebody else chose, made fit for a terminal: nothing in them can move the cursor, change colours,
//! reverse the direction of writing or end the line.

use std::fmt::Write as _;

/// Longest text on a terminal, in characters; the middle of a longer one is left out.
const LONGEST: usize = 240;
/// What is kept of the beginning of a longer one.
const HEAD: usize = 120;

/// Escapes what is not printable: `\n`, `\t` and so on, `\u{…}` for other characters, `\x…` for bytes that are not
/// UTF-8, and the backslash itself. What is longer than a line should be is cut in its middle.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    cut(escape_all(bytes))
}

/// Leaves out the middle of what is longer than a line should be.
#[must_use]
pub fn cut(whole: String) -> String {
    let count = whole.chars().count();
    if count <= LONGEST {
        return whole;
    }
    let tail = LONGEST - HEAD - 1;
    let mut cut: String = whole.chars().take(HEAD).collect();
    cut.push('…');
    cut.extend(whole.chars().skip(count - tail));
    cut
}

/// As [`escape`], whatever the length.
#[must_use]
pub fn escape_all(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                character if is_harmless(character) => text.push(character),
                character => text.extend(character.escape_default()),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Whether a character shows as itself and changes nothing around it. (And is one at all: XML has no place for others.)
pub(crate) fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays() {
        assert_eq!(escape("/home/ü/名 x".as_bytes()), "/home/ü/名 x");
    }

    #[test]
    fn nothing_reaches_the_terminal_that_controls_it() {
        assert_eq!(escape(b"a\x1b[2Jb\r\n\t\x07\x7f"), "a\\u{1b}[2Jb\\r\\n\\t\\u{7}\\u{7f}");
        assert_eq!(escape("\u{9b}31m".as_bytes()), "\\u{9b}31m");
        assert_eq!(escape("gpj.\u{202e}exe".as_bytes()), "gpj.\\u{202e}exe");
        assert_eq!(escape(b"\xff\xfe/\\x"), "\\xff\\xfe/\\\\x");
    }

    #[test]
    fn long_text_keeps_both_ends() {
        let long = format!("/start{}/end", "x".repeat(5000));
        let shown = escape(long.as_bytes());
        assert_eq!(shown.chars().count(), LONGEST);
        assert!(shown.starts_with("/start") && shown.ends_with("/end") && shown.contains('…'));
    }
}
