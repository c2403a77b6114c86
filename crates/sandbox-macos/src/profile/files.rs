//! The rules about files, in an order in which the last one that matches is the one that holds.
//!
//! [`FileRules`] say which that is: the heaviest rule, unless a pattern that matches further down than it weighs lowers the
//! access. So at each depth come first the patterns that begin there, as far as they raise the access; then those that lower it, as
//! far as they match down to there; then the single paths. A pattern that no single path or heavier pattern stands in the way of
//! comes last as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sandbox_core::{
    Access, FileRule, FileRules, Opening, Ruleset, Source, above, is_within, upwards,
};

use super::fold::BELOW;
use super::glob::{self, Part};
use super::rows::{Entry, READ, WRITE, folded, statements_of};
use super::sbpl::{Filter, Line, Statement};
use super::spelling::{self, Letters};
use super::{Facts, ProfileError, protected, system, text, why};

/// A rule on its way into the profile.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) path: PathBuf,
    /// What all spellings of the path have in common.
    key: PathBuf,
    /// Of a pattern, what follows the path.
    pub(super) pattern: Option<String>,
    pub(super) reads: bool,
    pub(super) writes: bool,
    pub(super) source: Source,
    /// The private directory, which no rule is about.
    pub(super) is_own: bool,
    pub(super) why: String,
    /// Where it was written, without the line.
    pub(super) origin: String,
    pub(super) line: Option<usize>,
}

/// Which question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Read,
    Write,
}

impl Question {
    fn grants(self, access: Access) -> bool {
        match self {
            Self::Read => matches!(access, Access::Read | Access::Write),
            Self::Write => access == Access::Write,
        }
    }
}

/// All rules about files.
pub(super) struct Files<'a> {
    rules: &'a FileRules,
    pub(super) items: Vec<Item>,
    /// Those about a single path, by it in any spelling.
    single: HashMap<OsString, Vec<usize>>,
    patterns: Vec<usize>,
    /// What is not there and may be made in a directory that can only be read.
    pub(super) made: Vec<PathBuf>,
    /// The sandbox's own directories.
    own: Vec<PathBuf>,
}

impl Item {
    fn new(rule: &FileRule) -> Result<Self, ProfileError> {
        let source = rule.source();
        text(rule.path(), source)?;
        text(Path::new(rule.pattern().unwrap_or_default()), source)?;
        let is_preset = matches!(source, Source::Preset(_));
        let is_held = match rule.access() {
            Access::Hide | Access::Read | Access::Write => true,
            Access::Scratch => is_preset,
            _ => false,
        };
        if !is_held {
            return Err(ProfileError::Access {
                access: rule.access(),
                path: rule.path().to_owned(),
                at: source.clone(),
            });
        }
        let location = source.location();
        let file = location.and_then(sandbox_core::Location::file);
        let origin = match location {
            Some(_) => file.map_or_else(String::new, |file| file.to_string_lossy().into_owned()),
            None => source.to_string(),
        };
        Ok(Self {
            path: rule.path().to_owned(),
            key: key(rule.path()),
            pattern: rule.pattern().map(str::to_owned),
            reads: Question::Read.grants(rule.access()),
            writes: Question::Write.grants(rule.access()),
            source: source.clone(),
            is_own: false,
            why: match rule.access() {
                Access::Scratch => format!("{}: `TMPDIR` is in its place", why(rule)),
                _ => why(rule),
            },
            origin,
            line: location.map(sandbox_core::Location::line),
        })
    }

    /// A directory that is the sandbox's own.
    fn own(path: PathBuf) -> Result<Self, ProfileError> {
        text(&path, &Source::Library)?;
        Ok(Self {
            key: key(&path),
            path,
            pattern: None,
            reads: true,
            writes: true,
            source: Source::Library,
            is_own: true,
            why: "the sandbox's own directory".to_owned(),
            origin: "the sandbox".to_owned(),
            line: None,
        })
    }

    fn allows(&self, question: Question) -> bool {
        match question {
            Question::Read => self.reads,
            Question::Write => self.writes,
        }
    }

    /// Whether it denies something.
    pub(super) fn lowers(&self) -> bool {
        !(self.reads && self.writes)
    }

    /// Whether its path and that of another one are the same, or one lies in the other.
    pub(super) fn is_near(&self, other: &Self) -> bool {
        is_within(&self.path, &other.path) || is_within(&other.path, &self.path)
    }

