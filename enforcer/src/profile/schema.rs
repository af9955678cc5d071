// SPDX-License-Identifier: MIT OR Apache-2.0

//! The JSON Schema of profiles, for editors: made from the keys that `decode` reads by.

use serde_json::{Map, Value, json};

use super::{
    decode::NAME_MAX,
    document::LANGUAGE,
    keys::{self, Shape, Takes},
};

/// The schema (draft 2020-12).
#[must_use]
pub fn schema() -> Value {
    let mut profile = shape(&keys::PROFILE);
    profile.insert("type".into(), json!("object"));
    profile
        .insert("anyOf".into(), json!([{ "required": ["extends"] }, { "required": keys::REQUIRED_ALONE }]));
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".into(), json!("A behaviour profile of the enforcer"));
    schema.append(&mut profile);
    Value::Object(schema)
}

/// The schema as it is kept in a file.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", schema())
}

/// What the keys of a map take.
fn shape(shape: &Shape) -> Map<String, Value> {
    let property = |field: &keys::Field| {
        let mut property = takes(&field.takes);
        property.insert("description".into(), json!(sentence(field.about)));
        (field.name.to_owned(), Value::Object(property))
    };
    let mut schema = Map::new();
    // Where nothing is required, a key without a value is an empty map.
    let empty = shape.required.is_empty() && shape.one_of.is_empty();
    schema.insert("type".into(), if empty { json!(["object", "null"]) } else { json!("object") });
    schema.insert("properties".into(), Value::Object(shape.fields.iter().map(property).collect()));
    schema.insert("additionalProperties".into(), json!(false));
    if !shape.required.is_empty() {
        schema.insert("required".into(), json!(shape.required));
    }
    if !shape.one_of.is_empty() {
        let one = |key: &&str| json!({ "required": [key] });
        schema.insert("oneOf".into(), shape.one_of.iter().map(one).collect());
    }
    schema
}

/// What a key takes.
fn takes(what: &Takes) -> Map<String, Value> {
    let schema = match what {
        Takes::Version => json!({ "const": LANGUAGE }),
        Takes::Text => json!({ "type": "string", "pattern": "\\S" }),
        Takes::Name => json!({ "type": "string", "pattern": name_pattern() }),
        Takes::Date => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" }),
        Takes::Truth => json!({ "type": "boolean" }),
        Takes::Number(least, keys::COUNT_MAX) => json!({ "type": "integer", "minimum": least }),
        Takes::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Takes::Word(words) => json!({ "enum": words() }),
        Takes::List(item, false) => json!({ "type": ["array", "null"], "items": takes(item) }),
        Takes::List(item, true) => json!({ "type": "array", "items": takes(item), "minItems": 1 }),
        Takes::Map(map) => Value::Object(shape(map)),
        Takes::Named(value) => json!({ "type": "object", "additionalProperties": takes(value) }),
        Takes::Either(choices) => {
            let choices: Vec<_> = choices.iter().map(takes).collect();
            json!({ "anyOf": choices })
        }
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// What names look like.
fn name_pattern() -> String {
    format!("^[A-Za-z0-9][A-Za-z0-9._-]{{0,{}}}$", NAME_MAX - 1)
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", characters.as_str())
}
