//! Random policies over random trees.

mod bytes;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::select;
use sandbox_core::{Access, Context, HideBy, Policy, Ruleset, Verdict};
use sandbox_linux::{HostFacts, Plan};

use crate::case::Thing;
use crate::rules::{self, Said};
use crate::simulator::{Impossible, Layers, Simulator};
use crate::{Answer, Attempt, Kind, Listing, Outcome, Tree, table};

/// Few names, so that rules meet.
pub(crate) const NAMES: [&str; 4] = ["a", "b", "c.t", "d"];

/// What patterns there are.
const PATTERNS: [&str; 11] = [
    "*", "**", "*/a", "**/a", "**/b", "*.t", "**/*.t", "[ab]", "?", "**/d/*", "*/b/**",
];

/// A tree and a policy, not yet on any host.
#[derive(Clone, Debug)]
pub struct Random {
    things: Vec<(Vec<&'static str>, Made)>,
    root: Option<Access>,
    base: Access,
    rules: Vec<(Shape, Access)>,
    hide: HideBy,
}

#[derive(Clone, Debug)]
enum Made {
    Directory,
    File,
    Program,
    /// With what it contains.
    Symlink(String),
}

/// A rule's pattern.
#[derive(Clone, Debug)]
enum Shape {
    /// A path that exists.
    Path(usize),
    /// A path that may not.
    Any(Vec<&'static str>),
    /// `PREFIX/PATTERN`, where the prefix exists.
    Pattern(Option<usize>, &'static str),
}

fn path() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(select(&NAMES[..]), 1..4)
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![
        3 => Just(Access::Hide),
        3 => Just(Access::Read),
        3 => Just(Access::Write),
        1 => Just(Access::Scratch),
    ]
}

/// Cases of which most have several rules about one path.
pub fn cases() -> impl Strategy<Value = Random> {
    let link = (0..3_usize, path()).prop_map(|(up, path)| {
        let ups = std::iter::repeat_n("..", up);
        Made::Symlink(ups.chain(path).collect::<Vec<_>>().join("/"))
    });
    let made = prop_oneof![
        4 => Just(Made::File),
        2 => Just(Made::Directory),
        1 => Just(Made::Program),
        1 => link,
    ];
    let shape = prop_oneof![
        5 => any::<usize>().prop_map(Shape::Path),
        1 => path().prop_map(Shape::Any),
        3 => (prop::option::of(any::<usize>()), select(&PATTERNS[..]))
            .prop_map(|(prefix, pattern)| Shape::Pattern(prefix, pattern)),
    ];
    let base = select(vec![Access::Hide, Access::Read, Access::Write]);
    (
        prop::collection::vec((path(), made), 3..14),
        prop::option::of(Just(Access::Read)),
        base,
        prop::collection::vec((shape, access()), 1..7),
        prop_oneof![4 => Just(HideBy::Cover), 1 => Just(HideBy::Assemble)],
    )
        .prop_map(|(things, root, base, rules, hide)| Random {
            things,
            root,
            base,
            rules,
            hide,
        })
}

/// A case on a host; what the policy itself does not allow is none.
#[derive(Debug)]
#[non_exhaustive]
pub struct Placed {
    /// What the policy says.
    pub policy: Policy,
    /// What it is resolved for.
    pub context: Context,
    /// The rules.
    pub ruleset: Ruleset,
    /// The plan.
    pub plan: Plan,
    /// What the host has.
    pub listing: Listing,
    hide: HideBy,
    workspace: PathBuf,
}

impl Random {
    /// Makes the tree in an empty workspace, and resolves the policy.
    #[must_use]
    pub fn place(&self, tree: &Tree) -> Option<Placed> {
        tree.clear();
        let workspace = tree.workspace();
        let mut paths: Vec<PathBuf> = Vec::new();
        for (names, made) in &self.things {
            let path: PathBuf = names.iter().collect();
            let is_free = path
                .ancestors()
                .all(|above| workspace.join(above).is_dir() || !has(&workspace.join(above)));
            let is_through_link = path
                .ancestors()
                .any(|above| workspace.join(above).is_symlink());
            if !is_free || is_through_link || has(&workspace.join(&path)) {
                continue;
            }
            let thing = match made {
                Made::Directory => Thing::Directory,
                Made::File => Thing::File,
                Made::Program => Thing::Program,
                Made::Symlink(target) => Thing::Symlink(target.into()),
            };
            tree.make(path.as_os_str(), &thing);
            let above = path.ancestors().filter(|path| !path.as_os_str().is_empty());
            paths.extend(above.map(Path::to_owned));
        }
        let mut rules: Vec<(OsString, Access)> = vec![(".".into(), self.base)];
        rules.extend(self.root.map(|access| ("/".into(), access)));
        for (shape, access) in &self.rules {
            let text = match shape {
                _ if paths.is_empty() => continue,
                Shape::Path(index) => paths[index % paths.len()].clone(),
                Shape::Any(names) => names.iter().collect(),
                Shape::Pattern(None, pattern) => pattern.into(),
                Shape::Pattern(Some(index), pattern) => paths[index % paths.len()].join(pattern),
            };
            let is_directory = workspace.join(&text).is_dir();
            let access = match access {
                Access::Scratch if !is_directory => Access::Read,
                Access::Write if matches!(shape, Shape::Any(_)) => Access::Hide,
                access => *access,
            };
            rules.push((text.into(), access));
        }
        let policy = table::policy(tree, &rules).hide_by(self.hide);
        let context = table::context(tree);
        let ruleset = Ruleset::resolve(&policy, &context).ok()?;
        let plan = Plan::compile(&ruleset, &HostFacts::complete()).ok()?;
        Some(Placed {
            policy,
            context,
            ruleset,
            plan,
            listing: Listing::of(&workspace, Vec::new()),
            hide: self.hide,
            workspace,
        })
    }
}

fn has(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

impl Placed {
    /// Everything that can be tried at the tree without a sandbox.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        let host = Simulator::unconfined(&self.listing);
        self.listing
            .paths()
            .flat_map(|(path, kind)| self.attempts_at(path, kind))
            .filter(|attempt| host.attempt(attempt).answer == Answer::Allowed)
            .filter(|attempt| !self.is_pattern_in_private(attempt.path()))
            .collect()
    }

    fn attempts_at(&self, path: &Path, kind: &Kind) -> Vec<Attempt> {
        let it = || path.to_owned();
        let mut attempts = match kind {
            Kind::Directory => vec![Attempt::List(it()), Attempt::Create(path.join("new"))],
            Kind::File { .. } => vec![
                Attempt::Read(it()),
                Attempt::Write(it()),
                Attempt::Execute(it()),
            ],
            // One that an assembled directory does not show leads nowhere, whatever it leads to.
            Kind::Symlink(_) if self.hide == HideBy::Cover => vec![
                Attempt::Read(it()),
                Attempt::List(it()),
                Attempt::Write(it()),
                Attempt::Create(path.join("new")),
            ],
            _ => Vec::new(),
        };
        if path != self.workspace {
            let mut other = path.as_os_str().to_owned();
            other.push("-");
            attempts.extend([Attempt::Delete(it()), Attempt::Rename(it(), other.into())]);
        }
        attempts
    }

    /// Whether the rules judge by a pattern that reaches into a private directory, in which nothing of the host is that it
    /// could be about: what they say there is not what happens.
    fn is_pattern_in_private(&self, path: &Path) -> bool {
        let path = match sandbox_core::resolve(path) {
            Ok(resolved) => resolved.path,
            Err(_) => path.to_owned(),
        };
        let files = self.ruleset.files();
        let Some(rule) = files.access(&path).1.filter(|rule| !rule.is_literal()) else {
            return false;
        };
        let is_private = |above: &Path| files.access(above).0 == Access::Scratch;
        let mut above = path.ancestors().skip(1);
        above.any(|above| {
            is_private(above) && rule.path().components().count() <= above.components().count()
        })
    }

    /// How many rules about single paths speak of this one, patterns not counted.
    #[must_use]
    pub fn matches(&self, path: &Path) -> usize {
        self.ruleset
            .files()
            .iter()
            .filter(|rule| rule.is_literal() && path.starts_with(rule.path()))
            .count()
    }

    /// The plan as a simulator reads it.
    ///
    /// # Errors
    ///
    /// The step that cannot be carried out.
    pub fn simulator(&self, layers: Layers) -> Result<Simulator<'_>, String> {
        let simulator = Simulator::of(&self.listing, self.plan.steps(), layers)
            .map(|simulator| simulator.decided_by(&self.ruleset));
        simulator.map_err(|Impossible(why)| format!("{why}\n{}\n{}", self.ruleset, self.plan))
    }