    pub(super) fn text(&self) -> &str {
        self.path.to_str().unwrap_or_default()
    }

    pub(super) fn parts(&self, letters: Letters) -> Result<Vec<Part>, ProfileError> {
        let pattern = self.pattern.as_deref().unwrap_or_default();
        glob::parts(pattern, letters).ok_or_else(|| ProfileError::Pattern {
            text: self.whole(),
            at: self.source.clone(),
        })
    }

    /// Its path, and of a pattern what follows.
    pub(super) fn whole(&self) -> String {
        let pattern = self.pattern.as_deref().unwrap_or_default();
        self.path.join(pattern).to_string_lossy().into_owned()
    }
}

impl<'a> Files<'a> {
    pub(super) fn new(ruleset: &'a Ruleset, facts: &Facts) -> Result<Self, ProfileError> {
        let rules = ruleset.files();
        let absent: HashSet<PathBuf> = if ruleset.macos().imported {
            rules.absent_secrets().map(|(path, _)| path).collect()
        } else {
            HashSet::new()
        };
        let is_there =
            |rule: &&FileRule| *rule.source() != Source::Secret || !absent.contains(rule.path());
        let mut items: Vec<Item> = rules
            .iter()
            .filter(is_there)
            .map(Item::new)
            .collect::<Result<_, _>>()?;
        let own = facts.temporary.iter().chain(&ruleset.macos().writable);
        for path in own {
            let is_named = items
                .iter()
                .any(|item| item.pattern.is_none() && item.path == *path);
            // Somebody hides what is around it.
            let (access, rule) = rules.access(path);
            let is_hidden = access == Access::Hide && rule.is_some();
            if !is_named && !is_hidden {
                items.push(Item::own(path.clone())?);
            }
        }
        let openings = ruleset.openings();
        let made = openings.iter().filter_map(Opening::made);
        Ok(Self {
            made: made.map(Path::to_owned).collect(),
            ..Self::of(rules, items)
        })
    }

    fn of(rules: &'a FileRules, items: Vec<Item>) -> Self {
        let mut single: HashMap<_, Vec<usize>> = HashMap::new();
        let mut patterns = Vec::new();
        for (at, item) in items.iter().enumerate() {
            if item.pattern.is_some() {
                patterns.push(at);
            } else {
                single.entry(item.key.clone().into()).or_default().push(at);
            }
        }
        let own = items.iter().filter(|item| item.is_own);
        Self {
            rules,
            own: own.map(|item| item.path.clone()).collect(),
            items,
            single,
            patterns,
            made: Vec::new(),
        }
    }

    /// Only some of the rules.
    #[cfg(test)]
    pub(super) fn only(self, keep: impl FnMut(&Item) -> bool) -> Self {
        let mut items = self.items;
        items.retain(keep);
        Self::of(self.rules, items)
    }

    /// Whether a path can be read.
    fn reads(&self, path: &Path) -> bool {
        self.grants(Question::Read, path)
    }

    /// Whether a path can be written, its name aside.
    pub(super) fn writes(&self, path: &Path) -> bool {
        self.grants(Question::Write, path)
    }

    fn grants(&self, question: Question, path: &Path) -> bool {
        let mut own = self.own.iter();
        question.grants(self.rules.access(path).0) || own.any(|own| is_within(path, own))
    }

