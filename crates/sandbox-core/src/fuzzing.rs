//! For the fuzz targets: rules without a machine, whose directories are what their names say.

use std::ffi::OsStr;
use std::path::{Component, Path};
use std::sync::Arc;

use crate::files::{FileRule, FileRules};
use crate::pattern::{Glob, PatternProblem, expand};
use crate::{Access, Context, Ruleset, may_rewrite_git_config};

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

/// Two contents of git's settings: whether the second may replace the first. Whatever they are, one that names a program may not.
pub fn git(old: &[u8], new: &[u8]) {
    let rewrites = |old, new| may_rewrite_git_config(Some(old), new).is_ok();
    let _ = rewrites(old, new);
    let hostile = [new, b"\n[core]\n\tfsmonitor = evil\n"].concat();
    let had = old
        .windows(9)
        .any(|it| it.eq_ignore_ascii_case(b"fsmonitor"));
    assert!(
        had || !rewrites(old, hostile.as_slice()),
        "a program is named"
    );
    // After such an end the next line is no line of its own.
    if !new.ends_with(b"\\") && rewrites(new, new) {
        let more = [new, b"\n[user]\n\tname = x\n"].concat();
        assert!(rewrites(new, more.as_slice()), "what is harmless passes");
        assert!(rewrites(more.as_slice(), new), "and is taken away again");
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
