//! Which rule holds at a path.
//!
//! **Base.** Every literal rule at the path or above it weighs the number of its components, every pattern that matches
//! the path or something above it weighs the components before its first special one. The heaviest holds; a literal
//! beats a pattern of equal weight; then the lower access wins.
//!
//! **Lowering.** A pattern whose longest match on the way to the path is longer than the base weighs (or as long, where
//! the base is a pattern too) lowers the access to its own, if that is less; the least of all holds.
//!
//! So a pattern can lower anything that it matches, unless a rule names something at or below the match, and can raise
//! only what shorter rules say: `"./**" = "write"` cannot undo `"./.git/hooks" = "read"`. Where nothing matches,
//! nothing can be read. The order of rules has no influence, which the laws in `tests.rs` hold us to.

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::absent::AbsentSecrets;
use crate::map::Map;
use crate::pattern::{Glob, Together};
use crate::place;
use crate::protected::Asked;
use crate::resolve::{Link, PathKind};
use crate::secrets::SecretPath;
use crate::sockets::SocketRule;
use crate::{Access, Lost, ProtectedGroup, RuleRef, Source, Why};

pub(crate) mod absent;
pub(crate) mod anchors;
mod assemble;
mod contest;
pub(crate) mod crowd;
pub(crate) mod grow;
mod moved;
pub(crate) mod nested;
mod pins;
mod protect;
mod search;
pub(crate) mod wider;

/// A rule about files, resolved.
///
/// ```
/// # use sandbox_core::{Access, Context, Policy, Ruleset};
/// let ruleset = Ruleset::resolve(&Policy::default().read("/"), &Context::new("/")).unwrap();
/// let (access, rule) = ruleset.files().access("/etc".as_ref());
/// assert_eq!(access, Access::Read);
/// assert_eq!(rule.unwrap().path(), std::path::Path::new("/"));
/// ```
#[derive(Clone, Debug)]
pub struct FileRule {
    pub(crate) text: Arc<OsStr>,
    /// The path as it was written, expanded, links not followed: the key under which another rule replaces this one.
    /// `None` where it is the path itself.
    pub(crate) key: Option<PathBuf>,
    pub(crate) path: PathBuf,
    pub(crate) glob: Option<Box<Glob>>,
    pub(crate) access: Access,
    pub(crate) kind: PathKind,
    pub(crate) looks: Looks,
    /// Why a table has it.
    pub(crate) reason: Option<&'static str>,
    pub(crate) source: Source,
    /// The path is a directory that cannot be looked into, and stands for what the rule is about below it.
    pub(crate) closed: bool,
    /// The keys of other rules about the same path, which this one beat: a remedy has to change them too.
    pub(crate) beaten: Vec<PathBuf>,
    /// Rules about the same path that no answer comes from: replaced by this one, beaten by it, or giving way to it.
    pub(crate) set_aside: Vec<Lost>,
}

impl FileRule {
    /// A rule without a machine, whose path is a directory.
    pub(crate) fn plain(text: &OsStr, path: PathBuf, glob: Option<Glob>, access: Access) -> Self {
        Self {
            text: text.into(),
            key: None,
            path,
            glob: glob.map(Box::new),
            access,
            kind: PathKind::Directory,
            looks: Looks::Unreadable,
            reason: None,
            source: Source::Library,
            closed: false,
            beaten: Vec::new(),
            set_aside: Vec::new(),
        }
    }

    /// The rule's path or pattern as it was written.
    pub fn text(&self) -> &OsStr {
        &self.text
    }

    /// Where the path is, links followed; of a pattern, the directory that it lies below.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What of a pattern follows [its directory](Self::path), from the first special component on: `**` as a component is any number of
    /// them, `*` any bytes within one, `?` one byte, `[a-z]` and `[!a-z]` one of a class, `[*]` the character itself. `None` for a
    /// single path.
    pub fn pattern(&self) -> Option<&str> {
        self.glob.as_deref().map(Glob::tail)
    }

    /// Why a table has it.
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// Whether the rule names a single path.
    pub fn is_literal(&self) -> bool {
        self.glob.is_none()
    }

    /// What the rule grants.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Where the rule was written.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// This rule at a single path: what its pattern matched, or stands for that.
    pub(crate) fn at(&self, path: PathBuf, kind: PathKind) -> Self {
        Self {
            key: None,
            path,
            glob: None,
            kind,
            ..self.clone()
        }
    }

    /// This rule at a directory in which nothing can be seen: whatever it lowers there is not to be reached.
    ///
    /// A private directory is no answer for all that is in it, so `scratch` is `read` there.
    pub(crate) fn closed_at(&self, directory: PathBuf) -> Self {
        let access = if self.access == Access::Hide {
            Access::Hide
        } else {
            Access::Read
        };
        Self {
            access,
            closed: true,
            ..self.at(directory, PathKind::Directory)
        }
    }

