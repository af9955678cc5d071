// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where profiles are: a file, the directory of the machine's own, or the binary.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::{Code, Error, Problem, Text, list, nearest},
    parse::BYTES_MAX,
};

/// Where a machine's profiles are.
pub const DIRECTORY: &str = "/etc/enforcer/profiles";

/// The profiles in the binary.
const EMBEDDED: [(&str, &str); 8] = [
    ("cargo-build", include_str!("../../../profiles/cargo-build.yaml")),
    ("node-build", include_str!("../../../profiles/node-build.yaml")),
    ("npm-ci-strict", include_str!("../../../profiles/npm-ci-strict.yaml")),
    ("npm-install", include_str!("../../../profiles/npm-install.yaml")),
    ("npm-publish", include_str!("../../../profiles/npm-publish.yaml")),
    ("pip-install", include_str!("../../../profiles/pip-install.yaml")),
    ("pnpm-install", include_str!("../../../profiles/pnpm-install.yaml")),
    ("yarn-install", include_str!("../../../profiles/yarn-install.yaml")),
];

/// Finds the profile that `--profile` names: a value with `/`, or that ends with `.yaml` or `.yml`, is a file; else it
/// is the name of a file in [`DIRECTORY`], or of a profile in the binary.
///
/// # Errors
///
/// There is none, or it cannot be read.
pub fn find(value: &str) -> Result<Arc<Text>, Error> {
    find_in(value, Path::new(DIRECTORY))
}

/// Finds the profile that another one extends: by name as [`find`] does, or a file by its path from that other one.
pub(super) fn find_from(source: &Text, value: &str) -> Result<Arc<Text>, Error> {
    if !is_path(value) || Path::new(value).is_absolute() {
        return find(value);
    }
    let Some(here) = source.path() else {
        let message = format!("{} is no file, so `{value}` leads nowhere from it", source.name());
        return Err(Problem::new(Code::UnknownProfile, message)
            .help("name a profile instead of a file")
            .into());
    };
    let beside = |file: &Path| file.parent().unwrap_or(Path::new("")).join(value.trim_start_matches("./"));
    let (path, name) = (beside(here), beside(Path::new(source.name())));
    let name = name.display().to_string();
    read(&path, &name).unwrap_or_else(|error| {
        let help = format!("`{value}` is looked for from the directory of {}", source.name());
        Err(unreadable(&name, &error).help(help).into())
    })
}

/// Whether a value is a path and not a name.
#[must_use]
pub fn is_path(value: &str) -> bool {
    value.contains('/') || value.ends_with(".yaml") || value.ends_with(".yml")
}

