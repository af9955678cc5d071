// SPDX-License-Identifier: MIT OR Apache-2.0

//! pip: the index, further ones, and where the files of its default index are.

use super::{Asker, Registry};

/// What pip takes without configuration, and where the files are that it lists. No command of pip says the latter.
const DEFAULT: &str =
    "from pip._internal.models.index import PyPI; print(PyPI.simple_url, PyPI.file_storage_domain)";

/// Asks the pip of the Python outside the project; `-E` leaves aside what the environment would have Python load.
pub(super) async fn ask(asker: Asker<'_>) -> Result<Vec<Registry>, String> {
    let python = asker.need("python3")?;
    let default = python.ask(&["-E", "-c", DEFAULT]).await?;
    let list = python.ask(&["-E", "-m", "pip", "config", "list"]).await?;
    indexes(&list, &default)
}

/// Reads what is configured, with what pip takes where nothing is.
fn indexes(list: &str, default: &str) -> Result<Vec<Registry>, String> {
    let mut words = default.split_whitespace();
    let (Some(index), Some(files)) = (words.next(), words.next()) else {
        return Err("pip does not say what its default index is".to_owned());
    };
    let default = Registry::parse(index)?;
    let mut found = Vec::new();
    let main = configured(list, "index-url");
    if main.is_empty() {
        found.push(default.clone());
    }
    for url in main.into_iter().chain(configured(list, "extra-index-url")) {
        found.push(Registry::parse(url)?);
    }
    if found.iter().any(|registry| registry.host == default.host) {
        found.push(Registry::parse(&format!("https://{files}/"))?);
    }
    Ok(found)
}

/// The URLs of a setting, for all commands or for `pip install`. A value is as Python writes a string; more than one URL
/// in it have spaces or line ends between them.
fn configured<'a>(list: &'a str, setting: &str) -> Vec<&'a str> {
    let mut urls = Vec::new();
    for (key, value) in list.lines().filter_map(|line| line.split_once('=')) {
        let of_install =
            |(section, name)| matches!(section, "global" | "install" | ":env:") && name == setting;
        if key.split_once('.').is_some_and(of_install) {
            let value = value.trim().trim_matches(['\'', '"']);
            urls.extend(value.split(r"\n").flat_map(str::split_whitespace));
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::registry::{asker::tests::User, url::tests::shown};

    fn found(list: &str) -> Result<String, String> {
        shown(indexes(list, "https://index.test/simple files.test\n"))
    }

    #[test]
    fn the_default_index_has_files_elsewhere() {
        let default = "index.test 443, files.test 443";
        assert_eq!(found("global.cert='/etc/x'\n").as_deref(), Ok(default));
        assert_eq!(found("global.index-url='https://index.test/other'").as_deref(), Ok(default));
        assert_eq!(found("list.index-url='https://x.test'").as_deref(), Ok(default));
    }

    #[test]
    fn what_is_configured_counts() {
        assert_eq!(
            found(":env:.index-url='https://u:p@a.test/s?x=1'\nglobal.extra-index-url='\\nhttp://b.test:81\\nhttps://192.0.2.1'")
                .as_deref(),
            Ok("a.test 443, b.test 81, 192.0.2.1 443")
        );
        assert_eq!(
            found(":env:.extra-index-url=\"https://a.test https://b.test\"").as_deref(),
            Ok("index.test 443, a.test 443, b.test 443, files.test 443")
        );
        assert!(found("install.index-url='../index'").is_err());
        assert!(indexes("", "https://index.test").is_err());
    }

    #[tokio::test]
    async fn python_is_asked() {
        let user = User::new();
        user.program(
            "python3",
            r#"case $* in "-E -c "*) echo https://index.test/simple files.test;;
            "-E -m pip config list") echo "global.extra-index-url='https://b.test'";; *) exit 1;; esac"#,
        );
        let expected = "index.test 443, b.test 443, files.test 443";
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok(expected));
    }
}
