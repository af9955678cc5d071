// SPDX-License-Identifier: MIT OR Apache-2.0

//! The program images of a run: who executed what, and for which package.
//!
//! Bounded: the image that was needed least recently is forgotten first. What is attributed is attributed when the
//! exec is reported, so forgetting an ancestor changes nothing for those that are known already.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    attribution::{Attribution, Package},
    decode::Part,
    image::Partial,
};

/// Images that are remembered.
const IMAGES: usize = 16_384;
/// Images whose parts may be arriving at a time.
const PARTIAL: usize = 64;
/// Bytes of arguments that are kept of an image.
const ARGV_BYTES: usize = 1024;
/// Ancestors that are looked up.
const ANCESTORS: usize = 16;

/// A program that was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// When it was executed, in nanoseconds since boot.
    pub time: u64,
    /// The process that executed it.
    pub tgid: u32,
    /// The image that executed it, or 0.
    pub parent: u64,
    /// Its path; empty if that is not known.
    pub path: Vec<u8>,
    /// Its arguments, the first of them if there are many.
    pub argv: Vec<Vec<u8>>,
    /// Whether `argv` has all of them.
    pub argv_complete: bool,
    /// The stage that it was executed into.
    pub stage: u8,
    /// For whom it acts.
    pub attribution: Attribution,
    /// What it was started with, `NAME=value` and NUL after each, as far as it arrived. Only of what began the run.
    pub environment: Vec<u8>,
}

/// What is known of the images.
#[derive(Debug)]
pub struct Images {
    capacity: usize,
    partial: BTreeMap<u64, Partial>,
    known: HashMap<u64, (u64, Image)>,
    /// Images by when they were last needed.
    by_use: BTreeMap<u64, u64>,
    clock: u64,
    operators: Option<Package>,
    /// Images that nobody has been told of, if somebody wants to be.
    untold: Option<BTreeSet<u64>>,
    packages: Option<Packages>,
}

/// The images that act for packages, for others to look at.
pub type Packages = Arc<Mutex<BTreeMap<u64, Package>>>;

impl Default for Images {
    fn default() -> Self {
        Self::with_capacity(IMAGES)
    }
}