    /// Whether nobody has written it, and it holds for what patterns match in a crowded directory.
    pub(crate) fn is_crowd(&self) -> bool {
        self.reason == Some(crowd::REASON)
    }

    /// The key under which another rule replaces this one.
    pub(crate) fn key(&self) -> &Path {
        self.key.as_deref().unwrap_or(&self.path)
    }

    /// Least first.
    pub(crate) fn rank(&self) -> (u8, bool) {
        self.access.precedence()
    }

    /// The rule, as answers name it.
    pub(crate) fn reference(&self) -> RuleRef {
        let pattern = self.text.to_string_lossy().into_owned();
        RuleRef {
            access: Some(self.access),
            reason: self.reason,
            ..RuleRef::new(pattern, self.source.clone())
        }
    }

    /// What decides between equals: the text last, so that the answer does not depend on the order of rules.
    fn order(&self) -> ((u8, bool), &OsStr) {
        (self.rank(), &self.text)
    }
}

/// A path at which the access changes: what a backend has to put there.
///
/// ```
/// use sandbox_core::{Access, Anchor, PathKind};
///
/// let anchor = Anchor::new("/home/ana/.ssh", Access::Hide, PathKind::Directory);
/// assert!(!anchor.pin);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Anchor {
    /// Without links.
    pub path: PathBuf,
    /// What holds there.
    pub access: Access,
    /// What is there.
    pub kind: PathKind,
    /// Nothing changes there, but the directory must stay where it is: something below it is hidden, replaced, or only read.
    pub pin: bool,
    /// What the path shows instead of what is hidden there, for tools to which an unreadable file is fatal.
    pub looks: Looks,
    /// Where the rule was written.
    pub source: Source,
}

impl Anchor {
    /// An anchor of a rule of the program.
    pub fn new(path: impl Into<PathBuf>, access: Access, kind: PathKind) -> Self {
        Self {
            path: path.into(),
            access,
            kind,
            pin: false,
            looks: Looks::Unreadable,
            source: Source::Library,
        }
    }
}

/// What a hidden path looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Looks {
    /// It cannot be opened.
    #[default]
    Unreadable,
    /// It can be opened and contains nothing: for files that a tool insists on reading.
    Empty,
    /// It is a table of names (hosts(5)) without those that the gateway finds: [`NetworkRules::hosts`](crate::NetworkRules::hosts).
    Hosts,
}

/// Every rule about files, resolved.
///
/// ```
/// # use sandbox_core::{Access, Context, Policy, Ruleset};
/// let ruleset = Ruleset::resolve(&Policy::default().read("/"), &Context::new("/")).unwrap();
/// assert_eq!(ruleset.files().anchors()[0].path, std::path::Path::new("/"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct FileRules {
    /// By path, directories before what is in them; each path once.
    literals: Vec<Arc<FileRule>>,
    index: Map<ByPath, usize>,
    globs: Vec<Arc<FileRule>>,
    /// The patterns of `globs`, by their numbers there.
    together: Together,
    absent: Arc<AbsentSecrets>,
    pub(crate) links: Vec<Link>,
    /// Those of `[system] hide = "assemble"`.
    assembled: Vec<grow::Assembled>,
    pub(crate) anchors: Vec<Anchor>,
    /// Unix sockets that may be connected to beside those that may be written.
    pub(crate) sockets: Vec<SocketRule>,
    /// Which paths are protected by their names.
    pub(crate) asked: Asked,
    /// Where protected paths are searched for, beside the top of each writable tree.
    pub(crate) search: Option<nested::Search>,
    /// What a person's `git init` makes in each repository.
    pub(crate) template: Option<PathBuf>,
}

impl FileRules {
    pub(crate) fn new(rules: Vec<Arc<FileRule>>, absent: Arc<AbsentSecrets>) -> Self {
        let (mut literals, globs): (Vec<_>, Vec<_>) =
            rules.into_iter().partition(|rule| rule.is_literal());
        let patterns: Vec<_> = globs
            .iter()
            .filter_map(|rule| rule.glob.as_deref())
            .collect();
        let together = Together::new(&patterns);
        literals.sort_by(|a, b| place::order(&a.path, &b.path));
        let equals = literals.chunk_by(|a, b| a.path.as_os_str() == b.path.as_os_str());
        let literals = equals.filter_map(strongest).collect();
        let mut files = Self {
            literals,
            globs,
            together,
            absent,
            ..Self::default()
        };
        files.index();
        files
    }

    fn index(&mut self) {
        let place = |(at, rule): (usize, &Arc<FileRule>)| (ByPath(Arc::clone(rule)), at);
        self.index = self.literals.iter().enumerate().map(place).collect();
    }

