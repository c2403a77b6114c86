//! How many lines differ between two contents of a file: what `git diff --numstat --minimal` counts, or fewer, since that leaves out of
//! its search some lines that a file has very often.
//!
//! The attack: two contents for which that takes hours. So the work is bounded, and what is beyond has no count.

use std::collections::{HashMap, HashSet};

/// In how much of a file a NUL makes it no text, as for git (`buffer_is_binary` of its `xdiff-interface.c`).
const LOOKED_AT: usize = 8000;

/// Lines that differ between two contents of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two numbers, to be taken apart")]
pub struct Lines {
    /// Only in the later one.
    pub added: usize,
    /// Only in the earlier one.
    pub removed: usize,
}

impl Lines {
    /// Counts them. `None` where one of the two is no text, or it would take more than so many `steps`, of which it takes what it
    /// needs: a million are some milliseconds.
    ///
    /// ```
    /// use sandbox_core::Lines;
    ///
    /// let lines = Lines::between(b"a\nb\nc\n", b"a\nx\nc\nd\n", &mut 1_000_000);
    /// assert_eq!(lines, Some(Lines { added: 2, removed: 1 }));
    /// ```
    #[must_use]
    pub fn between(before: &[u8], after: &[u8], steps: &mut usize) -> Option<Self> {
        let is_binary = |content: &[u8]| content.iter().take(LOOKED_AT).any(|byte| *byte == 0);
        if is_binary(before) || is_binary(after) {
            return None;
        }
        // A line without an end is another line, as for git.
        let lines = |content| -> Vec<&[u8]> {
            <[u8]>::split_inclusive(content, |byte| *byte == b'\n').collect()
        };
        let (old, new) = (lines(before), lines(after));
        // What the other has nowhere is no part of what both have, however that is chosen.
        let number: HashMap<&[u8], usize> = old.iter().copied().zip(0..).collect();
        let in_new: HashSet<&[u8]> = new.iter().copied().collect();
        let shared = |lines: &[&[u8]]| -> Vec<usize> {
            let shared = lines.iter().filter(|line| in_new.contains(*line));
            shared
                .filter_map(|line| number.get(line).copied())
                .collect()
        };
        let (old_shared, new_shared) = (shared(&old), shared(&new));
        let edits = edits(&old_shared, &new_shared, steps)?;
        // Each line that is not of one alone is in both.
        let both = (old_shared.len() + new_shared.len()).checked_sub(edits)? / 2;
        Some(Self {
            added: new.len().checked_sub(both)?,
            removed: old.len().checked_sub(both)?,
        })
    }
}

/// The least number of lines to take out and to put in (E. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986).
fn edits(old: &[usize], new: &[usize], steps: &mut usize) -> Option<usize> {
    let same = |at: usize, to: usize| {
        let pair = old.get(at).zip(new.get(to));
        pair.is_some_and(|(old, new)| old == new)
    };
    let most = old.len() + new.len();
    // How far each diagonal leads in `old`, those to the left and to the right of the middle; one more on each side.
    let middle = most + 1;
    let mut furthest = vec![0_usize; 2 * most + 3];
    for distance in 0..=most {
        for right in (0..=2 * distance).step_by(2) {
            let diagonal = middle + right - distance;
            let (left, above) = (*furthest.get(diagonal - 1)?, *furthest.get(diagonal + 1)?);
            let is_down = right == 0 || right != 2 * distance && left < above;
            let mut at = if is_down { above } else { left + 1 };
            // The place in `new`; outside of it nothing is the same.
            let place = |at: usize| (at + middle).checked_sub(diagonal);
            while place(at).is_some_and(|to| same(at, to)) {
                at += 1;
                *steps = steps.checked_sub(1)?;
            }
            *furthest.get_mut(diagonal)? = at;
            if at >= old.len() && place(at).is_some_and(|to| to >= new.len()) {
                return Some(distance);
            }
            *steps = steps.checked_sub(1)?;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn lines(before: &str, after: &str) -> Option<(usize, usize)> {
        let lines = Lines::between(before.as_bytes(), after.as_bytes(), &mut 1_000_000);
        lines.map(|lines| (lines.added, lines.removed))
    }

    /// By the longest common subsequence, from its definition.
    fn fewest(before: &str, after: &str) -> (usize, usize) {
        let old: Vec<_> = before.split_inclusive('\n').collect();
        let new: Vec<_> = after.split_inclusive('\n').collect();
        let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
        for (at, line) in old.iter().enumerate() {
            for (to, other) in new.iter().enumerate() {
                common[at + 1][to + 1] = if line == other {
                    common[at][to] + 1
                } else {
                    common[at][to + 1].max(common[at + 1][to])
                };
            }
        }
        let both = common[old.len()][new.len()];
        (new.len() - both, old.len() - both)
    }

    #[test]
    fn lines_of_one_alone_are_counted() {
        for (before, after, expected) in [
            ("", "", (0, 0)),
            ("", "a\nb\n", (2, 0)),
            ("a\nb\n", "", (0, 2)),
            ("a\nb\nc\n", "a\nb\nc\n", (0, 0)),
            ("a\nb\nc\n", "c\na\nb\n", (1, 1)),
            ("a\n", "a", (1, 1)),
            ("a\na\nb\n", "a\nb\nb\n", (1, 1)),
            ("a\nb\na\nb\n", "b\na\nb\na\n", (1, 1)),
            // Here git says (21, 8).
            (
                "ac\na\n\na\na\na\nba\na",
                "aab\n\n\n\n\n\n\nab\n\n\n\n\nc\n\n\n\n\n\nca\nca\n\n",
                (20, 7),
            ),
        ] {
            assert_eq!(lines(before, after), Some(expected), "{before:?} {after:?}");
        }
        assert_eq!(lines("a\0\n", "a\n"), None);
    }

    /// It is turned round, and has every line many times.
    #[test]
    fn what_takes_too_long_has_no_count() {
        let text = |line: fn(usize) -> usize| {
            let lines = (0..60_000).map(|number| line(number).to_string());
            lines.collect::<Vec<_>>().join("\n") + "\n"
        };
        let before = text(|number| number * number % 97);
        let after = text(|number| (7 * number + 3) * (7 * number + 3) % 97 + number % 3);
        assert_eq!(lines(&before, &after), None);
        let other = text(|number| number + 1000);
        assert_eq!(lines(&before, &other), Some((60_000, 60_000)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
        /// What both have in common is as long as can be; git finds no more, and often as much.
        #[test]
        fn git_counts_no_fewer(before in "[a-d\n]{0,60}", after in "[a-d\n]{0,60}") {
            let place = tempfile::Builder::new().prefix("sandbox-test-").tempdir().unwrap();
            for (name, content) in [("before", &before), ("after", &after)] {
                std::fs::write(place.path().join(name), content).unwrap();
            }
            let mut git = Command::new("git");
            git.args(["diff", "--no-index", "--minimal", "--numstat", "before", "after"]);
            git.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", place.path());
            let Ok(output) = git.current_dir(place.path()).output() else {
                println!("skipped: needs git");
                return Ok(());
            };
            let text = String::from_utf8(output.stdout).unwrap();
            let mut numbers = text.split('\t').map(|number| number.parse().unwrap_or_default());
            let expected = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
            let found = lines(&before, &after);
            prop_assert_eq!(found, Some(fewest(&before, &after)));
            let (added, removed) = found.unwrap_or_default();
            prop_assert!(added <= expected.0 && added + expected.1 == removed + expected.0, "git: {expected:?}");
        }
    }
}
