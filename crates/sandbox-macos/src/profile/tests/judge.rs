//! What a Mac's kernel would decide by the text of a profile.

use std::path::Path;

use seatbelt::{Answer, Query, Side, VnodeType};

use super::super::Profile;

pub(super) struct Judge(seatbelt::Profile);

impl Judge {
    pub(super) fn new(profile: &Profile) -> Self {
        let text = profile.to_string();
        let read = seatbelt::Profile::parse(&text);
        Self(read.unwrap_or_else(|error| panic!("{error}\n{text}")))
    }

    pub(super) fn allows(&self, operation: &str, path: &Path) {
        self.is(operation, &format!("path:{}", path.display()), true);
    }

    pub(super) fn denies(&self, operation: &str, path: &Path) {
        self.is(operation, &format!("path:{}", path.display()), false);
    }

    pub(super) fn is(&self, operation: &str, target: &str, expected: bool) {
        assert_eq!(
            self.verdict(operation, target),
            expected,
            "{operation} {target}"
        );
    }

    /// `target` is a kind and what it is about: a path, which is a directory's where it ends in a slash; an address; a name.
    pub(super) fn verdict(&self, operation: &str, target: &str) -> bool {
        let query = match target.split_once(':').unwrap_or((target, "")) {
            ("path", path) => match path.strip_suffix('/').filter(|path| !path.is_empty()) {
                Some(path) => Query::path(path).of(VnodeType::Directory),
                None => Query::path(path).of(VnodeType::RegularFile),
            },
            ("remote", address) => Query::address(Side::Remote, address),
            ("local", address) => Query::address(Side::Local, address),
            ("unix", path) if operation == "network-bind" => Query::socket(Side::Local, path),
            ("unix", path) => Query::socket(Side::Remote, path),
            ("name", name) => Query::name(name),
            _ => Query::default(),
        };
        match self.0.decide(operation, &query) {
            Answer::Allow => true,
            Answer::Deny => false,
            Answer::Unclear => panic!("{operation} {target} is unclear"),
        }
    }
}