    /// The rules that let something be written.
    pub(super) fn writable(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.writes)
    }

    pub(super) fn links(&self) -> &[sandbox_core::Link] {
        self.rules.links()
    }

    /// Who reads what.
    pub(super) fn reading(&self) -> Result<Vec<Statement>, ProfileError> {
        let root = Path::new("/");
        let mut statements = Vec::new();
        let entries = self.entries(Question::Read)?;
        let opens_all =
            |entry: &Entry<'_>| entry.allows && entry.is_literal && entry.item.path == root;
        if !entries.first().is_some_and(opens_all) {
            let all = Line::new(Filter::Subpath("/".to_owned()), "what no rule names");
            statements.push(Statement::deny(READ, vec![all]));
            let loader = system::LOADER
                .iter()
                .map(|(path, why)| Line::new(Filter::Subpath((*path).to_owned()), *why));
            let root = Line::new(
                Filter::Literal("/".to_owned()),
                "programs look at it at start; it shows the names in it",
            );
            let lines = std::iter::once(root).chain(loader).collect();
            statements.push(Statement::allow(READ, lines));
        }
        statements.extend(statements_of(&entries, Question::Read)?);
        statements.extend(self.moved(|item| !item.reads, READ)?);
        statements.extend(protected::mistaken_for_hidden(self));
        statements.extend(self.way_to_what_is_shown(&entries));
        Ok(statements)
    }

    /// Who writes what.
    pub(super) fn writing(&self) -> Result<Vec<Statement>, ProfileError> {
        let mut statements = statements_of(&self.entries(Question::Write)?, Question::Write)?;
        statements.extend(self.moved(|item| !item.writes, WRITE)?);
        Ok(statements)
    }

    /// Where directories can be moved out of a pattern's reach, it holds in the other writable trees, too.
    fn moved(
        &self,
        denies: impl Fn(&Item) -> bool,
        operations: &'static [&'static str],
    ) -> Result<Option<Statement>, ProfileError> {
        let mut lines = Vec::new();
        for item in self
            .items
            .iter()
            .filter(|item| item.pattern.is_some() && denies(item))
        {
            let parts = item.parts(Letters::Any)?;
            let is_near = |tree: &Item| tree.is_near(item);
            if !glob::lets_directories_move(&parts)
                || self.stays(item, &parts)
                || !self.writable().any(is_near)
            {
                continue;
            }
            let roots: BTreeSet<&str> = self
                .writable()
                .filter(|tree| !is_near(tree))
                .map(Item::text)
                .collect();
            for root in roots {
                let directory = spelling::path(root, Letters::Any);
                let atoms = glob::below(&directory, &parts);
                for (filter, _) in folded(&[atoms], BELOW, item)? {
                    let why = format!("{}, moved to {root}", item.why);
                    lines.push(Line::new(filter, why));
                }
            }
        }
        Ok((!lines.is_empty()).then(|| Statement::deny(operations, lines)))
    }

    /// Whether no directory below a pattern's own is moved: there is a writable tree around, in which the rules allow what it denies; or a
    /// pattern below allows it again, nobody knows where.
    pub(super) fn stays(&self, item: &Item, parts: &[Part]) -> bool {
        let lies_in = |inner: &Item, outer: &Item| {
            is_within(&inner.path, &outer.path) && inner.text() != outer.text()
        };
        let raises = |other: &Item| {
            let allows_more = other.reads && !item.reads || other.writes && !item.writes;
            allows_more && lies_in(other, item)
        };
        let mut patterns = self.patterns.iter().filter_map(|at| self.items.get(*at));
        glob::lets_directories_move(parts) && self.writable().any(|tree| lies_in(item, tree))
            || patterns.any(raises)
    }

    /// Whether a single path is allowed what a pattern denies that matches it, or something above it.
    pub(super) fn is_raised(&self, item: &Item) -> bool {
        let mut patterns = self.rules.patterns_at(&item.path);
        item.writes && patterns.any(|rule| rule.access() != Access::Write)
    }

    /// Hidden directories above what is shown: that they are there, not what is in them.
    fn way_to_what_is_shown(&self, entries: &[Entry<'_>]) -> Option<Statement> {
        let mut ways = BTreeSet::new();
        let shown = entries.iter().filter(|entry| entry.allows);
        let shown = shown.map(|entry| entry.item.text());
        let hides_root = !self.reads(Path::new("/"));
        let system = system::LOADER
            .iter()
            .map(|(path, _)| *path)
            .filter(|_| hides_root);
        for path in shown.chain(system) {
            let mut way = upwards(Path::new(path)).skip(1);
            if way.any(|directory| !self.reads(directory)) {
                for spelled in spelling::allowed(path) {
                    let way = upwards(Path::new(&spelled)).skip(1);
                    ways.extend(way.filter_map(Path::to_str).map(str::to_owned));
                }
            }
        }
        if hides_root {
            // The last is a link to the time zone.
            ways.extend(["/tmp", "/var", "/etc", "/private/etc/localtime"].map(str::to_owned));
        }
        let lines: Vec<_> = ways
            .into_iter()
            .map(|way| Line::new(Filter::Literal(way), "on the way to what can be read"))
            .collect();
        (!lines.is_empty()).then(|| Statement::allow(&["file-read-metadata"], lines))
    }

    /// What each rule says to a question, the least specific first.
    fn entries(&self, question: Question) -> Result<Vec<Entry<'_>>, ProfileError> {
        let cuts = self.cuts(question);
        let mut depths: BTreeMap<usize, [Vec<Entry<'_>>; 3]> = BTreeMap::new();
        let mut last = Vec::new();
        for item in &self.items {
            let (depth, allows) = (depth(&item.key), item.allows(question));
            let letters = if allows { Letters::Same } else { Letters::Any };
            let entry = |atoms, is_literal| Entry {
                item,
                allows,
                atoms,
                is_literal,
            };
            let directory = spelling::path(item.text(), letters);
            if item.pattern.is_none() {
                if !self.is_said_already(item, question) {
                    let [.., single] = depths.entry(depth).or_default();
                    single.push(entry(directory, true));
                }
                continue;
            }
            let parts = item.parts(letters)?;
            if allows {
                let [raising, ..] = depths.entry(depth).or_default();
                raising.push(entry(glob::below(&directory, &parts), false));
                continue;
            }
            let mut done = depth;
            let key = (item.path.as_path(), item.pattern.as_deref());
            let mut counted = Some(Vec::new());
            for cut in cuts.get(&key).into_iter().flatten() {
                let ways = glob::counted(&parts, done - depth + 1, Some(cut - depth));
                counted = counted.zip(ways).map(|(mut counted, ways)| {
                    counted.push((*cut, ways));
                    counted
                });
                done = *cut;
            }
            let rest = glob::counted(&parts, done - depth + 1, None);
            // Where there are too many ways to count, it holds in spite of the others.
            let (counted, rest) = match (counted, rest) {
                (Some(counted), Some(rest)) => (counted, rest),
                _ => (Vec::new(), vec![parts]),
            };
            for (cut, ways) in counted {
                let [_, lowering, _] = depths.entry(cut).or_default();
                lowering.extend(
                    ways.iter()
                        .map(|parts| entry(glob::below(&directory, parts), false)),
                );
            }
            last.extend(
                rest.iter()
                    .map(|parts| entry(glob::below(&directory, parts), false)),
            );
        }
        let mut entries: Vec<Entry<'_>> = Vec::new();
        for [raising, lowering, mut single] in depths.into_values() {
            // Spellings of what is denied may be what is allowed: then it is denied.
            single.sort_by_key(|entry| !entry.allows);
            entries.extend(raising.into_iter().chain(lowering).chain(single));
        }
        entries.extend(last);
        Ok(entries)
    }

    /// The depths down to which a pattern lowers the access before another rule raises it again.
    fn cuts(&self, question: Question) -> BTreeMap<(&Path, Option<&str>), BTreeSet<usize>> {
        let mut cuts: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
        for item in self.items.iter().filter(|item| item.allows(question)) {
            let (from, depth) = match (&item.pattern, above(&item.path)) {
                (None, _) => (item.path.as_path(), depth(&item.key)),
                (Some(_), Some(above)) => (above, depth(&key(above))),
                (Some(_), None) => continue,
            };
            for rule in self.rules.patterns_at(from) {
                if !question.grants(rule.access()) {
                    let key = (rule.path(), rule.pattern());
                    cuts.entry(key).or_default().insert(depth);
                }
            }
        }
        cuts
    }

    /// Whether the rule about what is above it says the same, and no pattern speaks between them.
    fn is_said_already(&self, item: &Item, question: Question) -> bool {
        let allows = item.allows(question);
        let is_between = |other: &Item| {
            other.allows(question) != allows
                && (is_within(&other.key, &item.key) || is_within(&item.key, &other.key))
        };
        if item.path == Path::new("/") && !allows {
            return true;
        }
        let at = |at: &usize| self.items.get(*at);
        let mut above = upwards(&item.key).skip(1);
        let nearest = above.find_map(|place| self.single.get(place.as_os_str()));
        // There may be several in different spellings.
        let mut nearest = nearest.into_iter().flatten().filter_map(at).peekable();
        let is_same = match nearest.peek() {
            None => !allows,
            Some(_) => nearest.all(|nearest| nearest.allows(question) == allows),
        };
        is_same && !self.patterns.iter().filter_map(at).any(is_between)
    }
}

fn key(path: &Path) -> PathBuf {
    spelling::key(path.to_str().unwrap_or_default()).into()
}

/// Components below the root directory.
fn depth(path: &Path) -> usize {
    upwards(path).count() - 1
}
