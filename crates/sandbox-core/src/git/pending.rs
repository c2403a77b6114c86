//! What git runs when a person has it go on with what was left unfinished: `git rebase --continue`, `git cherry-pick --continue`.
//!
//! The attack: a to-do list with `exec`, or a merge strategy of another name, which git takes for a program: `../x` is
//! `git-merge-../x` in the working tree. Both are ordinary files of a repository, which git writes inside as well.

use std::path::{Path, PathBuf};

use super::settings::settings;
use crate::Change;
use crate::os::OsStrExt;

/// The directories that say so in a git directory, and the files in them.
const PENDING: [(&str, &str); 3] = [
    ("rebase-merge", "git-rebase-todo"),
    ("rebase-merge", "strategy"),
    ("sequencer", "opts"),
];
/// git's own (git-merge(1), and `builtin/merge.c`).
const STRATEGIES: [&[u8]; 6] = [
    b"ort",
    b"recursive",
    b"resolve",
    b"octopus",
    b"ours",
    b"subtree",
];

/// The files of a git directory in which something may stand that git runs when it goes on: [`git_pending`] reads them.
///
/// ```
/// let files: Vec<_> = sandbox_core::git_pending_files("/srv/.git".as_ref()).collect();
/// assert_eq!(files[0], std::path::Path::new("/srv/.git/rebase-merge/git-rebase-todo"));
/// ```
pub fn git_pending_files(directory: &Path) -> impl Iterator<Item = PathBuf> {
    PENDING
        .iter()
        .map(|(within, name)| directory.join(within).join(name))
}

/// The git directory in which a name is a part of what is left unfinished.
///
/// ```
/// use sandbox_core::git_unfinished;
///
/// assert_eq!(git_unfinished("/srv/.git/rebase-merge/strategy".as_ref()), Some("/srv/.git".as_ref()));
/// assert_eq!(git_unfinished("/srv/.git/sequencer".as_ref()), Some("/srv/.git".as_ref()));
/// assert_eq!(git_unfinished("/srv/.git/HEAD".as_ref()), None);
/// ```
#[must_use]
pub fn git_unfinished(path: &Path) -> Option<&Path> {
    let last = crate::name(path);
    let above = crate::above(path)?;
    let within = |directory: &str| crate::name(above) == directory;
    if PENDING.iter().any(|(directory, _)| last == *directory) {
        return Some(above);
    }
    let is_one = |(directory, name): &(&str, &str)| last == *name && within(directory);
    PENDING.iter().any(is_one).then(|| crate::above(above))?
}

/// What git runs by the content of one of its [files](git_pending_files) when it goes on. `None` if that is nothing.
///
/// ```
/// let change = sandbox_core::git_pending("/srv/.git/rebase-merge/git-rebase-todo".as_ref(), b"pick 1234\nx make\n");
/// assert_eq!(change.unwrap().to_string(), "/srv/.git/rebase-merge/git-rebase-todo runs `x make`");
/// ```
#[must_use]
pub fn git_pending(path: &Path, content: &[u8]) -> Option<Change> {
    let strategy;
    let found = match crate::name(path).as_bytes() {
        b"git-rebase-todo" => commands(content),
        b"strategy" => foreign(content.trim_ascii()).collect(),
        _ => {
            strategy = chosen(content);
            strategy.iter().flat_map(|it| foreign(it)).collect()
        }
    };
    Change::pending(path.to_owned(), &found)
}

/// The lines of a to-do list that are commands of a shell (`parse_insn_line` of git's `sequencer.c`).
fn commands(content: &[u8]) -> Vec<&[u8]> {
    let lines = content.split(|byte| *byte == b'\n');
    let lines = lines.map(<[u8]>::trim_ascii);
    let is_command = |line: &&[u8]| {
        let word = line.split(u8::is_ascii_whitespace).next();
        matches!(word, Some(b"exec" | b"x"))
    };
    lines.filter(is_command).collect()
}

/// A strategy that is none of git's own: it runs `git-merge-` with that name.
fn foreign(strategy: &[u8]) -> impl Iterator<Item = &[u8]> {
    Some(strategy)
        .into_iter()
        .filter(|strategy| !strategy.is_empty() && !STRATEGIES.contains(strategy))
}

/// The strategies that options of the sequencer name. What is not understood is told as it is.
fn chosen(content: &[u8]) -> Vec<Vec<u8>> {
    let Ok(settings) = settings(content) else {
        return vec![content.to_owned()];
    };
    let chosen = settings
        .into_iter()
        .filter(|it| it.name == b"options.strategy");
    chosen.filter_map(|it| it.value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_runs_is_found_as_git_reads_it() {
        for (name, content, expected) in [
            ("git-rebase-todo", "pick 1 exec\n# exec x\nlabel x\n", None),
            ("git-rebase-todo", "", None),
            (
                "git-rebase-todo",
                "pick 1\nexec make\n",
                Some("runs `exec make`"),
            ),
            ("git-rebase-todo", " \tx\tmake\r\n", Some("runs `x\\tmake`")),
            ("git-rebase-todo", "x", Some("runs `x`")),
            ("git-rebase-todo", "executable\nxx a\n", None),
            (
                "git-rebase-todo",
                "x 1\nx 2\nx 3\nbreak\nx 4\nx 5\n",
                Some("runs `x 1` `x 2` `x 3` and 2 more"),
            ),
            (
                "git-rebase-todo",
                "x \u{1b}[2J\n",
                Some("runs `x \\u{1b}[2J`"),
            ),
            (
                "git-rebase-todo",
                "x a` and nothing else `b\n",
                Some("runs `x a\\u{60} and nothing else \\u{60}b`"),
            ),
            ("strategy", "ort\n", None),
            ("strategy", "\n", None),
            ("strategy", "../x\n", Some("runs `../x`")),
            (
                "opts",
                "[options]\n\tstrategy = ours\n\tedit = true\n",
                None,
            ),
            (
                "opts",
                "[options]\n\tstrategy = ../x\n",
                Some("runs `../x`"),
            ),
            (
                "opts",
                "[Options]\n\tStrategy=\"a\"\n\tstrategy = ort\n",
                Some("runs `a`"),
            ),
            ("opts", "[options", Some("runs `[options`")),
        ] {
            let path = Path::new("/w/.git/x").join(name);
            let found = git_pending(&path, content.as_bytes()).map(|it| it.kind.to_string());
            assert_eq!(found.as_deref(), expected, "{name} {content:?}");
        }
    }

    #[test]
    fn a_line_is_told_in_part() {
        let content = [b"x ".as_slice(), &[b'y'; 10_000]].concat();
        let change = git_pending("/rebase-merge/git-rebase-todo".as_ref(), &content).unwrap();
        assert!(change.to_string().len() < 300);
    }
}
