// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the paths of examples lie: below the directories that a profile's variables stand for, or below none.

use enforcer_common::{
    Kind,
    address::{Endpoint, TEXT_LEN},
    anchor::{Anchors, symbol},
    argv,
};

use super::{compile::Compiled, example::Example};
use crate::report::{
    escape::escape,
    target::{self, Target},
};

/// A way in which a text can lie below anchors.
#[derive(Clone, Debug)]
struct Case {
    /// How people write where the text begins.
    shown: String,
    /// What is said behind the text.
    remark: &'static str,
    /// Where the text begins.
    begin: &'static str,
    /// The anchors that it lies below, and their values, in each of the two profiles. They differ only for variables
    /// of the environment.
    anchors: [Vec<(usize, &'static str)>; 2],
    /// Whether both profiles or one of them use these anchors.
    matters: bool,
}

/// A case that there is in every profile.
struct Usual {
    shown: &'static str,
    remark: &'static str,
    begin: &'static str,
    anchors: &'static [(usize, &'static str)],
}

/// The cases of the variables that every profile has: below nothing, below each alone, and below two where that is
/// usual.
const CASES: [Usual; 6] = [
    Usual { shown: "", remark: "", begin: "", anchors: &[] },
    Usual { shown: "${workspace}", remark: "", begin: "/workspace", anchors: &[(0, "/workspace")] },
    Usual { shown: "~", remark: "", begin: "/home/user", anchors: &[(1, "/home/user")] },
    Usual { shown: "${tmp}", remark: "", begin: "/tmp", anchors: &[(2, "/tmp")] },
    Usual {
        shown: "${workspace}",
        remark: " (where the workspace is below ~)",
        begin: "/home/user/project",
        anchors: &[(0, "/home/user/project"), (1, "/home/user")],
    },
    Usual {
        shown: "${workspace}",
        remark: " (where the workspace is below ${tmp})",
        begin: "/tmp/project",
        anchors: &[(0, "/tmp/project"), (2, "/tmp")],
    },
];

/// What variables of the environment stand for in examples.
const VARIABLE: &str = "/variable";

/// Spellings that a text can have: as it is, and below two anchors.
pub(super) const SPELLINGS: usize = 3;

/// Where an example lies: the number of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(u8);

impl Place {
    /// Below no anchor.
    pub(super) const PLAIN: Self = Self(0);
    pub(super) const WORKSPACE: Self = Self(1);
    pub(super) const HOME: Self = Self(2);
    pub(super) const TMP: Self = Self(3);
}

/// The places that examples for two profiles can have.
#[derive(Clone, Debug)]
pub(super) struct Places(Vec<Case>);

impl Places {
    /// Those for texts of this kind.
    pub(super) fn new(kind: Kind, profiles: [&Compiled; 2]) -> Self {
        let fits = |anchors: &[(usize, &str)]| {
            let used = |(index, _): &(usize, &str)| profiles.iter().any(|p| p.anchors.contains(index));
            anchors.iter().all(used) && (kind.is_path() || anchors.is_empty())
        };
        let mut cases: Vec<Case> = CASES
            .iter()
            .map(|&Usual { shown, remark, begin, anchors }| Case {
                shown: shown.to_owned(),
                remark,
                begin,
                anchors: [anchors.to_vec(), anchors.to_vec()],
                matters: fits(anchors),
            })
            .collect();
        let [one, two] = profiles;
        for variable in one.variables.iter().chain(&two.variables) {
            let shown = variable.to_string();
            if cases.iter().all(|case| case.shown != shown) {
                let same = |profile: &Compiled| {
                    let same = profile.variables.iter().filter(|other| other.to_string() == shown);
                    same.map(|other| (other.anchor, VARIABLE)).collect()
                };
                let anchors = [same(one), same(two)];
                let matters = kind.is_path();
                cases.push(Case { shown: shown.clone(), remark: "", begin: VARIABLE, anchors, matters });
            }
        }
        Self(cases)
    }

    /// The places that matter: first those below one anchor at most, then the others.
    pub(super) fn all(&self) -> [Vec<Place>; 2] {
        let cases = self.0.iter().zip(0..).filter(|(case, _)| case.matters);
        let (nested, simple): (Vec<_>, Vec<_>) =
            cases.partition(|(case, _)| case.anchors.iter().any(|anchors| anchors.len() > 1));
        [simple, nested].map(|cases| cases.into_iter().map(|(_, number)| Place(number)).collect())
    }

    fn case(&self, place: Place) -> &Case {
        &self.0[usize::from(place.0)]
    }