    /// Adds rules; of two about the same single path the least holds.
    pub(crate) fn extend(&mut self, rules: Vec<FileRule>) {
        let rules = rules.into_iter().map(Arc::new);
        let (literals, globs): (Vec<_>, Vec<_>) = rules.partition(|rule| rule.is_literal());
        if !globs.is_empty() {
            self.globs.extend(globs);
            self.put_together();
        }
        self.literals.extend(literals);
        self.literals
            .sort_by(|a, b| place::order(&a.path, &b.path).then_with(|| a.rank().cmp(&b.rank())));
        self.literals.dedup_by(|a, b| a.path == b.path);
        self.index();
    }

    /// Puts a rule about a single path in the place of those about it.
    pub(crate) fn replace(&mut self, rule: FileRule) {
        self.literals.retain(|other| other.path != rule.path);
        self.extend(vec![rule]);
    }

    /// Leaves out some rules.
    pub(crate) fn forget(&mut self, is_forgotten: impl Fn(&FileRule) -> bool) {
        self.literals.retain(|rule| !is_forgotten(rule));
        self.globs.retain(|rule| !is_forgotten(rule));
        self.put_together();
        self.index();
    }

    fn put_together(&mut self) {
        let globs = self.globs.iter();
        let patterns: Vec<_> = globs.filter_map(|rule| rule.glob.as_deref()).collect();
        self.together = Together::new(&patterns);
    }

    /// What the rules grant at a path, and which rule. The path is absolute and resolved: no link, `.`, `..` or doubled
    /// slash is in it. Protected paths are not considered: [`decide`](crate::Ruleset::decide) does.
    pub fn access(&self, path: &Path) -> (Access, Option<&FileRule>) {
        let contest = self.contest(path);
        match contest.winner() {
            Some(rule) => (rule.access, Some(rule)),
            None => (Access::Hide, None),
        }
    }

    /// Every path at which the access changes, parents before children: literal rules, also of paths that do not
    /// exist, but for the [absent secrets](Self::absent_secrets) of a home; what patterns matched at the start; protected paths at the root of writable trees.
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// The links that the paths of rules led through, by path.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The directories in which patterns match so much that they are lowered as a whole, by path.
    ///
    /// ```
    /// # use sandbox_core::{Context, Policy, Ruleset};
    /// let ruleset = Ruleset::resolve(&Policy::default().read("/"), &Context::new("/")).unwrap();
    /// assert_eq!(ruleset.files().crowded().count(), 0);
    /// ```
    pub fn crowded(&self) -> impl Iterator<Item = &FileRule> {
        let rules = self.literals.iter().map(Arc::as_ref);
        rules.filter(|rule| rule.is_crowd())
    }

    /// The patterns that match a path or something above it.
    ///
    /// ```
    /// # use sandbox_core::{Context, Policy, Ruleset};
    /// let policy = Policy::default().read("/").hide_matching("/srv/**/*.key");
    /// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
    /// let patterns = |path: &str| ruleset.files().patterns_at(path.as_ref()).count();
    /// assert_eq!((patterns("/srv/a.key/b"), patterns("/srv/a")), (1, 0));
    /// ```
    pub fn patterns_at(&self, path: &Path) -> impl Iterator<Item = &FileRule> {
        self.matches(path).into_iter().map(|found| found.rule)
    }

    /// The Unix sockets that may be connected to beside those that may be written, each with all below it: path, text and source of
    /// the rule.
    pub fn sockets(&self) -> impl Iterator<Item = (&Path, &str, &Source)> {
        let sockets = self.sockets.iter();
        sockets.map(|rule| (rule.path.as_path(), rule.text.as_str(), &rule.source))
    }

    /// The groups of names that are protected beside those that always are, with where each was asked for.
    ///
    /// ```
    /// # use sandbox_core::{Context, Policy, ProtectedGroup, Ruleset, Source};
    /// let policy = Policy::default().read("/").protect(ProtectedGroup::Ci);
    /// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
    /// let groups: Vec<_> = ruleset.files().protected_groups().collect();
    /// assert_eq!(groups, [(ProtectedGroup::Ci, &Source::Library)]);
    /// ```
    pub fn protected_groups(&self) -> impl Iterator<Item = (ProtectedGroup, &Source)> {
        let groups = self.asked.groups.iter();
        groups.map(|(group, source)| (*group, source))
    }

    /// The known places of secrets that are not there, and have no anchor; without those that a rule names. What lies in one
    /// directory comes together.
    pub fn absent_secrets(&self) -> impl Iterator<Item = (PathBuf, Looks)> {
        self.absent_where(|_| true)
    }

    /// The same, without those that are nothing but macOS's. On Linux nobody makes them, and init would keep each name.
    pub fn absent_secrets_of_linux(&self) -> impl Iterator<Item = (PathBuf, Looks)> {
        self.absent_where(|secret| !secret.is_of_macos())
    }

