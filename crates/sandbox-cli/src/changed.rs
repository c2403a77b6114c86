//! What a person reads of changes when the command has ended: where programs of theirs act on what it has left.

use std::path::Path;

use sandbox_core::escaped;
use sandboxed::{Change, ChangeKind, Changes};

use crate::render;

/// More of one kind nobody reads.
const SHOWN: usize = 20;

/// The changes, in lines; names below the directory where the command ran are shown from there.
pub(crate) fn lines(changes: &Changes, directory: &Path) -> Vec<String> {
    let of = |is_one: fn(&ChangeKind) -> bool| -> Vec<&Change> {
        let all = changes.all.iter();
        all.filter(|change| is_one(&change.kind)).collect()
    };
    let name = |change: &Change| {
        let shown = render::below(&change.path, directory);
        apart(escaped(shown).to_string())
    };
    let with_kind = |change: &Change| format!("{} {}", name(change), change.kind);
    let is_repository = |kind: &ChangeKind| matches!(kind, ChangeKind::Repository);
    let is_unfinished =
        |kind: &ChangeKind| matches!(kind, ChangeKind::Pending { .. } | ChangeKind::Unread);
    let groups = [
        list(
            "changed protected files",
            &of(ChangeKind::is_protected),
            with_kind,
        ),
        list(
            "made git repositories, with what is in them",
            &of(is_repository),
            name,
        ),
        list(
            "what `git rebase --continue` or `git cherry-pick --continue` reads",
            &of(is_unfinished),
            with_kind,
        ),
    ];
    let omitted = (changes.omitted > 0).then(|| {
        format!(
            "more was made in git directories than is told: {} times; look for `.git` yourself",
            changes.omitted
        )
    });
    groups.into_iter().flatten().chain(omitted).collect()
}

/// A name that looks like more than one is quoted.
fn apart(name: String) -> String {
    if name.contains([' ', ',', '"']) {
        format!("\"{}\"", name.replace('"', "\\\""))
    } else {
        name
    }
}

fn list(what: &str, changes: &[&Change], show: impl Fn(&Change) -> String) -> Option<String> {
    let shown: Vec<_> = changes.iter().take(SHOWN).map(|it| show(it)).collect();
    let more = match changes.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!shown.is_empty()).then(|| format!("{what}: {}{more}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use sandboxed::Lines;

    use super::*;

    #[test]
    fn what_has_changed_is_a_line_for_each_kind() {
        let mut changes = Changes::default();
        assert!(lines(&changes, "/w".as_ref()).is_empty());
        let lines_of = |added, removed| Some(Lines { added, removed });
        for (path, kind) in [
            (
                "/w/.vscode/settings.json",
                ChangeKind::Edited {
                    lines: lines_of(3, 1),
                },
            ),
            (
                "/w/.vscode/\u{1b}[2J\n",
                ChangeKind::Made { lines: Some(20) },
            ),
            ("/o/.envrc", ChangeKind::Removed { lines: None }),
            ("/w/a/.git", ChangeKind::Repository),
            ("/w/b, \"c\"/.git", ChangeKind::Repository),
            (
                "/w/.git/rebase-merge/git-rebase-todo",
                ChangeKind::Pending {
                    lines: vec!["x make\u{1b}".into()],
                    count: 7,
                },
            ),
            ("/w/.git/sequencer/opts", ChangeKind::Unread),
        ] {
            changes.all.push(Change::new(path, kind));
        }
        changes.omitted = 9000;
        insta::assert_snapshot!(lines(&changes, "/w".as_ref()).join("\n"), @r#"
        changed protected files: .vscode/settings.json +3 -1, .vscode/\u{1b}[2J\n (new, +20), /o/.envrc (removed)
        made git repositories, with what is in them: a/.git, "b, \"c\"/.git"
        what `git rebase --continue` or `git cherry-pick --continue` reads: .git/rebase-merge/git-rebase-todo runs `x make\u{1b}` and 6 more, .git/sequencer/opts (too large, or no file)
        more was made in git directories than is told: 9000 times; look for `.git` yourself
        "#);
    }

    #[test]
    fn no_more_is_told_than_anybody_reads() {
        let mut changes = Changes::default();
        for number in 0..1000 {
            let path = format!("/w/{number}/.git");
            changes.all.push(Change::new(path, ChangeKind::Repository));
        }
        let lines = lines(&changes, "/w".as_ref());
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with("19/.git and 980 more"), "{}", lines[0]);
    }
}