    /// Whether the rules say of all these attempts what the plan does, and what its mounts alone do.
    ///
    /// # Errors
    ///
    /// The first of which they do not, or the step that cannot be carried out.
    pub fn agrees(&self, attempts: &[Attempt]) -> Result<(), String> {
        for layers in [Layers::All, Layers::Mounts] {
            let simulator = self.simulator(layers)?;
            let mut differences = attempts
                .iter()
                .filter_map(|attempt| self.difference(attempt, simulator.attempt(attempt)));
            differences.next().map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// What the rules and a simulator say of an attempt, where it is not the same.
    fn difference(&self, attempt: &Attempt, outcome: Outcome) -> Option<String> {
        let said = rules::ask(&self.ruleset, &self.listing, attempt);
        (!self.agree(attempt, said, outcome)).then(|| {
            format!(
                "{attempt}: the rules say {}, the plan does {outcome}\n{}\n{}",
                said.verdict, self.ruleset, self.plan
            )
        })
    }

    fn agree(&self, attempt: &Attempt, said: Said, outcome: Outcome) -> bool {
        let is_change = !matches!(
            attempt,
            Attempt::Read(_) | Attempt::List(_) | Attempt::Execute(_)
        );
        let is_list = matches!(attempt, Attempt::List(_));
        match (said.verdict, outcome.answer) {
            // What the host has in the place of a private directory is not there.
            (Verdict::Allow, answer) if said.is_replaced => {
                let is_made = matches!(attempt, Attempt::Create(_));
                let may_be = [Answer::Allowed, Answer::Missing];
                !outcome.changes_host && (!is_made || may_be.contains(&answer))
            }
            (Verdict::Allow, Answer::Allowed) => outcome.changes_host == is_change,
            // The names of what is hidden are not there.
            (Verdict::Allow, Answer::Partial) => self.hide == HideBy::Assemble,
            // An assembled directory in which all is hidden is not made.
            (Verdict::Allow, _) if is_list && self.hide == HideBy::Assemble => {
                self.is_all_hidden(attempt.path())
            }
            // Nobody is asked about a file.
            (Verdict::Allow | Verdict::Ask, _) => false,
            // All that is hidden is on the way to something visible.
            (Verdict::Deny, Answer::Allowed) if is_list => self.is_way(attempt.path()),
            // In a private directory the way to what is the host's is the command's own.
            (Verdict::Deny, Answer::Allowed) => {
                let is_own = is_change && !outcome.changes_host;
                said.is_about_new_name || (is_own && self.is_in_private(attempt.path()))
            }
            (Verdict::Deny, _) => true,
        }
    }

    fn is_in_private(&self, path: &Path) -> bool {
        let files = self.ruleset.files();
        let mut above = path.ancestors().skip(1);
        above.any(|above| files.access(above).0 == Access::Scratch)
    }

    fn is_all_hidden(&self, directory: &Path) -> bool {
        let Ok(directory) = sandbox_core::resolve(directory) else {
            return false;
        };
        let is_visible = |path: &Path| self.ruleset.files().access(path).0 != Access::Hide;
        let is_seen = |path: &Path| match self.listing.kind(path) {
            Some(Kind::Directory) => self.listing.names(path).is_empty() && is_visible(path),
            Some(Kind::Symlink(_)) => sandbox_core::resolve(path).is_ok_and(|target| {
                let is_outside = !target.path.starts_with(&directory.path);
                let is_there = self.listing.kind(&target.path).is_some();
                is_outside && is_there && is_visible(&target.path)
            }),
            _ => is_visible(path),
        };
        !self.listing.below(&directory.path).any(is_seen)
    }

    fn is_way(&self, directory: &Path) -> bool {
        let Ok(directory) = sandbox_core::resolve(directory) else {
            return false;
        };
        let access = |path: &Path| self.ruleset.files().access(path).0;
        let names = self.listing.names(&directory.path);
        !names.is_empty()
            && names.iter().all(|name| {
                let path = directory.path.join(name);
                let is_of_rules = |link: &sandbox_core::Link| link.path().starts_with(&path);
                access(&path) != Access::Hide
                    || self.ruleset.files().links().iter().any(is_of_rules)
                    || self
                        .listing
                        .below(&path)
                        .any(|below| access(below) != Access::Hide)
            })
    }
}
