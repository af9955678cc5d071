// SPDX-License-Identifier: MIT OR Apache-2.0

//! npm: the main registry, and those of scopes.

use serde_json::{Map, Value};

use super::{Asker, Registry};

/// Asks npm.
pub(super) async fn ask(asker: Asker<'_>) -> Result<Vec<Registry>, String> {
    // `config get` would do for the main registry; that there are scopes, only the list says.
    let answer = asker.need("npm")?.ask(&["config", "list", "--json"]).await?;
    registries(&object(&answer)?)
}

/// The object that an answer is, behind warnings that may stand before it.
pub(super) fn object(answer: &str) -> Result<Map<String, Value>, String> {
    let start = if answer.starts_with('{') { 0 } else { answer.find("\n{").unwrap_or_default() };
    serde_json::from_str(&answer[start..]).map_err(|error| format!("the answer is no JSON object: {error}"))
}

/// `registry` and each `@scope:registry`, as npm, pnpm and classic yarn have them.
pub(super) fn registries(configuration: &Map<String, Value>) -> Result<Vec<Registry>, String> {
    let scoped = |key: &str| key.starts_with('@') && key.ends_with(":registry");
    let main = configuration.get("registry").ok_or("the answer names no registry")?;
    let scopes = configuration.iter().filter(|(key, _)| scoped(key)).map(|(_, value)| value);
    let parse = |value: &Value| Registry::parse(value.as_str().unwrap_or_default());
    std::iter::once(main).chain(scopes).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::registry::{asker::tests::User, url::tests::shown};

    #[test]
    fn the_main_registry_and_those_of_scopes() {
        let answer = "npm warn old\n{\n\"@a:registry\": \"http://a.test:4873/\", \"registry\":\n\
                      \"https://main.test/npm/\", \"replace-registry-host\": \"npmjs\", \"@b:x\": 1 }\n";
        let found = object(answer).and_then(|object| registries(&object));
        assert_eq!(shown(found).as_deref(), Ok("main.test 443, a.test 4873"));
    }

    #[test]
    fn answers_without_a_registry() {
        for answer in ["", "{}", "[]", "{\"registry\": null}", "{\"registry\": \"x\"}", "no\n"] {
            assert!(object(answer).and_then(|object| registries(&object)).is_err(), "{answer}");
        }
    }

    #[tokio::test]
    async fn npm_is_asked_away_from_the_project() {
        let user = User::new();
        assert!(ask(user.asker()).await.unwrap_err().contains("no npm outside the project"));
        let answer = r#"test "$PWD$INIT_CWD" = / && echo '{"registry":"https://main.test"}'"#;
        user.program("npm", answer);
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok("main.test 443"));
        user.program("npm", "echo 'bad news' >&2; exit 3");
        assert!(ask(user.asker()).await.unwrap_err().ends_with("bad news"));
    }
}
