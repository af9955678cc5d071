// SPDX-License-Identifier: MIT OR Apache-2.0

//! Attributes, named as OpenTelemetry's semantic conventions have them, where they do.

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};

/// Bytes of a text that are told. Whoever is denied chooses paths and names, so what waits for a collector would have no bound
/// in bytes without one here.
const TEXT_MAX: usize = 2048;

/// Attributes of a record, or of the machine.
#[derive(Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    /// A text.
    pub(super) fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.add(key, string(text))
    }

    /// A text, if there is one.
    pub(super) fn text_if(&mut self, key: &str, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            self.text(key, text);
        }
        self
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &str, texts: &[&str]) -> &mut Self {
        let values = texts.iter().map(|text| AnyValue { value: Some(string(text)) }).collect();
        self.add(key, Value::ArrayValue(ArrayValue { values }))
    }

    /// A number.
    pub(super) fn number(&mut self, key: &str, number: impl TryInto<i64>) -> &mut Self {
        self.add(key, Value::IntValue(number.try_into().unwrap_or(i64::MAX)))
    }

    fn add(&mut self, key: &str, value: Value) -> &mut Self {
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
        self
    }
}

/// A text that is no longer than it may be.
pub(super) fn string(text: &str) -> Value {
    let mut kept = text[..text.floor_char_boundary(TEXT_MAX)].to_owned();
    if kept.len() < text.len() {
        kept.push('…');
    }
    Value::StringValue(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(string("x"), Value::StringValue("x".to_owned()));
        let Value::StringValue(cut) = string(&"ä€".repeat(1000)) else { panic!("no text") };
        assert!(cut.ends_with('…') && cut.len() <= TEXT_MAX + '…'.len_utf8(), "{}", cut.len());
    }
}
