//! Secrets of the table that this machine does not have: most of them, on every machine.
//!
//! They are rules like others, but made only when somebody asks about such a path. A start asks about none, and pays for
//! none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{FileRule, Looks};
use crate::map::Map;
use crate::os::OsStrExt;
use crate::resolve::PathKind;
use crate::secrets::{self, SecretPath};
use crate::{Access, Source};

/// The secrets of each home that are not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct AbsentSecrets {
    homes: Vec<Home>,
    rules: OnceLock<Map<OsString, FileRule>>,
}

/// A home, and which of the secrets it has: all others are absent.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    /// As the context has it.
    pub(crate) written: PathBuf,
    /// Without links.
    pub(crate) path: PathBuf,
    pub(crate) there: Vec<&'static SecretPath>,
}

impl AbsentSecrets {
    pub(crate) fn new(homes: Vec<Home>) -> Self {
        Self {
            homes,
            rules: OnceLock::new(),
        }
    }

    /// The rule about this very path.
    pub(crate) fn rule(&self, path: &Path) -> Option<&FileRule> {
        let is_absent = |home: &Home| home.lacks(path);
        self.homes
            .iter()
            .any(is_absent)
            .then(|| self.rules().get(path.as_os_str()))?
    }

    /// All the rules.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &FileRule> {
        self.rules().values()
    }

    /// The paths of those that count, and what they look like: no rule has to be made to know these. What lies in one directory comes
    /// together.
    pub(crate) fn paths(
        &self,
        counts: impl Fn(&SecretPath) -> bool + Copy,
    ) -> impl Iterator<Item = (PathBuf, Looks)> {
        // Kept as long as the sandbox: not larger than they are.
        let place = |home: &Home, secret: &SecretPath| {
            let home = home.path.as_os_str();
            let mut path = OsString::with_capacity(home.len() + 1 + secret.path.len());
            path.push(home);
            if home != "/" {
                path.push("/");
            }
            path.push(secret.path);
            (PathBuf::from(path), secret.looks)
        };
        self.homes.iter().flat_map(move |home| {
            let those = home.absent().filter(move |secret| counts(secret));
            those.map(move |secret| place(home, secret))
        })
    }

    /// The homes as they are written.
    pub(super) fn homes(&self) -> impl Iterator<Item = &Path> {
        self.homes.iter().map(|home| home.written.as_path())
    }

    fn rules(&self) -> &Map<OsString, FileRule> {
        self.rules.get_or_init(|| {
            // Two homes may be one place, by a link: the first one makes the rule.
            let homes = self.homes.iter().rev();
            let rules = homes.flat_map(|home| home.absent().map(|secret| home.rule(secret)));
            rules
                .map(|rule| (rule.path.clone().into_os_string(), rule))
                .collect()
        })
    }
}

impl Home {
    fn lacks(&self, path: &Path) -> bool {
        let home = self.path.as_os_str().as_bytes();
        let below = path.as_os_str().as_bytes().strip_prefix(home);
        let relative = below.and_then(|below| below.strip_prefix(b"/"));
        relative
            .and_then(secrets::at)
            .is_some_and(|secret| !self.has(secret))
    }

    fn has(&self, secret: &SecretPath) -> bool {
        // Both are of the table.
        self.there.iter().any(|there| std::ptr::eq(*there, secret))
    }

    fn absent(&self) -> impl Iterator<Item = &'static SecretPath> {
        let all = secrets::of_home().all().iter().copied();
        all.filter(|secret| !self.has(secret))
    }

    fn rule(&self, secret: &SecretPath) -> FileRule {
        let (written, path) = (self.written.join(secret.path), self.path.join(secret.path));
        FileRule {
            text: written.as_os_str().into(),
            key: (written != path).then_some(written),
            path,
            glob: None,
            access: Access::Hide,
            kind: PathKind::Missing,
            looks: Looks::Unreadable,
            reason: Some(secret.reason),
            source: Source::Secret,
            closed: false,
            beaten: Vec::new(),
            set_aside: Vec::new(),
        }
    }
}
