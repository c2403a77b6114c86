//! What a profile decides, by its statements: of those that name the operation or a group that it belongs to, the last one that matches.
//!
//! Some descriptions say that a statement about the operation itself goes before one about its group. Here both have to say the same.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::super::Profile;
use super::super::sbpl::{Filter, Statement};

/// Each is compiled once: most are the same in all profiles.
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);

pub(super) struct Judge {
    statements: Vec<Statement>,
}

/// What is asked about: a path, which is a directory's where it ends in a slash; an address; a name.
struct Target<'a> {
    path: Option<&'a str>,
    is_directory: bool,
    address: Option<(&'a str, &'a str)>,
    socket: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn new(text: &'a str) -> Self {
        let (kind, rest) = text.split_once(':').unwrap_or_default();
        let is_directory = rest.ends_with('/');
        Self {
            path: (kind == "path").then(|| rest.trim_end_matches('/')),
            is_directory,
            address: matches!(kind, "remote" | "local").then_some((kind, rest)),
            socket: (kind == "unix").then_some(rest),
            name: (kind == "name").then_some(rest),
        }
    }
}

impl Judge {
    pub(super) fn new(profile: &Profile) -> Self {
        let statements = profile
            .parts
            .iter()
            .flat_map(|(_, statements)| statements.clone());
        Self {
            statements: statements.collect(),
        }
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

    pub(super) fn verdict(&self, operation: &str, target: &str) -> bool {
        let target = Target::new(target);
        let is_group = |name: &str| {
            name.strip_suffix('*')
                .is_some_and(|group| operation.starts_with(group))
        };
        let last = |names: &dyn Fn(&str) -> bool| {
            let mut statements = self.statements.iter().rev();
            let named = statements.find(|statement| {
                statement.operations.iter().any(|name| names(name))
                    && (statement.lines.is_empty()
                        || statement
                            .lines
                            .iter()
                            .any(|line| matches(&line.filter, &target)))
            });
            named.map(|statement| statement.allows)
        };
        let verdict = last(&|name| name == operation || is_group(name)).unwrap_or(false);
        let other = last(&|name| name == operation)
            .or_else(|| last(&is_group))
            .unwrap_or(false);
        assert_eq!(verdict, other, "{operation}");
        verdict
    }
}

fn matches(filter: &Filter, target: &Target<'_>) -> bool {
    match filter {
        Filter::Subpath(directory) => target.path.is_some_and(|path| {
            let rest = path.strip_prefix(directory.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }),
        Filter::Literal(literal) => target.path == Some(literal),
        Filter::Regex(regex) => target.path.is_some_and(|path| {
            let mut compiled = COMPILED.lock().unwrap();
            let compiled = compiled
                .entry(regex.clone())
                .or_insert_with(|| Arc::new(compile(regex)));
            compiled.is_match(path)
        }),
        Filter::All(filters) => filters.iter().all(|filter| matches(filter, target)),
        Filter::Any(filters) => filters.iter().any(|filter| matches(filter, target)),
        Filter::Not(filter) => !matches(filter, target),
        Filter::Vnode(kind) => (*kind == "DIRECTORY") == target.is_directory,
        Filter::Named("global-name", name) => target.name == Some(name),
        Filter::Named("global-name-prefix", name) => {
            target.name.is_some_and(|it| it.starts_with(name))
        }
        Filter::Named(..) | Filter::Plain(_) => false,
        Filter::Socket(_, filter) => target
            .socket
            .is_some_and(|socket| matches(filter, &Target::new(&format!("path:{socket}")))),
        Filter::Ip(side, pattern) => target.address.is_some_and(|(of, address)| {
            let (host, port) = pattern.rsplit_once(':').unwrap();
            let (other, number) = address.rsplit_once(':').unwrap();
            of == *side && (host == "*" || host == other) && (port == "*" || port == number)
        }),
    }
}

/// As bytes: a profile has to mean the same where letters are taken for letters and where they are not.
fn compile(regex: &str) -> Regex {
    let bytes = syntax::Config::new().unicode(false).utf8(false);
    Regex::builder().syntax(bytes).build(regex).unwrap()
}
