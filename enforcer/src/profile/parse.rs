// SPDX-License-Identifier: MIT OR Apache-2.0

//! From text to a tree of values that know their place: the only module that knows the YAML library.
//!
//! The tree is read by `decode` rather than by derived code, so that all problems of a profile can be told at once
//! and in the profile's own words. What profiles do not use of YAML is refused here: anchors, aliases, merge keys,
//! tags, several documents. So are texts that are large, deep or made of too many parts, before they cost anything.

use std::{fmt, sync::Arc};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{
    Location, Spanned,
    budget::BudgetBreach,
    options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy},
};

use super::error::{Code, Problem, Span, Text};

/// Bytes that a profile may have.
pub(super) const BYTES_MAX: usize = 1 << 20;
/// How deep lists and maps may be nested.
pub(super) const DEPTH_MAX: usize = 16;
/// Values that a profile may have.
pub(super) const NODES_MAX: usize = 100_000;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it begins; the length is that of scalars only.
    pub(super) span: Span,
    /// The value.
    pub(super) value: Value,
}

/// A key and its place.
#[derive(Debug)]
pub(super) struct Key {
    /// Where it is.
    pub(super) span: Span,
    /// The key.
    pub(super) text: String,
}

/// A value.
#[derive(Debug)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a point.
    Float,
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in written order.
    Map(Vec<(Key, Node)>),
}

impl Value {
    /// What it is, for "expected …, found …".
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".into(),
            Self::Bool(value) => format!("`{value}`"),
            Self::Int(value) => format!("the number {value}"),
            Self::Float => "a number".into(),
            Self::Text(text) if text.chars().count() > 40 => "text".into(),
            Self::Text(text) => format!("the text `{text}`"),
            Self::List(_) => "a list".into(),
            Self::Map(_) => "a map".into(),
        }
    }
}

/// Reads a text.
pub(super) fn parse(source: &Arc<Text>) -> Result<Node, Problem> {
    let text = source.text();
    if text.len() > BYTES_MAX {
        return Err(Problem::new(
            Code::TooLarge,
            format!("{} has {} bytes; a profile may have {BYTES_MAX}", source.name(), text.len()),
        ));
    }
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: 2 * DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_aliases: 0,
            max_anchors: 0,
            max_documents: 2,
        },
        emit_comments: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_yaml::from_str_with_options::<Raw>(text, options)
        .map(|raw| raw.0)
        .map_err(|error| explain(source, &error))
}

/// A span from a location of the library.
fn span(location: Location) -> Span {
    let span = location.span();
    let number = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    Span { start: number(span.byte_offset()), len: number(span.byte_len()) }
}

/// The place of an error. The scanner's have line and column only.
fn place(text: &str, location: Location) -> Span {
    let found = span(location);
    if found != Span::default() || location.line() == 0 {
        return Span { start: found.start.min(text.len()), ..found };
    }
    let line = usize::try_from(location.line() - 1).unwrap_or(0);
    let column = usize::try_from(location.column().saturating_sub(1)).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text[start..].split('\n').next().unwrap_or_default();
    let start = start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i);
    Span { start, len: usize::from(start < text.len()) }
}

/// The library's errors in our words, with what usually is behind them.
fn explain(source: &Arc<Text>, error: &serde_yaml::Error) -> Problem {
    use serde_yaml::Error as E;
    let text = source.text();
    let place = place(text, error.location().unwrap_or(Location::UNKNOWN));
    let problem = match error {
        E::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            Problem::new(Code::TooComplex, format!("this is nested more than {DEPTH_MAX} deep"))
        }
        E::Budget { breach: BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. }, .. }
        | E::UnknownAnchor { .. } => {
            Problem::new(Code::YamlFeature, "a profile has no YAML anchors and aliases (`&name`, `*name`)")
                .help("a glob that begins with `*` must be quoted: '**/x'")
        }
        E::Budget { .. } => {
            Problem::new(Code::TooComplex, format!("the text has more than {NODES_MAX} values"))
        }
        E::MergeKeyNotAllowed { .. } => {
            Problem::new(Code::YamlFeature, "a profile has no YAML merge keys (`<<`)")
        }
        E::UnsupportedTag { tag, .. } => {
            Problem::new(Code::YamlFeature, format!("a profile has no YAML tags (`{tag}`)"))
                .help("text that begins with `!` must be quoted")
        }
        E::MultipleDocuments { .. } => {
            Problem::new(Code::YamlFeature, "a profile is one YAML document, and a second one begins here")
        }
        E::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            Problem::new(Code::DuplicateKey, format!("the key `{key}` is there twice"))
                .help("join the two, or remove one: nothing says which of them would count")
        }
        other => {
            let reason = sentence(other);
            if reason.contains("string scalar") || reason.contains("null into string") {
                Problem::new(Code::WrongType, "a key must be text")
            } else if reason.contains("recursion limit") {
                Problem::new(Code::TooComplex, format!("this is nested more than {DEPTH_MAX} deep"))
            } else {
                Problem::new(Code::Yaml, format!("this is not YAML: {reason}")).maybe_help(hint(text, place))
            }
        }
    };
    problem.at(source, place, "")
}

