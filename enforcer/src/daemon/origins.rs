// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where packages come from, as a run's user has it: asked apart, because a user's files and programs may keep whoever looks at
//! them waiting for ever, and the service has other runs.

use std::{path::Path, sync::Arc, thread, time::Duration};

use tokio::{runtime::Builder, sync::oneshot, time::timeout};

use super::profiles::Loaded;
use crate::run::{Error, credentials::Credentials, process::Process, registry::Registries};

/// How long it may take. The C library has given up by then, and tries no more for that name.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks; whoever is asked and never answers is left to it.
pub(super) async fn ask(
    leader: &Process,
    loaded: &Arc<Loaded>,
    workspace: &Path,
) -> Result<Registries, Error> {
    let environment = leader.invoker.environment.clone();
    let credentials = Credentials::of(&leader.invoker);
    let (loaded, workspace) = (Arc::clone(loaded), workspace.to_owned());
    let (answer, answered) = oneshot::channel();
    let ask = move || {
        let found = Builder::new_current_thread().enable_all().build().map(|runtime| {
            let hosts = &loaded.compiled.hosts;
            runtime.block_on(Registries::ask(hosts, &environment, &credentials, &workspace))
        });
        // Nobody may wait any more.
        let _ = answer.send(found);
    };
    let failed = |reason: String| Error::Registry { variable: "${….registry}", reason };
    thread::Builder::new().name("asking".to_owned()).spawn(ask).map_err(|error| failed(error.to_string()))?;
    match timeout(PATIENCE, answered).await {
        Ok(Ok(Ok(found))) => found,
        Ok(Ok(Err(error))) => Err(failed(error.to_string())),
        Ok(Err(_)) => Err(failed("asking failed".to_owned())),
        Err(_) => {
            Err(failed(format!("the user's files or programs took longer than {} s", PATIENCE.as_secs())))
        }
    }
}
