//! For the fuzz targets: rules without a machine, whose directories are what their names say.

use std::ffi::OsStr;
use std::path::{Component, Path};
use std::sync::Arc;

use crate::files::{FileRule, FileRules};
use crate::pattern::{Glob, PatternProblem, expand};
use crate::{Access, Context, Ruleset};

fn context() -> Context {
    let mut context = Context::new("/w");
    context.home = Some("/h".into());
    context
}

/// Expands the text of a rule, compiles it, and matches a path below what it lies below.
pub fn pattern(text: &OsStr, path: &OsStr) {
    let matches = |glob: &Glob| {
        let path = glob.prefix().join(path);
        let longest = glob.longest_match(&path);
        longest.is_none_or(|longest| path.starts_with(longest) && glob.matches(longest))
    };
    for is_pattern in [true, false] {
        let Ok(expanded) = expand(text, is_pattern, Path::new("/w"), &context()) else {
            continue;
        };
        assert!(expanded.path.is_absolute(), "{expanded:?}");
        if let Some(glob) = expanded
            .tail
            .and_then(|tail| Glob::new(expanded.path, &tail).ok())
        {
            assert!(matches(&glob), "what a pattern matches lies on the way");
        }
    }
}

/// Rules in any spelling; `None` where one is refused.
pub fn ruleset(rules: &[(&OsStr, Access)]) -> Option<Ruleset> {
    let rules: Result<Vec<_>, PatternProblem> = rules.iter().map(|rule| file_rule(*rule)).collect();
    let files = FileRules::new(rules.ok()?, Arc::default());
    Some(Ruleset::of_files(files))
}

fn file_rule((text, access): (&OsStr, Access)) -> Result<Arc<FileRule>, PatternProblem> {
    let expanded = expand(text, true, Path::new("/w"), &context())?;
    let path = expanded.path;
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(PatternProblem::Parent);
    }
    let glob = expanded
        .tail
        .map(|tail| Glob::new(path.clone(), &tail))
        .transpose()?;
    Ok(Arc::new(FileRule::plain(text, path, glob, access)))
}
