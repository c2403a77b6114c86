//! Rules that let something be written which is not there: they hold by its name, where they open something.
//!
//! `"./.vscode" = "write"` opens a protected name in a writable directory, whether it exists or not; and one that is optional opens
//! a name in a directory that can only be read. About any other name a rule says nothing that the one about the directory does
//! not: then it is a spelling mistake more often than not, and refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Way, build, protecting};
use crate::files::absent::AbsentSecrets;
use crate::files::{FileRule, FileRules};
use crate::place::{above, upwards};
use crate::policy::FileEntry;
use crate::resolve::{PathKind, Resolver};
use crate::{Access, Policy, PolicyError, Ruleset};

/// What becomes of a rule about nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// It is none.
    Optional,
    /// It is none, and opens nothing that is protected.
    Made,
    /// It is refused, after so many other problems.
    Required { after: usize },
}

impl Waits {
    pub(super) fn of(entry: &FileEntry, problems: &[PolicyError]) -> Self {
        if entry.optional {
            Self::Optional
        } else {
            Self::Required {
                after: problems.len(),
            }
        }
    }
}

/// Why a way that has to lead to something is refused.
pub(super) fn missing(way: &Way) -> Option<PolicyError> {
    matches!(way.waits, Some(Waits::Required { .. })).then(|| PolicyError::Missing {
        path: way.rule.path.clone(),
        access: Access::Write,
        source_of_rule: way.rule.source.clone(),
    })
}

impl PolicyError {
    /// Whether a rule opens nothing here. It may where other layers are beside it: who resolves some of them only, to compare, has
    /// no such rule.
    pub(crate) const fn is_of_nothing_to_write(&self) -> bool {
        matches!(
            self,
            Self::Missing {
                access: Access::Write,
                ..
            }
        )
    }
}

/// Keeps those that open a name.
pub(super) fn keep(
    ways: &mut Vec<Way>,
    policy: &Policy,
    absent: &Arc<AbsentSecrets>,
    resolver: &Resolver,
    problems: &mut Vec<PolicyError>,
) {
    let waiting: Vec<Way> = ways.extract_if(.., |way| way.waits.is_some()).collect();
    if waiting.is_empty() {
        return;
    }
    let files = protecting(build(ways.iter(), absent), policy);
    // The last first, so that those before it stay where they are.
    for way in waiting.into_iter().rev() {
        let path = &way.rule.path;
        let is_there = |place: &&Path| {
            resolver
                .kind(place)
                .is_ok_and(|kind| kind != PathKind::Missing)
        };
        let opens = |around: &Path| match way.waits {
            Some(Waits::Made) => {
                way.may_be_made(&files, around) && files.opened(around).is_open(path)
            }
            _ => {
                files.is_opened_by_name(path, around)
                    || (way.is_instead && files.is_open(around))
                    || way.may_be_made(&files, around)
            }
        };
        if upwards(path).find(is_there).is_some_and(opens) {
            ways.push(way);
        } else if let Some(Waits::Required { after }) = way.waits {
            let after = after.min(problems.len());
            problems.splice(after..after, missing(&way));
        }
    }
}

impl Way {
    /// Whether the rule lets something be made in a directory that can only be read: the nearest that is there. Further down nothing can
    /// be made, since nobody may make the directories on the way.
    fn may_be_made(&self, files: &FileRules, around: &Path) -> bool {
        matches!(self.waits, Some(Waits::Optional | Waits::Made))
            && self.rule.access == Access::Write
            && above(&self.rule.path) == Some(around)
            && files.access(around).0 == Access::Read
    }
}

/// What rules let be written, and made, though the directory around it can only be read.
///
/// ```
/// # use sandbox_core::{Context, Policy, Ruleset};
/// # use std::path::Path;
/// let policy = Policy::default().read("/").write_matching("/usr/**/*.log");
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
/// let openings = ruleset.openings();
/// assert_eq!(openings[0].directory, Path::new("/usr"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opening {
    /// The directory, which is there.
    pub directory: PathBuf,
    /// What is not there, or the directory itself, where a pattern says what in it.
    pub path: PathBuf,
}

impl Opening {
    /// What is not there, if it is about that alone.
    #[must_use]
    pub fn made(&self) -> Option<&Path> {
        (self.path != self.directory).then_some(&self.path)
    }
}

