//! What only the profile for macOS asks of the rules: options that nothing else has a word for, and the table of protected paths as
//! names, of which a profile has to be made before anybody names a path.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::protected::{self, DEPENDENCIES, Scope};
use crate::{Context, MacOption, Policy, Ruleset, Source};

/// Directories in which a package manager puts what others wrote.
///
/// ```
/// assert!(sandbox_core::DEPENDENCY_DIRECTORIES.contains(&"node_modules"));
/// ```
pub const DEPENDENCY_DIRECTORIES: &[&str] = DEPENDENCIES;

/// What another sandbox's settings keep writable beside what they allow, below the root directory.
const OWN: [&str; 1] = ["/tmp/claude"];
/// The same, below the home.
const OWN_OF_HOME: [&str; 1] = [".npm/_logs"];

/// What is allowed on macOS alone, each with where it was written. Nothing of it by default.
///
/// ```
/// use sandbox_core::MacOptions;
///
/// assert!(MacOptions::default().allowed.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MacOptions {
    /// What is allowed beside files and network.
    pub allowed: BTreeMap<MacOption, Source>,
    /// Any port can be bound, and each of the host's loopback be reached.
    pub local_binding: Option<Source>,
    /// More services; a final `*` stands for the rest of the name.
    pub mach_lookup: Vec<(String, Source)>,
    /// Directories that are writable beside what the rules about files say.
    pub writable: Vec<PathBuf>,
    /// The rules are another sandbox's settings: no Unix socket can be connected to unless it is named, and a secret that is not there is
    /// not waited for.
    pub imported: bool,
}

impl MacOptions {
    /// Those of a policy, and of settings of another sandbox that it stands for.
    pub(crate) fn of(policy: &Policy, context: &Context) -> Self {
        let own = policy.system.macos.clone();
        let Some(settings) = &policy.settings else {
            return own;
        };
        let home = context.home.iter();
        let of_home = home.flat_map(|home| OWN_OF_HOME.map(|path| home.join(path)));
        Self {
            writable: OWN.map(PathBuf::from).into_iter().chain(of_home).collect(),
            ..settings.macos.clone().layer(own)
        }
    }

    /// What `later` allows is allowed, too.
    pub(crate) fn layer(mut self, later: Self) -> Self {
        self.allowed.extend(later.allowed);
        for (name, source) in later.mach_lookup {
            self.mach_lookup.retain(|(known, _)| *known != name);
            self.mach_lookup.push((name, source));
        }
        self
    }

    /// Whether a service, or all that begin so, can be asked.
    pub(crate) fn covers(&self, service: &str) -> bool {
        let mut known = self.mach_lookup.iter();
        known.any(|(known, _)| match known.strip_suffix('*') {
            Some(beginning) => service.starts_with(beginning),
            None => known == service,
        })
    }
}

/// A name, or a path of names, that is protected at any depth with everything below it.
///
/// ```
/// # use sandbox_core::{Context, Policy, Ruleset};
/// let ruleset = Ruleset::resolve(&Policy::default().read("/"), &Context::new("/")).unwrap();
/// let hooks = ruleset.protected_names().find(|name| name.path == ".git/hooks").unwrap();
/// assert!(hooks.everywhere);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtectedName {
    /// Relative to any directory. `*` is one component, `**` one or more; `*.suffix` is a component that ends so.
    pub path: &'static str,
    /// Also below [`DEPENDENCY_DIRECTORIES`].
    pub everywhere: bool,
    /// What could be done otherwise.
    pub reason: &'static str,
}

impl Ruleset {
    /// What is allowed on macOS alone.
    pub fn macos(&self) -> &MacOptions {
        &self.macos
    }

    /// The names that are protected under this policy.
    pub fn protected_names(&self) -> impl Iterator<Item = ProtectedName> {
        let asked = &self.files().asked;
        let all = protected::all().filter(|entry| entry.is_in_effect(asked));
        all.map(|entry| ProtectedName {
            path: entry.path,
            everywhere: entry.scope == Scope::Everywhere,
            reason: entry.reason,
        })
    }

    /// What is left below a writable tree of each protected path that its own path is the beginning of: below `.git` there are
    /// `hooks`.
    pub fn protected_rests(&self, root: &Path) -> BTreeSet<Vec<&'static str>> {
        protected::rests_below(root, root, &self.files().asked)
    }
}
