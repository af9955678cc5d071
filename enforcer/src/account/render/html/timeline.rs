// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who did how much when, and what happened in which order.

use maud::{Markup, html};

use super::anchor;
use crate::account::{Account, Bar, seconds};

/// Actors that have a lane of their own.
const LANES: usize = 24;
/// Moments that are listed.
const MOMENTS: usize = 400;
/// Height of a lane.
const HEIGHT: u32 = 24;

pub(super) fn section(account: &Account) -> Markup {
    let parts = account.timeline.parts(account.run.last);
    let ranked = account.ranked();
    let most = account.actors.iter().enumerate().flat_map(|(at, _)| account.timeline.of(at));
    let most = most.map(|bar| bar.allowed.max(bar.denied)).max().unwrap_or(0);
    let more = ranked.len().saturating_sub(LANES);
    html! {
        section id="timeline" {
            h2 { "Timeline" }
            div.lanes {
                @for (at, actor) in ranked.into_iter().take(LANES) {
                    div.lane {
                        span.who title=(actor.name) { (actor.name) }
                        (bars(account.timeline.of(at), parts, most))
                    }
                }
                div.lane.axis { span.who {} div { span { "0 s" } span { (seconds(account.run.last / 2)) } span { (seconds(account.run.last)) } } }
            }
            @if more > 0 { p.none { "and " (more) " more that did less" } }
            p.legend { span.yes { "allowed" } " " span.no { "denied" } " each column is " (seconds(i64::try_from(account.timeline.width()).unwrap_or(i64::MAX))) ", heights are logarithmic" }
            (moments(account))
        }
    }
}

/// A column for each part of the time: two paths, however many columns.
fn bars(bars: &[Bar], parts: usize, most: u32) -> Markup {
    let height = |count: u32| match count {
        0 => 0,
        count => {
            3 + u32::from(most > 1)
                * ((f64::from(count).ln() / f64::from(most.max(2)).ln()) * f64::from(HEIGHT - 3)) as u32
        }
    };
    let (mut allowed, mut denied) = (String::new(), String::new());
    for (at, bar) in bars.iter().take(parts).enumerate() {
        for (path, count) in [(&mut allowed, bar.allowed), (&mut denied, bar.denied)] {
            let height = height(count).min(HEIGHT);
            if height > 0 {
                *path += &format!("M{at} {HEIGHT}v-{height}h1v{height}z");
            }
        }
    }
    html! {
        svg viewBox={ "0 0 " (parts) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
            path.yes d=(allowed) {}
            path.no d=(denied) {}
        }
    }
}

/// What happened for the first time.
fn moments(account: &Account) -> Markup {
    enum What {
        Appeared,
        Denied(usize),
    }
    let appeared = account.actors.iter().enumerate().map(|(at, actor)| (actor.first, at, What::Appeared));
    let denied = account.denials.iter().enumerate();
    let denied = denied.map(|(number, refused)| (refused.first, refused.actor, What::Denied(number)));
    let mut moments: Vec<_> = appeared.chain(denied).collect();
    moments.sort_by_key(|(time, ..)| *time);
    let more = moments.len().saturating_sub(MOMENTS);
    let name = |actor: usize| account.actors.get(actor).map_or("", |actor| &actor.name);
    html! {
        details open[moments.len() <= 24] {
            summary { "What happened first when" }
            ol.moments {
                @for (time, actor, what) in moments.iter().take(MOMENTS) {
                    li {
                        time { (seconds(*time)) }
                        @match what {
                            What::Appeared => span { b { (name(*actor)) } " starts" },
                            What::Denied(number) => span.refused {
                                a href={ "#" (anchor(*number)) } { (account.denials[*number].denial.what()) }
                                " " span.no { (account.denials[*number].word()) } " " span.of { (name(*actor)) }
                            },
                        }
                    }
                }
            }
            @if more > 0 { p.none { "and " (more) " more" } }
        }
    }
}
