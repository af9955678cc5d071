// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which package a process acts for.
//!
//! Package managers tell lifecycle scripts who they are in `npm_package_name`, `npm_package_version`,
//! `npm_lifecycle_event` and `npm_package_json`. The first image of a branch that has them fixes the package for everything below it, so a
//! script cannot put the blame on another. What an environment says names and never grants.

use std::sync::Arc;

/// Longest name, version or script name that is kept.
const LONGEST: usize = 256;
/// Longest path.
const PATH_MAX: usize = 4096;

/// The directory of a `package.json`.
fn directory(json: &[u8]) -> Option<Vec<u8>> {
    let directory = json.strip_suffix(b"/package.json")?;
    directory.starts_with(b"/").then(|| directory.to_vec())
}

/// A package, as the package manager named it. Whoever wrote the package chose these bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: Vec<u8>,
    /// Its version.
    pub version: Option<Vec<u8>>,
    /// The lifecycle script that runs.
    pub script: Option<Vec<u8>>,
    /// The directory that it is installed in.
    pub path: Option<Vec<u8>>,
}

impl Package {
    /// From an environment, if it names one.
    #[must_use]
    pub fn from_environment<'e>(variables: impl Iterator<Item = &'e [u8]>) -> Option<Self> {
        let (mut name, mut version, mut script, mut json) = (None, None, None, None);
        for variable in variables {
            for (prefix, value) in [
                (&b"npm_package_name="[..], &mut name),
                (b"npm_package_version=", &mut version),
                (b"npm_lifecycle_event=", &mut script),
                (b"npm_package_json=", &mut json),
            ] {
                if let (Some(found), None) = (variable.strip_prefix(prefix), &value) {
                    let longest = if prefix.starts_with(b"npm_package_json") { PATH_MAX } else { LONGEST };
                    *value = Some(found[..found.len().min(longest)].to_vec());
                }
            }
        }
        let stated = |value: Option<Vec<u8>>| value.filter(|value| !value.is_empty());
        let path = json.as_deref().and_then(directory);
        Some(Self { name: stated(name)?, version: stated(version), script: stated(script), path })
    }
}

/// What is known about whom a process acts for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribution {
    /// Records were lost, so nothing can be said.
    #[default]
    Unknown,
    /// For no package: it belongs to COMMAND itself.
    Outside,
    /// For this package.
    Package(Arc<Package>),
}

impl Attribution {
    /// Of an image, given what is known of the image that executed it (`None`: its record was lost), and what its own
    /// environment claims. `operators` is what COMMAND's own environment claimed: who runs us from a script of a
    /// package does not make that package the author of everything below.
    #[must_use]
    pub fn below(
        parent: Option<&Self>,
        claim: Option<Package>,
        complete: bool,
        operators: Option<&Package>,
    ) -> Self {
        match parent {
            None | Some(Self::Unknown) => Self::Unknown,
            Some(Self::Package(package)) => Self::Package(Arc::clone(package)),
            Some(Self::Outside) => match claim {
                Some(claim) if Some(&claim) != operators => Self::Package(Arc::new(claim)),
                None if !complete => Self::Unknown,
                _ => Self::Outside,
            },
        }
    }

    /// The package, if it is known.
    #[must_use]
    pub fn package(&self) -> Option<&Package> {
        match self {
            Self::Package(package) => Some(package),
            Self::Unknown | Self::Outside => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> Package {
        Package { name: name.into(), ..Package::default() }
    }

    #[test]
    fn the_environment_names_a_package() {
        let variables = [
            "A=1",
            "npm_package_version=4.2.1",
            "npm_package_name=x",
            "npm_lifecycle_event=postinstall",
            "npm_package_json=/w/node_modules/x/package.json",
        ];
        let found = Package::from_environment(variables.iter().map(|variable| variable.as_bytes()));
        let expected = Package {
            name: b"x".to_vec(),
            version: Some(b"4.2.1".to_vec()),
            script: Some(b"postinstall".to_vec()),
            path: Some(b"/w/node_modules/x".to_vec()),
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn no_name_no_package_and_the_first_of_a_name_counts() {
        let parse = |variables: &[&str]| Package::from_environment(variables.iter().map(|v| v.as_bytes()));
        assert_eq!(parse(&["npm_package_version=1", "npm_lifecycle_event=x"]), None);
        assert_eq!(parse(&["npm_package_name="]), None);
        assert_eq!(parse(&["npm_package_name=a", "npm_package_name=b"]), Some(package("a")));
        let long = format!("npm_package_name={}", "x".repeat(10_000));
        assert_eq!(parse(&[&long]).map(|package| package.name.len()), Some(LONGEST));
    }

    #[test]
    fn the_first_claim_of_a_branch_holds() {
        let first = Attribution::below(Some(&Attribution::Outside), Some(package("evil")), true, None);
        assert_eq!(first.package(), Some(&package("evil")));
        let second = Attribution::below(Some(&first), Some(package("innocent")), true, None);
        assert_eq!(second, first);
        assert_eq!(Attribution::below(Some(&second), None, true, None), first);
    }

    #[test]
    fn what_was_lost_makes_it_unknown_and_keeps_it_so() {
        let claim = || Some(package("innocent"));
        assert_eq!(Attribution::below(None, claim(), true, None), Attribution::Unknown);
        assert_eq!(
            Attribution::below(Some(&Attribution::Unknown), claim(), true, None),
            Attribution::Unknown
        );
        assert_eq!(Attribution::below(Some(&Attribution::Outside), None, false, None), Attribution::Unknown);
    }

    #[test]
    fn what_the_operator_runs_us_from_is_not_the_author() {
        let (app, outside) = (package("app"), Attribution::Outside);
        assert_eq!(Attribution::below(Some(&outside), Some(app.clone()), true, Some(&app)), outside);
        let dependency = Attribution::below(Some(&outside), Some(package("dep")), true, Some(&app));
        assert_eq!(dependency.package(), Some(&package("dep")));
    }
}
