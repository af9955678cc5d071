// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names as rules write them.

use hickory_proto::rr::Name;

/// The name in lower case, without a dot at the end; `None` if it has bytes that no host name has. A label may hold
/// any byte: `registry.example` as one label is not the name `registry.example`.
pub(super) fn plain(name: &Name) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    for label in name {
        if !text.is_empty() {
            text.push('.');
        }
        for &byte in label {
            if !(byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
                return None;
            }
            text.push(char::from(byte.to_ascii_lowercase()));
        }
    }
    (!text.is_empty()).then_some(text)
}

/// The name for the record: in lower case where that can be, else with escapes.
pub(super) fn shown(name: &Name) -> String {
    plain(name).unwrap_or_else(|| {
        let text = name.to_ascii();
        // The last dot is the root's, which is nothing without it.
        text.strip_suffix('.').filter(|text| !text.is_empty()).unwrap_or(&text).to_owned()
    })
}

/// The name without the domain at its end.
pub(super) fn without<'a>(name: &'a str, domain: &str) -> Option<&'a str> {
    name.strip_suffix(domain)?.strip_suffix('.').filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(labels: &[&[u8]]) -> Name {
        Name::from_labels(labels.iter().copied()).unwrap()
    }

    #[test]
    fn host_names_are_lowered() {
        assert_eq!(plain(&name(&[b"Registry", b"EXAMPLE"])).as_deref(), Some("registry.example"));
        assert_eq!(plain(&name(&[b"_a-1", b"test"])).as_deref(), Some("_a-1.test"));
    }

    #[test]
    fn other_names_are_no_host_names() {
        let others: [&[&[u8]]; 5] =
            [&[b"registry.example"], &[b"a\0", b"test"], &[b"a b"], &[b"\xc3\xa4"], &[]];
        for labels in others {
            assert_eq!(plain(&name(labels)), None, "{labels:?}");
        }
        assert_eq!(shown(&name(&[b"registry.Example"])), "registry\\.Example");
        assert_eq!(shown(&Name::root()), ".");
    }

    #[test]
    fn a_domain_comes_off_at_a_dot() {
        assert_eq!(without("registry.example.corp.test", "corp.test"), Some("registry.example"));
        assert_eq!(without("registry.mycorp.test", "corp.test"), None);
        assert_eq!(without("corp.test", "corp.test"), None);
        assert_eq!(without(".corp.test", "corp.test"), None);
    }
}