impl Images {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity,
            partial: BTreeMap::new(),
            known: HashMap::new(),
            by_use: BTreeMap::new(),
            clock: 0,
            operators: None,
            untold: None,
            packages: None,
        }
    }

    /// From now on, those that act for packages are here, too.
    pub fn share_packages(&mut self) -> Packages {
        Arc::clone(self.packages.get_or_insert_default())
    }

    /// From now on, keeps account of the images that nobody has been told of.
    pub fn keep_account(&mut self) {
        self.untold.get_or_insert_default();
    }

    /// The images that nobody has been told of, and that were executed up to a time, in that order.
    pub fn untold(&mut self, time: u64) -> BTreeSet<u64> {
        // The numbers begin with the time; see `bprm_committed_creds`.
        let last = time << 8 | 0xff;
        let Some(untold) = self.untold.as_mut().filter(|untold| untold.first() <= Some(&last)) else {
            return BTreeSet::new();
        };
        let later = untold.split_off(&last.saturating_add(1));
        std::mem::replace(untold, later)
    }

    /// All parts have arrived that will.
    pub fn conclude_all(&mut self) {
        while let Some(&number) = self.partial.keys().next() {
            self.conclude(number);
        }
    }

    /// Takes in a part.
    pub fn add(&mut self, part: &Part<'_>) {
        let number = part.image;
        let partial = self.partial.entry(number).and_modify(|partial| partial.add(part));
        let done = partial.or_insert_with(|| Partial::new(part)).is_done();
        if done {
            self.conclude(number);
        } else if self.partial.len() > PARTIAL
            && let Some(&oldest) = self.partial.keys().next()
        {
            self.conclude(oldest);
        }
    }

    /// Makes an image ready to be looked at, if it is known: what has arrived of it by now is all that will.
    pub fn ready(&mut self, number: u64) -> &Self {
        self.conclude(number);
        if let Some((used, _)) = self.known.get_mut(&number) {
            self.by_use.remove(used);
            self.clock += 1;
            *used = self.clock;
            self.by_use.insert(self.clock, number);
        }
        self
    }

    /// An image, as far as it is known.
    #[must_use]
    pub fn peek(&self, number: u64) -> Option<&Image> {
        self.known.get(&number).map(|(_, image)| image)
    }

    /// The first program, if it is known.
    #[must_use]
    pub fn first(&self) -> Option<&Image> {
        // Their numbers begin with the time.
        self.known.iter().min_by_key(|(number, _)| **number).map(|(_, (_, image))| image)
    }

    /// The programs that an image descends from, the nearest first.
    pub fn ancestors(&self, image: &Image) -> impl Iterator<Item = &Image> {
        std::iter::successors(self.peek(image.parent), |image| self.peek(image.parent)).take(ANCESTORS)
    }

    /// Makes an image of the parts that have arrived.
    fn conclude(&mut self, number: u64) {
        let Some(partial) = self.partial.remove(&number) else {
            return;
        };
        let claim = Package::from_environment(partial.environment());
        let attribution = if partial.parent == 0 {
            self.operators = claim;
            Attribution::Outside
        } else {
            let parent =
                self.ready(partial.parent).peek(partial.parent).map(|image| image.attribution.clone());
            Attribution::below(parent.as_ref(), claim, partial.is_complete(), self.operators.as_ref())
        };
        let mut room = ARGV_BYTES;
        let mut argv_complete = partial.is_complete();
        let mut argv = Vec::new();
        for argument in partial.argv() {
            if argument.len() > room {
                argv_complete = false;
                break;
            }
            room -= argument.len();
            argv.push(argument.to_vec());
        }
        let path = partial.path().to_vec();
        let mut environment = Vec::new();
        if partial.parent == 0 {
            partial.environment().for_each(|variable| environment.extend([variable, b"\0"].concat()));
        }
        let Partial { time, tgid, parent, stage, .. } = partial;
        if let Some(untold) = &mut self.untold {
            untold.insert(number);
        }
        let image = Image { time, tgid, parent, path, argv, argv_complete, stage, attribution, environment };
        self.insert(number, image);
    }

    fn share(&self, change: impl FnOnce(&mut BTreeMap<u64, Package>)) {
        if let Some(packages) = &self.packages {
            change(&mut packages.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn insert(&mut self, number: u64, image: Image) {
        if self.known.len() >= self.capacity
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.known.remove(&oldest);
            self.share(|packages| drop(packages.remove(&oldest)));
        }
        if let Attribution::Package(package) = &image.attribution {
            self.share(|packages| drop(packages.insert(number, Package::clone(package))));
        }
        self.clock += 1;
        if let Some((used, _)) = self.known.insert(number, (self.clock, image)) {
            self.by_use.remove(&used);
        }
        self.by_use.insert(self.clock, number);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::decode::build, *};

    fn exec(images: &mut Images, number: u64, parent: u64, env: &[&str]) {
        for bytes in build::image(number, parent, &format!("/bin/{number}"), &["x", "-c"], env) {
            images.add(&Part::decode(&bytes).unwrap());
        }
    }

    fn name_of(images: &mut Images, number: u64) -> Option<Vec<u8>> {
        images
            .ready(number)
            .peek(number)
            .and_then(|image| image.attribution.package())
            .map(|package| package.name.clone())
    }

    #[test]
    fn a_script_and_what_it_starts_belong_to_its_package() {
        let mut images = Images::default();
        exec(&mut images, 1, 0, &[]);
        exec(
            &mut images,
            2,
            1,
            &["npm_package_name=evil", "npm_package_version=1", "npm_lifecycle_event=install"],
        );
        exec(&mut images, 3, 2, &["npm_package_name=innocent"]);
        exec(&mut images, 4, 1, &["npm_package_name=other"]);
        assert_eq!(name_of(&mut images, 1), None);
        assert_eq!(name_of(&mut images, 2), Some(b"evil".to_vec()));
        assert_eq!(name_of(&mut images, 3), Some(b"evil".to_vec()));
        assert_eq!(name_of(&mut images, 4), Some(b"other".to_vec()));
        let image = images.ready(3).peek(3).cloned().unwrap();
        let paths: Vec<_> = images.ancestors(&image).map(|image| image.path.clone()).collect();
        assert_eq!(paths, [b"/bin/2", b"/bin/1"]);
        assert_eq!(image.argv, [&b"x"[..], b"-c"]);
        assert!(image.argv_complete);
    }

    #[test]
    fn a_lost_ancestor_makes_its_branch_unknown() {
        let mut images = Images::default();
        exec(&mut images, 1, 0, &[]);
        exec(&mut images, 3, 2, &["npm_package_name=innocent"]);
        exec(&mut images, 4, 3, &[]);
        assert_eq!(
            images.ready(4).peek(4).map(|image| image.attribution.clone()),
            Some(Attribution::Unknown)
        );
        assert!(images.ready(2).peek(2).is_none());
    }

    #[test]
    fn parts_of_two_images_may_be_mixed() {
        let mut images = Images::default();
        exec(&mut images, 1, 0, &[]);
        let two = build::image(2, 1, "/a", &["a"], &["npm_package_name=a"]);
        let three = build::image(3, 1, "/b", &["b"], &["npm_package_name=b"]);
        for bytes in [&two[0], &three[0], &three[1], &two[1]] {
            images.add(&Part::decode(bytes).unwrap());
        }
        assert_eq!(name_of(&mut images, 2), Some(b"a".to_vec()));
        assert_eq!(name_of(&mut images, 3), Some(b"b".to_vec()));
    }

    #[test]
    fn an_image_without_its_environment_is_unknown_and_has_its_path() {
        let mut images = Images::default();
        exec(&mut images, 1, 0, &[]);
        let records = build::image(2, 1, "/a", &["a"], &["npm_package_name=a"]);
        images.add(&Part::decode(&records[0]).unwrap());
        let image = images.ready(2).peek(2).unwrap();
        assert_eq!((image.path.as_slice(), &image.attribution), (&b"/a"[..], &Attribution::Unknown));
    }

    #[test]
    fn memory_is_bounded_and_what_is_needed_stays() {
        let mut images = Images::with_capacity(8);
        exec(&mut images, 1, 0, &[]);
        for number in 2..1000 {
            exec(&mut images, number, 1, &[]);
            assert!(images.known.len() <= 8 && images.by_use.len() <= 8);
        }
        assert!(images.ready(1).peek(1).is_some(), "the parent of all was needed all the time");
        assert!(images.ready(2).peek(2).is_none() && images.ready(999).peek(999).is_some());
        for number in 2000..3000 {
            images.add(&Part::decode(&build::image(number, 1, "/a", &["a"], &["A=1"])[0]).unwrap());
            assert!(images.partial.len() <= PARTIAL);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes: Vec<u8>, kind in 0u8..6) {
            let mut images = Images::default();
            // The bytes as they are, and behind a header that is right but for what it says of them.
            for record in [bytes.clone(), [build::image(1, 0, "", &[], &[])[0].as_slice(), &bytes].concat()] {
                if let Ok(part) = Part::decode(&record) {
                    images.add(&part);
                }
            }
            let mut event = build::denial(1, enforcer_common::Kind::Read);
            event.kind = kind;
            for record in [bytes.clone(), build::event(event, &bytes)] {
                if let Ok(record) = crate::events::Record::decode(&record) {
                    let target = crate::report::target::Target::of(record.kind, record.text).to_string();
                    proptest::prop_assert!(!target.chars().any(char::is_control));
                }
            }
        }
    }
}
