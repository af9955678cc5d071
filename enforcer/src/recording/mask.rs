// SPDX-License-Identifier: MIT OR Apache-2.0

//! Secrets in arguments are not written down.
//!
//! What is hidden: the values of variables of COMMAND's environment that are named like secrets, wherever they occur; what
//! stands behind an option, a variable or a header that is named like one; passwords in URLs; and what has the form of a
//! well-known token. Environments are not written down at all.

/// What stands in the place of a secret.
const HIDDEN: &[u8] = b"***";
/// Parts of names that say that a secret follows, in lower case.
const NAMES: [&[u8]; 12] = [
    b"token",
    b"secret",
    b"passwd",
    b"password",
    b"passphrase",
    b"apikey",
    b"api-key",
    b"api_key",
    b"credential",
    b"authorization",
    b"_auth",
    b"private-key",
];
/// Names that say so only if nothing else is in them.
const WHOLE: [&[u8]; 4] = [b"key", b"pass", b"auth", b"otp"];
/// What well-known tokens begin with, and how long they are at least.
const TOKENS: [(&[u8], usize); 12] = [
    (b"npm_", 36),
    (b"ghp_", 36),
    (b"gho_", 36),
    (b"ghu_", 36),
    (b"ghs_", 36),
    (b"github_pat_", 40),
    (b"glpat-", 26),
    (b"pypi-", 40),
    (b"xoxb-", 30),
    (b"xoxp-", 30),
    (b"AKIA", 20),
    (b"eyJ", 40),
];
/// Shortest value of a variable that is looked for: shorter ones would be found everywhere.
const SHORTEST: usize = 8;

/// What is hidden.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// Values that are secrets; none if nothing is hidden.
    values: Option<Vec<Vec<u8>>>,
}

impl Mask {
    /// Hides nothing.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { values: None }
    }

    /// Hides secrets, those of an environment among them.
    pub fn secrets<'e>(environment: impl Iterator<Item = (&'e [u8], &'e [u8])>) -> Self {
        let secret = |(name, value): &(&[u8], &[u8])| value.len() >= SHORTEST && names_secret(name);
        let mut values: Vec<_> = environment.filter(secret).map(|(_, value)| value.to_vec()).collect();
        // If one is part of another, the longer one is to be hidden whole.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { values: Some(values) }
    }

    /// Whether anything is hidden.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.values.is_some()
    }

    /// Arguments without secrets.
    #[must_use]
    pub fn arguments(&self, arguments: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let Some(values) = &self.values else { return arguments.to_vec() };
        let mut announced = false;
        let mut masked = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let is_option = argument.starts_with(b"-");
            if std::mem::take(&mut announced) && !is_option {
                masked.push(HIDDEN.to_vec());
                continue;
            }
            // `--token VALUE`; of `--token=VALUE` the word has its own.
            announced = is_option && !argument.contains(&b'=') && names_secret(argument);
            masked.push(word(values, argument));
        }
        masked
    }
}

/// A word without secrets. A word can be a whole script.
fn word(values: &[Vec<u8>], argument: &[u8]) -> Vec<u8> {
    let mut text = argument.to_vec();
    for value in values {
        text = replace(&text, value);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| is_end(*byte)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        let hidden = piece_without(&mut out, piece);
        let gap = after.iter().position(|byte| !is_end(*byte)).unwrap_or(after.len());
        out.extend_from_slice(&after[..gap]);
        rest = &after[gap..];
        if hidden == Announced::Next {
            // `Authorization: Bearer VALUE`, `--token VALUE` in a script.
            let mut end = rest.iter().position(|byte| is_end(*byte)).unwrap_or(rest.len());
            if [&b"bearer"[..], b"basic", b"token"]
                .iter()
                .any(|scheme| rest[..end].eq_ignore_ascii_case(scheme))
            {
                let gap = rest[end..].iter().position(|byte| !is_end(*byte)).unwrap_or(rest.len() - end);
                out.extend_from_slice(&rest[..end + gap]);
                rest = &rest[end + gap..];
                end = rest.iter().position(|byte| is_end(*byte)).unwrap_or(rest.len());
            }
            if end > 0 {
                out.extend_from_slice(HIDDEN);
                rest = &rest[end..];
            }
        }
    }
    out
}

#[derive(PartialEq, Eq)]
enum Announced {
    Nothing,
    Next,
}

/// Writes a piece without white space and quotes; says whether the next one is a secret.
fn piece_without(out: &mut Vec<u8>, piece: &[u8]) -> Announced {
    if let Some(at) = piece.iter().position(|&byte| byte == b'=')
        && names_secret(last_name(&piece[..at]))
        && at + 1 < piece.len()
    {
        out.extend_from_slice(&piece[..=at]);
        out.extend_from_slice(HIDDEN);
        return Announced::Nothing;
    }
    if let Some(name) =
        piece.strip_suffix(b":").or_else(|| piece.strip_prefix(b"--")).or_else(|| piece.strip_suffix(b"="))
        && names_secret(name)
        && !piece.contains(&b'/')
    {
        out.extend_from_slice(piece);
        return Announced::Next;
    }
    if let Some(scheme) = find(piece, b"://") {
        let rest = &piece[scheme + 3..];
        let host = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        if let Some(at) = rest[..host].iter().rposition(|&byte| byte == b'@') {
            let user = rest[..at].iter().position(|&byte| byte == b':').map_or(0, |colon| colon + 1);
            out.extend_from_slice(&piece[..scheme + 3 + user]);
            out.extend_from_slice(HIDDEN);
            tokens(out, &rest[at..]);
            return Announced::Nothing;
        }
    }
    tokens(out, piece);
    Announced::Nothing
}

