// SPDX-License-Identifier: MIT OR Apache-2.0

//! pnpm: its own configuration, which begins with npm's.

use super::{Asker, Registry, npm};

/// Asks pnpm; or npm, if pnpm lies in the project or corepack has yet to fetch it.
pub(super) async fn ask(asker: Asker<'_>) -> Result<Vec<Registry>, String> {
    let Some(pnpm) = asker.find("pnpm")? else {
        return npm::ask(asker).await;
    };
    match pnpm.ask(&["config", "list", "--json"]).await {
        Ok(answer) => npm::registries(&npm::object(&answer)?),
        Err(_) if pnpm.is_stand_in() => npm::ask(asker).await,
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::registry::{asker::tests::User, url::tests::shown};

    #[tokio::test]
    async fn pnpm_is_asked_before_npm() {
        let user = User::new();
        user.program("npm", r#"echo '{"registry":"https://npm.test"}'"#);
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok("npm.test 443"));
        user.program("corepack/pnpm", "exit $((1 - COREPACK_ENABLE_NETWORK))");
        user.link("pnpm", "corepack/pnpm");
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok("npm.test 443"));
        user.program("pnpm", r#"echo '{"registry":"https://pnpm.test","@a:registry":"http://a.test"}'"#);
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok("pnpm.test 443, a.test 80"));
        user.program("pnpm", "exit 1");
        assert!(ask(user.asker()).await.is_err());
    }
}