    fn absent_where(
        &self,
        counts: impl Fn(&SecretPath) -> bool + Copy,
    ) -> impl Iterator<Item = (PathBuf, Looks)> {
        let absent = self.absent.paths(counts);
        absent.filter(|(path, _)| self.position(path).is_none())
    }

    /// Every rule: literals by path, then patterns.
    pub fn iter(&self) -> impl Iterator<Item = &FileRule> {
        let absent = self.absent.iter();
        let unnamed = absent.filter(|rule| self.position(&rule.path).is_none());
        let mut literals: Vec<&FileRule> = self
            .literals
            .iter()
            .map(Arc::as_ref)
            .chain(unnamed)
            .collect();
        literals.sort_by(|a, b| place::order(&a.path, &b.path));
        literals
            .into_iter()
            .chain(self.globs.iter().map(Arc::as_ref))
    }

    /// What can be read at a known place of secrets that is not there, and that a rule names.
    pub(crate) fn absent_reason(&self, path: &Path) -> Option<&'static str> {
        self.absent.rule(path)?.reason
    }

    /// The rules about what exists, or what somebody has written.
    pub(crate) fn written(&self) -> impl Iterator<Item = &FileRule> {
        self.literals.iter().chain(&self.globs).map(Arc::as_ref)
    }

    /// Those of them that let a directory be written.
    pub(crate) fn written_directories(&self) -> impl Iterator<Item = &FileRule> {
        self.written().filter(|rule| {
            rule.is_literal() && rule.access == Access::Write && rule.kind == PathKind::Directory
        })
    }

    /// The literal rule at a path or at the nearest place above it that has one.
    pub(crate) fn nearest(&self, path: &Path) -> Option<&FileRule> {
        place::upwards(path).find_map(|place| self.literal(place))
    }

    /// The literal rule about this very path.
    pub(crate) fn literal(&self, path: &Path) -> Option<&FileRule> {
        match self.position(path) {
            Some(at) => self.literals.get(at).map(Arc::as_ref),
            None => self.absent.rule(path),
        }
    }

    /// Which of the literal rules is about this very path.
    fn position(&self, path: &Path) -> Option<usize> {
        self.index.get(path.as_os_str()).copied()
    }
}

/// A rule that is found by its path.
#[derive(Clone, Debug)]
struct ByPath(Arc<FileRule>);

impl Borrow<OsStr> for ByPath {
    fn borrow(&self) -> &OsStr {
        self.0.path.as_os_str()
    }
}

impl Hash for ByPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<OsStr>::borrow(self).hash(state);
    }
}

impl PartialEq for ByPath {
    fn eq(&self, other: &Self) -> bool {
        Borrow::<OsStr>::borrow(self) == Borrow::<OsStr>::borrow(other)
    }
}

impl Eq for ByPath {}

/// Whether a directory lies in `/dev` or `/proc`, which every backend makes anew.
fn is_always_private(directory: &Path) -> bool {
    ["/dev", "/proc"]
        .iter()
        .any(|own| place::is_within(directory, own.as_ref()))
}

/// Of several rules about the same path the least holds. The table of secrets and the presets give way to a rule of a
/// person's only as far as the table goes: "hidden unless a rule names it" means a rule that somebody wrote. A rule about
/// the directory that a secret cannot be seen in does not name the secret.
fn strongest(rules: &[Arc<FileRule>]) -> Option<Arc<FileRule>> {
    if let [only] = rules {
        return Some(Arc::clone(only));
    }
    let is_person =
        |rule: &Arc<FileRule>| !matches!(rule.source, Source::Secret | Source::Preset(_));
    let is_named = rules.iter().any(is_person);
    let (mut rules, unnamed): (Vec<_>, Vec<_>) = rules
        .iter()
        .partition(|rule| !is_named || rule.closed || rule.source != Source::Secret);
    rules.sort_by(|a, b| a.order().cmp(&b.order()));
    let (strongest, beaten) = rules.split_first()?;
    let lost = |rules: &[&Arc<FileRule>], why| {
        let own = rules.iter().map(|rule| Lost::new(rule.reference(), why));
        let theirs = rules.iter().flat_map(|rule| rule.set_aside.clone());
        own.chain(theirs).collect::<Vec<_>>()
    };
    let set_aside = [
        strongest.set_aside.clone(),
        lost(beaten, Why::Tie),
        lost(&unnamed, Why::Named),
    ];
    let beaten = beaten.iter().map(|rule| rule.key().to_owned()).collect();
    Some(Arc::new(FileRule {
        beaten,
        set_aside: set_aside.concat(),
        ..FileRule::clone(strongest)
    }))
}

#[cfg(test)]
mod tests;
