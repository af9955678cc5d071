// SPDX-License-Identifier: MIT OR Apache-2.0

//! JUnit's XML, as CI systems read it: a suite for each script of a package, in it a failure for each denial, and a success for
//! each kind of action that was only allowed.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{KINDS, noun};
use crate::{
    account::{Account, Actor, Refused, seconds},
    report::number::grouped,
};

/// The account.
#[must_use]
pub fn junit(account: &Account) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to memory cannot fail.
    let _ = suites(account, &mut writer);
    let mut text = String::from_utf8(writer.into_inner()).unwrap_or_default();
    text.push('\n');
    text
}

type Xml = Writer<Vec<u8>>;

fn suites(account: &Account, xml: &mut Xml) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let of = |actor: usize| account.denied_to(actor).collect::<Vec<_>>();
    let ranked: Vec<_> = account.ranked().into_iter().map(|(at, actor)| (actor, of(at))).collect();
    let tests: usize = ranked.iter().map(|(actor, refused)| passed(actor).count() + refused.len()).sum();
    let failures = account.denials.len();
    let time = time(account);
    let (total, failed, errors) =
        ((tests + account.gaps.len()).to_string(), failures.to_string(), account.gaps.len().to_string());
    xml.create_element("testsuites")
        .with_attributes([
            ("name", account.run.command.as_str()),
            ("tests", total.as_str()),
            ("failures", failed.as_str()),
            ("errors", errors.as_str()),
            ("time", time.as_str()),
        ])
        .write_inner_content(|xml| {
            for (actor, refused) in &ranked {
                suite(account, actor, refused, xml)?;
            }
            gaps(account, xml)
        })?;
    Ok(())
}

fn suite(account: &Account, actor: &Actor, refused: &[&Refused], xml: &mut Xml) -> io::Result<()> {
    let tests = (passed(actor).count() + refused.len()).to_string();
    let (failures, time) = (refused.len().to_string(), time(account));
    let started: String = account.run.started.chars().take(19).collect();
    xml.create_element("testsuite")
        .with_attributes([
            ("name", actor.name.as_str()),
            ("tests", tests.as_str()),
            ("failures", failures.as_str()),
            ("errors", "0"),
            ("skipped", "0"),
            ("time", time.as_str()),
            ("timestamp", started.as_str()),
        ])
        .write_inner_content(|xml| {
            for one in refused {
                let what = one.denial.what();
                case(actor, &what, xml, |xml| failure(account, one, xml))?;
            }
            for (name, allowed) in passed(actor) {
                let name = format!("{name}: {} allowed", grouped(allowed));
                case(actor, &name, xml, |_| Ok(()))?;
            }
            Ok(())
        })?;
    Ok(())
}

/// Kinds of actions that an actor was never denied.
fn passed(actor: &Actor) -> impl Iterator<Item = (&'static str, u64)> {
    let counts = KINDS.into_iter().map(|kind| (noun(kind), actor.count(kind)));
    counts
        .filter(|(_, count)| count.denied == 0 && count.allowed > 0)
        .map(|(name, count)| (name, count.allowed))
}

fn case(
    actor: &Actor,
    name: &str,
    xml: &mut Xml,
    inner: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    xml.create_element("testcase")
        .with_attributes([("classname", actor.name.as_str()), ("name", name), ("time", "0")])
        .write_inner_content(inner)?;
    Ok(())
}

fn failure(account: &Account, refused: &Refused, xml: &mut Xml) -> io::Result<()> {
    let why = account.why(refused);
    let message = format!("{}: {} ({why})", refused.word(), refused.denial.what());
    let events = grouped(refused.events);
    let mut body = format!("{message}\nfirst after {}, {events} times in all", seconds(refused.first));
    if let Some(program) = account.programs.get(refused.program) {
        body += &format!("\nby {} {}", program.exe, program.args);
    }
    if let Some(yaml) = account.remedy_of(refused) {
        body += &format!("\nif this was right to do, add to {}:\n{yaml}", account.legend.file);
    }
    xml.create_element("failure")
        .with_attributes([("message", message.as_str()), ("type", refused.denial.verdict.name())])
        .write_text_content(BytesText::new(&body))?;
    Ok(())
}

/// What the recording lacks is an error: nobody should take its silence for success.
fn gaps(account: &Account, xml: &mut Xml) -> io::Result<()> {
    if account.gaps.is_empty() {
        return Ok(());
    }
    let count = account.gaps.len().to_string();
    xml.create_element("testsuite")
        .with_attributes([
            ("name", "the recording"),
            ("tests", count.as_str()),
            ("failures", "0"),
            ("errors", count.as_str()),
        ])
        .write_inner_content(|xml| {
            for gap in &account.gaps {
                xml.create_element("testcase")
                    .with_attributes([("classname", "the recording"), ("name", gap.as_str()), ("time", "0")])
                    .write_inner_content(|xml| {
                        xml.create_element("error")
                            .with_attributes([("message", gap.as_str()), ("type", "incomplete")])
                            .write_empty()?;
                        Ok(())
                    })?;
            }
            Ok(())
        })?;
    Ok(())
}

fn time(account: &Account) -> String {
    seconds(account.run.last).trim_end_matches(" s").to_owned()
}