/// Writes a piece, what looks like a token hidden.
fn tokens(out: &mut Vec<u8>, piece: &[u8]) {
    let mut at = 0;
    while at < piece.len() {
        let rest = &piece[at..];
        let begins = at == 0 || !piece[at - 1].is_ascii_alphanumeric();
        let long = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let len = rest.iter().position(|byte| !long(byte)).unwrap_or(rest.len());
        let is_token = |(prefix, least): &(&[u8], usize)| rest.starts_with(prefix) && len >= *least;
        if begins && TOKENS.iter().any(is_token) {
            out.extend_from_slice(HIDDEN);
            at += len;
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
}

/// White space, and what quotes and separates in scripts.
const fn is_end(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(byte, b'"' | b'\'' | b'`' | b';' | b',' | b'(' | b')' | b'{' | b'}' | b'&' | b'|')
}

/// The last name of `//host/:_authToken` or `process.env.TOKEN`.
fn last_name(text: &[u8]) -> &[u8] {
    text.rsplit(|byte| matches!(byte, b'/' | b':' | b'.' | b'?' | b'$')).next().unwrap_or_default()
}

/// Whether what is named like this is a secret.
fn names_secret(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.as_slice().trim_ascii_start();
    let bare = name.iter().position(|&byte| byte != b'-').map_or(&b""[..], |at| &name[at..]);
    NAMES.iter().any(|part| find(bare, part).is_some())
        || WHOLE.iter().any(|whole| {
            bare == *whole
                || bare.ends_with(&[b"_", *whole].concat())
                || bare.ends_with(&[b"-", *whole].concat())
        })
}

/// Where a part begins.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// A text with a value hidden wherever it occurs.
fn replace(text: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find(rest, value) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(HIDDEN);
        rest = &rest[at + value.len()..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(arguments: &[&str]) -> Vec<String> {
        let environment: [(&[u8], &[u8]); 3] =
            [(b"NODE_AUTH_TOKEN", b"s3cr3t-value"), (b"HOME", b"/home/user"), (b"MY_KEY", b"short")];
        let words: Vec<_> = arguments.iter().map(|word| word.as_bytes().to_vec()).collect();
        let masked = Mask::secrets(environment.into_iter()).arguments(&words);
        masked.into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn secrets_are_hidden() {
        let long = "x".repeat(36);
        for (word, shown) in [
            ("--token=abc", "--token=***"),
            ("-Dpassword=abc", "-Dpassword=***"),
            ("GITHUB_TOKEN=abc", "GITHUB_TOKEN=***"),
            ("AWS_SECRET_ACCESS_KEY=abc", "AWS_SECRET_ACCESS_KEY=***"),
            ("SSH_KEY=abc", "SSH_KEY=***"),
            ("//registry.example/:_authToken=abc", "//registry.example/:_authToken=***"),
            ("https://user:pw@host.example/x", "https://user:***@host.example/x"),
            ("git+https://pw@host.example/x?y", "git+https://***@host.example/x?y"),
            ("Authorization: Bearer abc", "Authorization: Bearer ***"),
            ("curl -H 'authorization: abc' x", "curl -H 'authorization: ***' x"),
            ("export TOKEN=abc; echo", "export TOKEN=***; echo"),
            ("publish --otp 123456", "publish --otp ***"),
            ("see s3cr3t-value/s3cr3t-value", "see ***/***"),
            (&format!("x=npm_{long}"), "x=***"),
            (&format!("'ghp_{long}'"), "'***'"),
        ] {
            assert_eq!(masked(&[word]), [shown], "{word}");
        }
        assert_eq!(masked(&["npm", "--token", "abc", "ci"]), ["npm", "--token", "***", "ci"]);
        assert_eq!(masked(&["x", "--password", "--y", "z"]), ["x", "--password", "--y", "z"]);
    }

    #[test]
    fn what_is_no_secret_stays() {
        for word in [
            "npm",
            "ci",
            "--prefix=/home/user",
            "A=1",
            "keyboard=de",
            "monkey",
            "short",
            "https://host.example/a@b",
            "node_modules/npm_package",
            "tokenizer.js",
            "/x/token/y",
            "user@host",
            "",
            "=",
            "--",
            "eyJ",
            "a:b",
        ] {
            assert_eq!(masked(&[word]), [word]);
        }
        let words = [b"--token=abc".to_vec()];
        assert_eq!(Mask::nothing().arguments(&words), words);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_taken(words: Vec<Vec<u8>>) {
            let masked = Mask::secrets([(&b"TOKEN"[..], &b"12345678"[..])].into_iter()).arguments(&words);
            proptest::prop_assert_eq!(masked.len(), words.len());
        }
    }
}
