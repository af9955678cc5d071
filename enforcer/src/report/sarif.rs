// SPDX-License-Identifier: MIT OR Apache-2.0

//! SARIF 2.1.0, which code hosts show next to the lines of a change: what all logs of ours share, and problems of profiles.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::problems::{region, severity};
use crate::profile::{Code, Problem};

/// A run of the check.
#[must_use]
pub fn sarif<'p>(problems: impl Iterator<Item = &'p Problem>) -> Value {
    let rules: Vec<Value> = Code::ALL
        .iter()
        .map(|code| {
            json!({
                "id": code.as_str(),
                "shortDescription": { "text": code.sentence() },
                "defaultConfiguration": { "level": if code.is_warning() { "warning" } else { "error" } },
            })
        })
        .collect();
    log(rules, problems.map(result).collect())
}

/// A log with one run of ours.
pub(crate) fn log(rules: Vec<Value>, results: Vec<Value>) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "enforcer",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(problem: &Problem) -> Value {
    let text = match &problem.help {
        Some(help) => format!("{} ({help})", problem.message),
        None => problem.message.clone(),
    };
    let mut result = json!({
        "ruleId": problem.code.as_str(),
        "ruleIndex": Code::ALL.iter().position(|code| *code == problem.code),
        "level": severity(problem),
        "message": { "text": text },
    });
    if let Some(region) = region(problem) {
        result["locations"] = json!([{ "physicalLocation": {
            "artifactLocation": { "uri": uri(region.file) },
            "region": {
                "startLine": region.begin.0,
                "startColumn": region.begin.1,
                "endLine": region.end.0,
                "endColumn": region.end.1,
            },
        } }]);
    }
    result
}

/// A path as a URI, relative if the path is.
pub(crate) fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(byte as char);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("/etc/a b.yaml"), "file:///etc/a%20b.yaml");
        assert_eq!(uri("./profiles/x.yaml"), "profiles/x.yaml");
        assert_eq!(uri("ü"), "%C3%BC");
    }

    #[test]
    fn every_result_names_a_rule() {
        let problem = Problem::new(Code::Widens, "message").help("help");
        let value = sarif(std::iter::once(&problem));
        let result = &value["runs"][0]["results"][0];
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(value["runs"][0]["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        assert_eq!(result["message"]["text"], "message (help)");
    }
}