impl Ruleset {
    /// What may be made in directories that can only be read: by rules about what is not there, and by patterns. In there
    /// [`decide`](Self::decide) says what.
    #[must_use]
    pub fn openings(&self) -> Vec<Opening> {
        let files = self.files();
        // A rule about the directory itself beats a pattern in there.
        let is_beaten = |directory: &Path| files.literal(directory).is_some();
        let opening = |rule: &FileRule| {
            let directory = match (rule.is_literal(), rule.kind) {
                (true, PathKind::Missing) => above(rule.path())?,
                (false, PathKind::Directory) if !is_beaten(rule.path()) => rule.path(),
                _ => return None,
            };
            (files.access(directory).0 == Access::Read).then(|| Opening {
                directory: directory.to_owned(),
                path: rule.path().to_owned(),
            })
        };
        let written = files.written();
        let writes = written.filter(|rule| rule.access == Access::Write);
        writes.filter_map(opening).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attempt, Context, FileRule, Imported, Ruleset, Verdict};

    fn host() -> (tempfile::TempDir, Context) {
        let host = tempfile::tempdir().unwrap();
        let root = crate::resolve(host.path()).unwrap().path;
        for path in ["w/.idea", "w/sub", "ro"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        (host, Context::new(root.join("w")))
    }

    fn resolve(policy: &Policy, context: &Context) -> Result<Ruleset, String> {
        Ruleset::resolve(policy, context).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_rule_about_what_is_not_there_opens_a_name_or_is_refused() {
        let (_host, context) = host();
        let policy = || {
            Policy::default()
                .read("/")
                .write(".")
                .read_matching("**/.env")
                .read("later")
        };
        for (path, is_rule) in [
            (".vscode", true),
            (".vscode/settings.json", true),
            ("sub/.git/hooks", true),
            (".git", true),
            (".env", true),
            ("sub/.env", true),
            ("later/below", true),
            // The directory says the same.
            ("plain", false),
            ("sub/plain/below", false),
            // Its directory is protected, and there, or can only be read: a mount holds it.
            (".idea/new.xml", false),
            ("../ro/.vscode", false),
            ("../none", false),
        ] {
            let resolved = resolve(&policy().write(path), &context);
            assert_eq!(resolved.is_ok(), is_rule, "{path}: {resolved:?}");
            let Ok(ruleset) = resolved else { continue };
            let attempt = Attempt::write(context.cwd.join(path));
            assert_eq!(ruleset.decide(&attempt).verdict, Verdict::Allow, "{path}");
            assert_eq!(
                ruleset.decide_file(&context.cwd.join(path)).verdict,
                Verdict::Allow,
                "{path}"
            );
            // The control.
            let without = resolve(&policy(), &context).unwrap();
            let verdict = without.decide_file(&context.cwd.join(path)).verdict;
            assert_eq!(verdict, Verdict::Deny, "{path}");
        }
    }

    #[test]
    fn an_optional_rule_about_what_is_not_there_is_one_where_it_opens_a_name() {
        let (_host, context) = host();
        let policy = Policy::default()
            .read("/")
            .write(".")
            .hide("../closed")
            .write_if_exists("./.vscode")
            // The directory says the same.
            .write_if_exists("./plain")
            .write_if_exists("../ro/new")
            // Nobody may make the directory.
            .write_if_exists("../ro/none/new")
            .write_if_exists("../closed/new");
        let ruleset = resolve(&policy, &context).unwrap();
        let rules: Vec<_> = ruleset.files().iter().map(FileRule::path).collect();
        let host = above(&context.cwd).unwrap();
        let [vscode, closed, new] = ["w/.vscode", "closed", "ro/new"].map(|path| host.join(path));
        let expected = [Path::new("/"), &closed, &new, &context.cwd, &vscode];
        assert_eq!(rules, expected);
        let opening = Opening {
            directory: host.join("ro"),
            path: new.clone(),
        };
        assert_eq!(opening.made(), Some(new.as_path()));
        assert_eq!(ruleset.openings(), [opening]);
        for (path, verdict) in [(&new, Verdict::Allow), (&host.join("ro"), Verdict::Deny)] {
            assert_eq!(ruleset.decide(&Attempt::write(path)).verdict, verdict);
        }
    }

    #[test]
    fn a_pattern_opens_names_in_a_directory_that_can_only_be_read() {
        let (_host, context) = host();
        let base = || Policy::default().read("/").write(".");
        let openings = |policy| resolve(&policy, &context).unwrap().openings();
        let ro = above(&context.cwd).unwrap().join("ro");
        let opened = openings(base().write_matching("../ro/**/*.ts"));
        assert_eq!(opened.iter().map(|it| &it.path).collect::<Vec<_>>(), [&ro]);
        assert_eq!(opened[0].made(), None);
        for nothing in [
            // It can be written as it is.
            base().write_matching("./sub/*.ts"),
            base().read_matching("../ro/**/*.ts"),
            // A rule about the directory itself is as long.
            base().read("../ro").write_matching("../ro/**/*.ts"),
            base().hide("../ro").write_matching("../ro/**/*.ts"),
            base().write_matching("../none/**/*.ts"),
        ] {
            assert_eq!(openings(nothing), []);
        }
    }

    /// What they let be written is protected all the same, where they don't say otherwise.
    #[test]
    fn settings_open_what_is_not_there_where_it_can_only_be_read() {
        let (_host, context) = host();
        let text = r#"{"network": {"allowedDomains": [], "deniedDomains": []}, "filesystem": {"denyRead": [],
            "allowWrite": ["sub", "new", "sub/.vscode", "sub/plain", "other/new", "*.log", "denied", ".npmrc"], "denyWrite": ["denied"]}}"#;
        let mut policy = Imported::from_settings(text, None).unwrap().policy;
        // It has a private `/tmp`, where the host is.
        policy.presets.clear();
        let policy = policy.read("/");
        let ruleset = resolve(&policy, &context).unwrap();
        let at = |path: &str| context.cwd.join(path);
        for (path, verdict) in [
            ("new", Verdict::Allow),
            ("new/below", Verdict::Allow),
            ("sub/plain", Verdict::Allow),
            ("a.log", Verdict::Allow),
            ("sub/.vscode", Verdict::Deny),
            ("other", Verdict::Deny),
            ("plain", Verdict::Deny),
            ("denied", Verdict::Deny),
            (".npmrc", Verdict::Deny),
        ] {
            assert_eq!(
                ruleset.decide(&Attempt::write(at(path))).verdict,
                verdict,
                "{path}"
            );
        }
        let opened: Vec<_> = ruleset.openings().into_iter().map(|it| it.path).collect();
        assert_eq!(opened, [at("*.log"), at("new"), context.cwd.clone()]);
    }

