// SPDX-License-Identifier: MIT OR Apache-2.0

//! One page that needs nothing else.
//!
//! It has no scripts, and its policy forbids them and everything that would come from elsewhere: so it can be shown where
//! scripts are not run, and text of a package could do nothing even if it became markup. What is long is folded away in
//! `<details>`, which the browser's own search looks into.

mod denials;
mod files;
mod programs;
mod targets;
mod timeline;

use base64ct::{Base64, Encoding as _};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::{
    account::{Account, Count, seconds},
    report::number::{counted, grouped},
};

/// How it looks.
const STYLE: &str = include_str!("style.css");

/// The account.
#[must_use]
pub fn page(account: &Account) -> String {
    let run = &account.run;
    let title = format!("{}: {}", run.command, account.headline());
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (head(account)) }
                main {
                    (denials::section(account))
                    (timeline::section(account))
                    (programs::section(account))
                    (targets::section(account))
                }
                footer {
                    p {
                        "Written by enforcer " (env!("CARGO_PKG_VERSION")) " from a recording of enforcer " (run.enforcer) ", kernel "
                        (run.kernel) ". Profile " (account.legend.name) ", SHA-256 " code { (account.legend.digest) } "."
                    }
                }
            }
        }
    };
    let mut page = markup.into_string();
    page.push('\n');
    page
}

/// Nothing but the style that is in the page.
fn policy() -> String {
    let hash = Base64::encode_string(&Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

fn head(account: &Account) -> Markup {
    let run = &account.run;
    let denied = account.count.denied > 0;
    let packages = account.actors.iter().filter(|actor| actor.is_package && actor.total().denied > 0);
    let packages: Vec<_> = packages.map(|actor| actor.name.as_str()).collect();
    html! {
        h1 { code { (run.command) } }
        p.verdict.bad[denied].good[!denied && account.is_whole].gap[!denied && !account.is_whole] { (account.headline()) }
        @if !packages.is_empty() {
            p { "Tried by " @for (at, name) in packages.iter().take(3).enumerate() { @if at > 0 { ", " } b { (name) } }
                @if packages.len() > 3 { " and " (counted(packages.len() as u64 - 3, "other script")) } "." }
        }
        @for gap in &account.gaps { p.gap { (gap) } }
        dl.facts {
            (fact("profile", &format!("{}{}", account.legend.name, if run.enforced { "" } else { " (audit mode: nothing was denied)" })))
            (fact("decisions", &grouped(account.count.events())))
            (fact("programs", &grouped(account.programs.iter().map(|program| program.times + program.further).sum())))
            (fact("took", &seconds(run.last)))
            @if let Some(ending) = account.ending() { (fact("ended with", &ending)) }
            (fact("started (UTC)", &run.started.split(['.', 'Z']).next().unwrap_or_default().replace('T', " ")))
            (fact("user", &run.user))
            @for (name, spent) in &run.budgets {
                (fact(&format!("budget of {name}"), &format!("{} of {}", grouped(spent.spent), grouped(spent.limit))))
            }
        }
        nav {
            a href="#denied" { "Denied" } a href="#timeline" { "Timeline" } a href="#programs" { "Programs" }
            a href="#targets" { "Hosts and files" }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// Decisions, as two small signs.
fn badges(count: Count) -> Markup {
    html! {
        @if count.denied > 0 { " " span.no { (grouped(count.denied)) " denied" } }
        @if count.allowed > 0 { " " span.yes { (grouped(count.allowed)) " allowed" } }
    }
}

/// The place of a denial in the page.
fn anchor(denial: usize) -> String {
    format!("d{denial}")
}