    /// The anchors of a run in which an example means what it says, under the first or the second profile.
    pub(super) fn anchors(&self, place: Place, side: usize) -> Anchors {
        let mut anchors = Anchors::NONE;
        for (index, value) in &self.case(place).anchors[side] {
            // The values of examples can be anchors: a test says so.
            let _ = anchors.set(*index, value.as_bytes());
        }
        anchors
    }

    /// The beginning of a text, in each of its spellings; one that there is not is like the first.
    pub(super) fn spellings(&self, place: Place, side: usize) -> [Vec<u8>; SPELLINGS] {
        let Case { begin, anchors, .. } = self.case(place);
        let mut spellings: [Vec<u8>; SPELLINGS] = std::array::from_fn(|_| begin.as_bytes().to_vec());
        for (spelling, (index, value)) in spellings[1..].iter_mut().zip(&anchors[side]) {
            *spelling = [&[symbol(*index)], &begin.as_bytes()[value.len()..]].concat();
        }
        spellings
    }

    /// A text, without the directory that it lies below.
    pub(super) fn example(&self, place: Place, kind: Kind, rest: &[u8]) -> Example {
        let Case { shown, remark, begin, .. } = self.case(place);
        let text = [begin.as_bytes(), rest].concat();
        let (rest, arguments) = match kind {
            Kind::Argv => (argv::read(rest).0, target::arguments(argv::read(rest).1)),
            _ => (rest, String::new()),
        };
        let shown = match place {
            Place::PLAIN => Target::of(kind, &text).to_string(),
            _ => format!("{shown}{}{arguments}{remark}", escape(rest)),
        };
        Example { place, text, kind, shown }
    }

    /// An endpoint.
    pub(super) fn endpoint(&self, kind: Kind, endpoint: Endpoint) -> Example {
        let mut buffer = [0; TEXT_LEN];
        let len = endpoint.write(|i, b| buffer[i] = b);
        self.example(Place::PLAIN, kind, &buffer[..len])
    }

    /// The same endpoint with ports that everybody knows.
    pub(super) fn ports(&self, example: &Example) -> impl Iterator<Item = Example> {
        let address = example.text.split_last_chunk::<4>().map(|(address, _)| address);
        let address = address.filter(|_| example.kind.is_address());
        [443_u16, 80, 53, 8080].into_iter().filter_map(move |port| {
            let text = [address?, format!("{port:04x}").as_bytes()].concat();
            Some(self.example(example.place, example.kind, &text))
        })
    }
}

#[cfg(test)]
mod tests {
    use enforcer_common::address::Protocol;

    use super::{super::error::Text, *};

    fn places() -> Places {
        let text = Text::new(
            "t.yaml",
            "version: 1\nname: t\nowner: o\nstages:\n  one:\n    files:\n      write:\n        allow: \
             ['${workspace}/x', '~/x', '${tmp}/x', '${env.CACHE:-/c}/x']\n"
                .to_owned(),
        );
        let profile = Compiled::new(&text).unwrap_or_else(|error| panic!("{error}"));
        Places::new(Kind::Read, [&profile, &profile])
    }

    #[test]
    fn examples_are_shown_as_people_write_them() {
        let places = places();
        let shown = |place, rest: &str| places.example(place, Kind::Read, rest.as_bytes()).to_string();
        assert_eq!(shown(Place::PLAIN, "/a"), "/a");
        assert_eq!(shown(Place::WORKSPACE, "/a"), "${workspace}/a");
        assert_eq!(shown(Place::HOME, ""), "~");
        assert_eq!(shown(Place(4), "/a"), "${workspace}/a (where the workspace is below ~)");
        assert_eq!(shown(Place(6), "/a"), "${env.CACHE:-/c}/a");
        let endpoint = places.endpoint(Kind::Connect, Endpoint::v4([192, 0, 2, 1], 1, Protocol::Tcp));
        assert_eq!(endpoint.to_string(), "192.0.2.1:1 tcp");
        assert_eq!(places.ports(&endpoint).next().map(|e| e.to_string()), Some("192.0.2.1:443 tcp".into()));
    }

    #[test]
    fn cases_are_what_they_say() {
        let places = places();
        let all = places.all();
        assert_eq!(all.each_ref().map(Vec::len), [5, 2]);
        for place in all.into_iter().flatten() {
            let case = places.case(place);
            assert_eq!(case.anchors[0], case.anchors[1]);
            assert!(case.anchors[0].len() < SPELLINGS);
            for (index, value) in &case.anchors[0] {
                assert_eq!(usize::from(places.anchors(place, 0).len[*index]), value.len());
                assert!(case.begin.starts_with(value), "the text lies below each of its anchors");
            }
        }
        let [plain, workspace, home] = places.spellings(Place(4), 0);
        assert_eq!(
            (&*plain, &*workspace, &*home),
            (&b"/home/user/project"[..], &b"\x01"[..], &b"\x02/project"[..])
        );
    }
}