    /// Each layer is also compared with what there is without it.
    #[test]
    fn a_rule_opens_a_name_that_another_layer_denies() {
        let (_host, context) = host();
        let base = Policy::default().read("/").write(".");
        let policy = Policy::default().read_matching("**/.env");
        let layered = base
            .layer_untrusted(policy, "sandbox.toml", crate::Distrust::Unapproved)
            .layer(Policy::default().write(".env"));
        let ruleset = resolve(&layered, &context).unwrap();
        let attempt = |name: &str| Attempt::write(context.cwd.join(name));
        assert_eq!(ruleset.decide(&attempt(".env")).verdict, Verdict::Allow);
        assert_eq!(ruleset.decide(&attempt("sub/.env")).verdict, Verdict::Deny);
        let reach = crate::Reach::of(&Policy::default().write("none"), &context);
        assert!(reach.is_ok());
    }

    /// Where they name it as that.
    #[test]
    fn settings_open_a_protected_name_that_is_not_there() {
        let (_host, context) = host();
        let verdict = |allowed: bool| {
            let text = format!(
                r#"{{"network": {{"allowedDomains": [], "deniedDomains": []}}, "filesystem": {{"denyRead": [],
                "allowWrite": ["."], "denyWrite": [], "allowGitConfig": {allowed}}}}}"#
            );
            let policy = Imported::from_settings(&text, None).unwrap().policy;
            let config = context.cwd.join(".git/config");
            resolve(&policy, &context)
                .unwrap()
                .decide(&Attempt::write(config))
                .verdict
        };
        assert_eq!(verdict(true), Verdict::Allow);
        assert_eq!(verdict(false), Verdict::Deny);
    }

    #[test]
    fn what_a_rule_opens_is_not_carried_to_where_it_is_protected() {
        let (_host, context) = host();
        let ruleset = |policy: Policy| resolve(&policy, &context).unwrap();
        let policy = Policy::default().read("/").write(".");
        let (from, to) = (context.cwd.join("sub"), context.cwd.join("other"));
        assert!(ruleset(policy.clone()).keeps_names(&from, &to));
        let opened = ruleset(policy.write("sub/.vscode"));
        assert!(!opened.keeps_names(&from, &to));
        assert!(!opened.keeps_names(&to, &from));
    }
}