/// What usually is behind text that the scanner refuses.
fn hint(text: &str, place: Span) -> Option<String> {
    let begin = text[..place.start].rfind('\n').map_or(0, |i| i + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    if indent.contains('\t') {
        return Some("YAML is indented with spaces, never with tabs".to_owned());
    }
    let value = line.trim_start().trim_start_matches("- ");
    let value = value.split_once(": ").map_or(value, |(_, v)| v).trim_start_matches(['[', ' ']);
    if value.starts_with('"') {
        return Some("in \"…\" a backslash begins an escape; '…' keeps every character as it is".to_owned());
    }
    let special = value.starts_with(['@', '`', '%', '*', '&', '!', '{', '[']) || line.contains("${");
    special.then(|| "quote it: '…' keeps every character as it is".to_owned())
}

/// The library's own words, without the place and the line feeds.
fn sentence(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.split(" at line ").next().unwrap_or(first);
    first.trim_end_matches('.').to_owned()
}

/// [`Node`] as the library builds it.
struct Raw(Node);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self(Node { span: span(spanned.referenced), value: spanned.value }))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float, Value::Int))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Float)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Float)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Float)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Raw(node)) = seq.next_element()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let Raw(node) = map.next_value()?;
            entries.push((Key { span: span(key.referenced), text: key.value }, node));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<Node, Problem> {
        parse(&Text::new("t.yaml", text.to_owned()))
    }

    /// The tree, and where its scalars are.
    fn shape(node: &Node) -> String {
        match &node.value {
            Value::List(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(" ")),
            Value::Map(entries) => {
                let entry =
                    |(key, node): &(Key, Node)| format!("{}@{}={}", key.text, key.span.start, shape(node));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
            other => format!("{other:?}@{}+{}", node.span.start, node.span.len),
        }
    }

    #[test]
    fn trees_keep_order_and_places() {
        let text = "b: [x, ~, true, yes, 1.5, 'q']\na:\n  d: \"e\"\n  c: 0x10\n";
        assert_eq!(
            shape(&tree(text).unwrap()),
            "{b@0=[Text(\"x\")@4+1 Null@7+1 Bool(true)@10+4 Text(\"yes\")@16+3 Float@21+3 Text(\"q\")@26+3] \
             a@31={d@36=Text(\"e\")@39+3 c@45=Int(16)@48+4}}"
        );
        assert_eq!(
            shape(&tree("ü: [é, {ö: z}]").unwrap()),
            "{ü@0=[Text(\"é\")@5+2 {ö@10=Text(\"z\")@14+1}]}"
        );
        assert_eq!(shape(&tree("\u{feff}a: |\n  x\n").unwrap()), "{a@3=Text(\"x\\n\")@10+2}");
        assert_eq!(
            shape(&tree("a: [99999999999999999999, 1e999, .nan]").unwrap()),
            "{a@0=[Float@4+20 Float@26+5 Float@33+4]}"
        );
        assert_eq!(shape(&tree("").unwrap()), "Null@0+0");
    }

    #[test]
    fn scanner_errors_have_places_too() {
        for (text, place) in [
            ("a: *\n", (1, 4)),
            ("a:\n\tb: 1\n", (2, 2)),
            ("a: b\n c: d\n", (2, 3)),
            ("a: [ü, @x]", (1, 8)),
            ("a: b\0c", (1, 5)),
            ("a: 'x", (1, 4)),
        ] {
            let problem = tree(text).unwrap_err();
            assert_eq!((problem.code, problem.position()), (Code::Yaml, Some(place)), "{text:?} {problem}");
        }
    }
}
