// SPDX-License-Identifier: MIT OR Apache-2.0

//! `${npm.registry}` and the like: where the user's own configuration, never the project's, says that packages come from.
//!
//! The package managers are asked, since only they know where their configuration is and what goes without saying: in
//! `/`, so that no project's file has a say, and only programs that do not lie in the project, since nothing of the
//! project may run before the run begins.

use std::path::Path;

use super::{Error, credentials::Credentials, environment::Environment};
use crate::profile::{Host, HostRule, Registry as Of};

mod asker;
mod cargo;
mod npm;
mod pip;
mod pnpm;
mod url;
mod yarn;

use asker::Asker;
pub use url::Registry;

/// What the rules of a profile need to know.
#[derive(Clone, Debug, Default)]
pub struct Registries(Vec<(Of, Registry)>);

impl FromIterator<(Of, Registry)> for Registries {
    fn from_iter<T: IntoIterator<Item = (Of, Registry)>>(registries: T) -> Self {
        Self(registries.into_iter().collect())
    }
}

impl Registries {
    /// Asks for those that rules name.
    ///
    /// # Errors
    ///
    /// [`Error::Registry`].
    pub async fn ask(
        rules: &[HostRule],
        environment: &Environment,
        credentials: &Credentials,
        workspace: &Path,
    ) -> Result<Self, Error> {
        let asker = Asker { environment, credentials, workspace };
        let mut found = Vec::new();
        for of in Of::ALL.into_iter().filter(|of| rules.iter().any(|rule| rule.host == Host::Registry(*of))) {
            let answer = match of {
                Of::Npm => npm::ask(asker).await,
                Of::Pnpm => pnpm::ask(asker).await,
                Of::Yarn => yarn::ask(asker).await,
                Of::Pip => pip::ask(asker).await,
                Of::Cargo => cargo::ask(asker).await,
            };
            for registry in answer.map_err(|reason| Error::Registry { variable: of.variable(), reason })? {
                if !found.contains(&(of, registry.clone())) {
                    found.push((of, registry));
                }
            }
        }
        Ok(Self(found))
    }

    /// Those of a kind.
    pub fn of(&self, kind: Of) -> impl Iterator<Item = &Registry> {
        self.0.iter().filter(move |(of, _)| *of == kind).map(|(_, registry)| registry)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &(Of, Registry)> {
        self.0.iter()
    }
}
