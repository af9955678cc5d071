// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is wrong with a profile: every problem with its place, the line shown, the reason and a suggestion.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode,
};

/// Defines the codes: number, name, and the sentence of the reference.
macro_rules! codes {
    ($($(#[doc = $sentence:literal])+ $variant:ident = $text:literal,)+) => {
        /// Stable names of the problems. A number is never used again for something else.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $sentence])+ $variant,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as users see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// What it means.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => concat!($($sentence),+).trim_ascii_start(),)+ }
            }
        }
    };
}

codes! {
    /// The file cannot be read.
    Unreadable = "E001",
    /// No profile has this name.
    UnknownProfile = "E002",
    /// The file is larger than a profile may be.
    TooLarge = "E003",
    /// The file is not UTF-8 text.
    NotText = "E004",
    /// Not YAML.
    Yaml = "E010",
    /// Nested deeper, or made of more parts, than a profile may be.
    TooComplex = "E011",
    /// YAML that profiles do not use: anchors, aliases, merge keys, tags, several documents.
    YamlFeature = "E012",
    /// A key is there twice.
    DuplicateKey = "E013",
    /// A key that the language does not have.
    UnknownKey = "E020",
    /// A required key is missing.
    MissingKey = "E021",
    /// A value of another type than the key takes.
    WrongType = "E022",
    /// A part of the language that this version does not have yet.
    NotSupported = "E023",
    /// A value that the key does not take.
    BadValue = "E024",
    /// A name that must be given once is given twice.
    Twice = "E025",
    /// Not a day of the calendar.
    Date = "E026",
    /// A rule leads to a stage that the profile does not have.
    UnknownStage = "E030",
    /// More stages than a profile may have, or none.
    StageCount = "E031",
    /// A profile that is built on itself, or on too many others.
    Circle = "E032",
    /// A glob that cannot be read.
    Glob = "E040",
    /// A glob that could match no path, because it does not begin as paths do.
    NotAbsolute = "E041",
    /// A glob that could match no path, because the kernel reports paths resolved.
    NeverMatches = "E042",
    /// A set that is not shipped.
    UnknownSet = "E043",
    /// A variable that does not exist, or stands where no variable may.
    Variable = "E044",
    /// Names of programs where paths of files are needed.
    ProgramsHere = "E045",
    /// A glob with too many alternatives.
    Alternatives = "E046",
    /// A label that the profile does not have.
    UnknownLabel = "E047",
    /// Not how the name of a file can end.
    FileType = "E048",
    /// More different variables than a run can carry.
    VariableCount = "E049",
    /// Not an address or a CIDR block.
    Address = "E050",
    /// A CIDR block with bits set behind its prefix.
    HostBits = "E051",
    /// Not a port or a range of ports.
    Port = "E052",
    /// Not a host name.
    Host = "E053",
    /// A network rule that names no destination, or two.
    Destination = "E054",
    /// Not the name of a socket.
    Socket = "E055",
    /// More rules than can be numbered.
    RuleCount = "E060",
    /// Rules that together need too large an automaton.
    Explosion = "E061",
    /// The compiled profile does not fit into the kernel's table.
    TableFull = "E062",
    /// A transition that an earlier rule makes void.
    ShadowedStage = "E063",
    /// A transition to a stage that allows more, and does not say so.
    Widens = "E064",
    /// A stage that no transition leads to.
    UnreachableStage = "W001",
    /// A rule that never decides.
    ShadowedRule = "W002",
    /// A rule or a default that allows everything of its kind.
    AllowsEverything = "W003",
    /// A host that takes uploads from anybody.
    UploadHost = "W004",
    /// A transition that says that it allows more, and does not.
    NeedlessWiden = "W005",
    /// An exception that no longer applies, or soon will not.
    ExceptionExpires = "W006",
    /// A denial that an except rule of the base profile takes back, in part or whole.
    BaseExcepts = "W007",
}

impl Code {
    /// Whether a profile can be used in spite of it.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        matches!(self.as_str().as_bytes(), [b'W', ..])
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A piece of a profile's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Where it begins, in bytes.
    pub start: usize,
    /// How many bytes it has.
    pub len: usize,
}

/// The text of a profile and where it came from.
#[derive(Debug)]
pub struct Text {
    shown: NamedSource<String>,
    /// Where each line begins.
    lines: Vec<usize>,
    /// The file, if it is one.
    path: Option<PathBuf>,
}

impl Text {
    /// A text and the name that messages use: a path, or a name and "(built in)".
    #[must_use]
    pub fn new(name: impl AsRef<str>, text: String) -> Arc<Self> {
        Self::with(name, text, None)
    }

    /// The text of a file, and the name that messages use. Another profile may be named by its path from there.
    #[must_use]
    pub fn of_file(name: impl AsRef<str>, text: String, path: &Path) -> Arc<Self> {
        Self::with(name, text, Some(path.to_owned()))
    }

    fn with(name: impl AsRef<str>, text: String, path: Option<PathBuf>) -> Arc<Self> {
        let after_line_feed =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(after_line_feed).collect();
        Arc::new(Self { shown: NamedSource::new(name, text), lines, path })
    }

    /// The name that messages use.
    #[must_use]
    pub fn name(&self) -> &str {
        self.shown.name()
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.shown.inner()
    }