/// [`find`] with another directory.
fn find_in(value: &str, directory: &Path) -> Result<Arc<Text>, Error> {
    if is_path(value) {
        return match read(Path::new(value), value) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !value.contains('/') => {
                let name = value.trim_end_matches(".yml").trim_end_matches(".yaml");
                let mut problem = unreadable(value, &error);
                if names(directory).iter().any(|n| n == name) {
                    problem = problem.help(format!("for the profile of this name, write `--profile {name}`"));
                }
                Err(problem.into())
            }
            Err(error) => Err(unreadable(value, &error).into()),
        };
    }
    let path = directory.join(format!("{value}.yaml"));
    match read(&path, &path.display().to_string()) {
        Ok(text) => return text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unreadable(&path.display().to_string(), &error).into()),
    }
    if let Some((name, text)) = EMBEDDED.iter().find(|(name, _)| *name == value) {
        return Ok(Text::new(format!("{name}.yaml (built in)"), (*text).to_owned()));
    }
    let names = names(directory);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let help = match nearest(value, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`? There is {}", list(&names)),
        None => format!("there is {}; a path to a file needs a `/` or `.yaml`", list(&names)),
    };
    let message = format!("there is no profile `{value}`, neither in {} nor built in", directory.display());
    Err(Problem::new(Code::UnknownProfile, message).help(help).into())
}

/// The names of all profiles that can be found by name.
#[must_use]
pub fn available() -> Vec<String> {
    names(Path::new(DIRECTORY))
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = EMBEDDED.iter().map(|(name, _)| (*name).to_owned()).collect();
    let files =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| PathBuf::from(entry.file_name()));
    names.extend(files.filter(|f| f.extension().is_some_and(|e| e == "yaml")).filter_map(|file| {
        file.file_stem().and_then(|stem| stem.to_str()).filter(|stem| *stem != "sets").map(str::to_owned)
    }));
    names.sort_unstable();
    names.dedup();
    names
}

/// Reads a file that messages call `name`. The outer error is that of the file, the inner one that of what is in it.
fn read(path: &Path, name: &str) -> io::Result<Result<Arc<Text>, Error>> {
    let mut bytes = Vec::new();
    // One byte more than there may be: enough for the parser to refuse it.
    fs::File::open(path)?.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(match String::from_utf8(bytes) {
        // Resolved, so that one file is known under all of its names.
        Ok(text) => Ok(Text::of_file(name, text, &path.canonicalize().unwrap_or_else(|_| path.to_owned()))),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1;
            let message = format!("{name} is not UTF-8 text: line {line}, byte {at}");
            Err(Problem::new(Code::NotText, message).into())
        }
    })
}

fn unreadable(name: &str, error: &io::Error) -> Problem {
    Problem::new(Code::Unreadable, format!("the profile {name} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("own.yaml"), "name: own").unwrap();
        fs::write(directory.path().join("npm-install.yaml"), "name: changed").unwrap();
        fs::write(directory.path().join("sets.yaml"), "").unwrap();
        fs::write(directory.path().join("bytes.yaml"), b"a: b\nc: \xff").unwrap();
        directory
    }

    fn message(value: &str, directory: &Path) -> String {
        let error = find_in(value, directory).unwrap_err();
        error.to_string().replace(&directory.display().to_string(), "DIR")
    }

    #[test]
    fn names_are_looked_for_on_the_machine_and_then_in_the_binary() {
        let directory = machine();
        let own = find_in("own", directory.path()).unwrap();
        assert_eq!(
            (own.text(), own.name()),
            ("name: own", &*directory.path().join("own.yaml").display().to_string())
        );
        assert_eq!(find_in("npm-install", directory.path()).unwrap().text(), "name: changed");
        let built_in = find_in("node-build", directory.path()).unwrap();
        assert_eq!(built_in.name(), "node-build.yaml (built in)");
        let built_in = EMBEDDED.map(|(name, _)| name);
        assert_eq!(names(Path::new("/nowhere")), built_in);
        let mut all = [&built_in[..], &["bytes", "own"]].concat();
        all.sort_unstable();
        assert_eq!(names(directory.path()), all);
    }

    #[test]
    fn paths_are_files() {
        let directory = machine();
        let path = directory.path().join("own.yaml");
        assert_eq!(find(&path.display().to_string()).unwrap().text(), "name: own");
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let directory = machine();
        let nowhere = Path::new("/nowhere");
        assert_eq!(
            message("npm-instal", nowhere),
            "E002: there is no profile `npm-instal`, neither in DIR nor built in \
             (did you mean `npm-install`? There is `cargo-build`, `node-build`, `npm-ci-strict`, `npm-install`, \
             `npm-publish`, `pip-install`, `pnpm-install`, `yarn-install`)"
        );
        assert_eq!(
            message("x", directory.path()),
            "E002: there is no profile `x`, neither in DIR nor built in (there is `bytes`, `cargo-build`, \
             `node-build`, `npm-ci-strict`, `npm-install`, `npm-publish`, `own`, `pip-install`, `pnpm-install`, \
             `yarn-install`; a path to a file needs a `/` or `.yaml`)"
        );
        assert_eq!(
            message("node-build.yaml", nowhere),
            "E001: the profile node-build.yaml cannot be read: No such file or directory (os error 2) \
             (for the profile of this name, write `--profile node-build`)"
        );
        assert_eq!(
            message("./", nowhere),
            "E001: the profile ./ cannot be read: Is a directory (os error 21)"
        );
        assert_eq!(
            message("bytes", directory.path()),
            "E004: DIR/bytes.yaml is not UTF-8 text: line 2, byte 8"
        );
    }
}
