//! Rules that let something be written which is not there: they hold by its name, where they open something.
//!
//! `"./.vscode" = "write"` opens a protected name in a writable directory, whether it exists or not. About any other name a rule
//! says nothing that the one about the directory does not: then it is a spelling mistake more often than not, and refused.

use std::path::Path;
use std::sync::Arc;

use super::{Way, build, protecting};
use crate::files::absent::AbsentSecrets;
use crate::place::upwards;
use crate::policy::FileEntry;
use crate::resolve::{PathKind, Resolver};
use crate::{Access, Policy, PolicyError};

/// What becomes of a rule about nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// It is none.
    Optional,
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
        let opens = |around: &Path| {
            files.is_opened_by_name(path, around) || (way.is_instead && files.is_open(around))
        };
        if upwards(path).find(is_there).is_some_and(opens) {
            ways.push(way);
        } else if let Some(Waits::Required { after }) = way.waits {
            let after = after.min(problems.len());
            problems.splice(after..after, missing(&way));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attempt, Context, FileRule, Ruleset, Verdict};

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
            // Its directory is protected, and there: a mount holds it.
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
        let text = "[files]\n'/' = 'read'\n'.' = 'write'\n'./.vscode' = { access = 'write', optional = true }\n'./plain' = { access = 'write', optional = true }\n'/none' = { access = 'write', optional = true }\n";
        let file = context.cwd.join("policy.toml");
        let policy = Policy::from_toml(text, Some(&file)).unwrap();
        let ruleset = resolve(&policy, &context).unwrap();
        let rules: Vec<_> = ruleset.files().iter().map(FileRule::path).collect();
        let vscode = context.cwd.join(".vscode");
        assert_eq!(rules, [Path::new("/"), &context.cwd, &vscode]);
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