    /// The file, if it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Line and column of a byte, both from 1, the column in characters.
    #[must_use]
    pub fn position(&self, at: usize) -> (u32, u32) {
        let at = at.min(self.text().len());
        let line = self.lines.partition_point(|&begin| begin <= at);
        let begin = self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let column = String::from_utf8_lossy(&self.text().as_bytes()[begin..at]).chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}

/// One problem.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What kind of problem.
    pub code: Code,
    /// The reason, one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it is, if it is in a text.
    pub place: Option<Box<Place>>,
}

/// Where a problem is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The text.
    pub source: Arc<Text>,
    /// The piece of it.
    pub span: Span,
    /// What is said below the piece.
    pub label: String,
    /// Further pieces that belong to it.
    pub others: Vec<(Span, String)>,
}

impl Problem {
    /// A problem without a place.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, place: None }
    }

    /// Adds a suggestion.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a suggestion, if there is one.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, source: &Arc<Text>, span: Span, label: impl Into<String>) -> Self {
        let label = label.into();
        self.place = Some(Box::new(Place { source: Arc::clone(source), span, label, others: Vec::new() }));
        self
    }

    /// Adds a further piece of the same text.
    #[must_use]
    pub fn and(mut self, span: Span, label: impl Into<String>) -> Self {
        if let Some(place) = &mut self.place {
            place.others.push((span, label.into()));
        }
        self
    }

    /// Line and column, from 1.
    #[must_use]
    pub fn position(&self) -> Option<(u32, u32)> {
        self.place.as_ref().map(|p| p.source.position(p.span.start))
    }
}

impl Diagnostic for Problem {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(if self.code.is_warning() { Severity::Warning } else { Severity::Error })
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|p| &p.source.shown as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        let first = LabeledSpan::new_primary_with_span(
            Some(place.label.clone()).filter(|l| !l.is_empty()),
            (place.span.start, place.span.len),
        );
        let others = place.others.iter().map(|(s, l)| LabeledSpan::new(Some(l.clone()), s.start, s.len));
        Some(Box::new(std::iter::once(first).chain(others)))
    }
}

/// Why there is no profile: at least one problem, in the order of the text.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error {
    problems: Vec<Problem>,
    /// How many there are beyond those.
    omitted: usize,
}

/// Problems that are told at once.
const PROBLEMS_MAX: usize = 40;

impl Error {
    /// Sorts the problems by place: by text in the order in which these come first, then by where it is.
    #[must_use]
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        let mut texts: Vec<Arc<Text>> = Vec::new();
        for place in problems.iter().filter_map(|problem| problem.place.as_ref()) {
            if !texts.iter().any(|text| Arc::ptr_eq(text, &place.source)) {
                texts.push(Arc::clone(&place.source));
            }
        }
        let text = |place: &Place| texts.iter().position(|text| Arc::ptr_eq(text, &place.source));
        problems.sort_by_key(|p| p.place.as_ref().map(|place| (text(place), place.span.start)));
        let omitted = problems.len().saturating_sub(PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        Self { problems, omitted }
    }

    /// The problems.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The problems, to be told with others.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// The whole text for people, with the lines shown; ends with a line feed. `colour` says whether whoever reads
    /// it understands colours.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::none() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_width(100)
            .with_context_lines(1)
            .with_wrap_lines(true);
        let mut out = String::new();
        for problem in &self.problems {
            // Writing to a string cannot fail.
            let _ = handler.render_report(&mut out, problem);
        }
        out.push_str(&self.more());
        out
    }
}

impl Error {
    /// The last line when not every problem was told.
    fn more(&self) -> String {
        match self.omitted {
            0 => String::new(),
            omitted => format!("\n… and {}\n", count(omitted, "more problem")),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem])
    }
}

/// One line a problem: place, code, reason, suggestion.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            if let (Some(place), Some((line, column))) = (&problem.place, problem.position()) {
                write!(f, "{}:{line}:{column}: ", place.source.name())?;
            }
            write!(f, "{}: {}", problem.code, problem.message)?;
            if let Some(help) = &problem.help {
                write!(f, " ({help})")?;
            }
        }
        f.write_str(self.more().trim_end())
    }
}

impl Diagnostic for Error {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.problems.first().and_then(Diagnostic::code)
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.problems.first().and_then(Diagnostic::help)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problems.first().and_then(Diagnostic::source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.problems.first().and_then(Diagnostic::labels)
    }

    fn related(&self) -> Option<Box<dyn Iterator<Item = &dyn Diagnostic> + '_>> {
        Some(Box::new(self.problems.iter().skip(1).map(|p| p as &dyn Diagnostic)))
    }
}

/// The nearest of some names to one that was not found, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wanted.chars().count() / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wanted, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// "did you mean …?", or a list of what there is.
pub(crate) fn suggest(wanted: &str, names: &[&str]) -> String {
    match nearest(wanted, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => "there is none".to_owned(),
        None => format!("there is {}", list(names)),
    }
}

/// "1 rule", "2 rules".
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Names in a sentence.
pub(crate) fn list(names: &[&str]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["allow", "deny", "default"];
        assert_eq!(nearest("alow", names), Some("allow"));
        assert_eq!(nearest("denny", names), Some("deny"));
        assert_eq!(nearest("select", names), None);
    }

    #[test]
    fn positions_count_from_one_and_columns_in_characters() {
        let text = Text::new("x", "a\nüb".into());
        assert_eq!(text.position(0), (1, 1));
        assert_eq!(text.position(4), (2, 2));
        assert_eq!(text.position(99), (2, 3));
    }
}
