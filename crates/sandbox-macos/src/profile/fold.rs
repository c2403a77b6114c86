//! Many patterns in few texts: what begins alike is written once, and no text is longer than Seatbelt takes.

use super::sbpl::Filter;
use super::spelling::{Atom, Atoms};

/// A text of 1,025 bytes or more is refused, and nobody says whether before or after its escapes are read.
pub(super) const LIMIT: usize = 1000;
/// Any component and the slash behind it.
const SKIPPED: &str = "[^/]+/";
/// The end of a pattern of a path and all below it.
pub(super) const BELOW: &str = "($|/)";
/// The end of a pattern of single paths.
pub(super) const HERE: &str = "$";

/// What a branch may need around it: brackets, a bar, a question mark.
const AROUND: usize = 3;

/// Filters that match what one of these patterns matches, each with which patterns it stands for. `None` where one is too long.
pub(super) fn fold(patterns: &[Atoms], end: &str) -> Option<Vec<(Filter, Vec<usize>)>> {
    let mut filters = Vec::new();
    let mut short: Vec<Pattern<'_>> = Vec::with_capacity(patterns.len());
    for (at, pattern) in patterns.iter().enumerate() {
        let whole = |size: fn(&str) -> usize| pattern.iter().map(|atom| size(atom)).sum::<usize>();
        // Most are so short that nothing is counted.
        let may_be_long = 2 * whole(str::len) + end.len() > LIMIT;
        if may_be_long && whole(size) + end.len() > LIMIT {
            filters.push((in_parts(pattern, end)?, vec![at]));
        } else {
            short.push((at, pattern));
        }
    }
    short.sort_by_key(|(_, pattern)| *pattern);
    let texts = texts(&short, 0, LIMIT - end.len()).into_iter();
    filters.extend(texts.map(|text| (Filter::Regex(text.regex + end), text.members)));
    Some(filters)
}

/// How long a text is in a profile, where each backslash is written twice.
fn size(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| *byte == b'\\').count()
}

/// A pattern, and which one it is.
type Pattern<'a> = (usize, &'a [Atom]);

/// One text for several patterns.
struct Text {
    regex: String,
    members: Vec<usize>,
}

/// What follows in patterns that are in order and alike before `from`: as few texts as have no more than so much room each. That of a single
/// pattern is as long as it is.
fn texts(patterns: &[Pattern<'_>], from: usize, room: usize) -> Vec<Text> {
    let ([(_, first), ..], [.., (_, last)]) = (patterns, patterns) else {
        return Vec::new();
    };
    // In order, what the first and the last have in common all have.
    let both = first.iter().zip(last.iter()).skip(from);
    let at = from + both.take_while(|(a, b)| a == b).count();
    let beginning = first.get(from..at).unwrap_or_default().concat();
    // The shortest come first.
    let ended = patterns
        .iter()
        .take_while(|(_, pattern)| pattern.len() == at);
    let (ended, longer) = patterns.split_at(ended.count());
    let room = room.saturating_sub(size(&beginning) + AROUND);
    let branches = branches(longer, at, room);
    let mut texts: Vec<Text> = Vec::new();
    let mut ended: Vec<usize> = ended.iter().map(|(at, _)| *at).collect();
    let mut rest = branches.as_slice();
    while !rest.is_empty() || !ended.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|branch| {
            bytes += branch.size + 1;
            bytes <= room + 1
        });
        // One by itself needs nothing around it.
        let least = usize::from(ended.is_empty());
        let count = fitting.count().max(least).min(rest.len());
        let (some, others) = rest.split_at(count);
        rest = others;
        let mut text = Text {
            regex: beginning.clone(),
            members: std::mem::take(&mut ended),
        };
        write(some, !text.members.is_empty(), &mut text.regex);
        text.members
            .extend(some.iter().flat_map(|branch| &branch.members));
        texts.push(text);
    }
    texts
}

/// The ways on in patterns that part at `at`.
fn branches<'a>(patterns: &[Pattern<'a>], at: usize, room: usize) -> Vec<Branch<'a>> {
    let mut branches: Vec<Branch<'_>> = Vec::new();
    for group in patterns.chunk_by(|(_, a), (_, b)| a.get(at) == b.get(at)) {
        let Some(head) = group.first().and_then(|(_, pattern)| pattern.get(at)) else {
            continue;
        };
        let letters = letters(head);
        for Text {
            regex: rest,
            members,
        } in texts(group, at + 1, room.saturating_sub(size(head)))
        {
            // What goes on alike after one letter or another is written once.
            let alike = branches.iter_mut().find(|branch| {
                branch.letters.is_some() && branch.rest == rest && branch.size + AROUND <= room
            });
            match (letters, alike) {
                (Some(letters), Some(branch)) => {
                    branch.size += letters.len() + if branch.more.is_empty() { 2 } else { 0 };
                    branch.more.push(letters);
                    branch.members.extend(members);
                }
                _ => branches.push(Branch {
                    head,
                    letters,
                    more: Vec::new(),
                    size: size(head) + size(&rest),
                    rest,
                    members,
                }),
            }
        }
    }
    branches
}

/// One way on in patterns.
struct Branch<'a> {
    head: &'a Atom,
    /// Which letters or digits it begins with, if it is one of some.
    letters: Option<&'a str>,
    /// Others that go on in the same way.
    more: Vec<&'a str>,
    rest: String,
    /// How long it is.
    size: usize,
    members: Vec<usize>,
}

/// What goes on in one of these ways, or may as well be at its end.
fn write(branches: &[Branch<'_>], is_end: bool, regex: &mut String) {
    let is_bare = match branches {
        [] => return,
        [only] => !is_end || only.letters.is_some() && only.rest.is_empty(),
        _ => false,
    };
    regex.push_str(if is_bare { "" } else { "(" });
    for (at, branch) in branches.iter().enumerate() {
        regex.push_str(if at > 0 { "|" } else { "" });
        match branch.letters {
            Some(letters) if !branch.more.is_empty() => {
                let all = std::iter::once(letters).chain(branch.more.iter().copied());
                write_class(all, regex);
            }
            _ => regex.push_str(branch.head),
        }
        regex.push_str(&branch.rest);
    }
    regex.push_str(if is_bare { "" } else { ")" });
    regex.push_str(if is_end { "?" } else { "" });
}

/// One of these letters; digits that follow each other are a range.
fn write_class<'a>(letters: impl Iterator<Item = &'a str>, regex: &mut String) {
    let (mut digits, others): (Vec<char>, Vec<char>) =
        letters.flat_map(str::chars).partition(char::is_ascii_digit);
    digits.sort_unstable();
    regex.push('[');
    for run in digits.chunk_by(|a, b| *a as u32 + 1 == *b as u32) {
        match run {
            [first, _, .., last] => regex.extend([*first, '-', *last]),
            run => regex.extend(run),
        }
    }
    regex.extend(others);
    regex.push(']');
}

/// Which letters or digits it is.
fn letters(atom: &Atom) -> Option<&str> {
    let inside = atom
        .strip_prefix('[')
        .and_then(|atom| atom.strip_suffix(']'));
    let letters = match inside {
        Some(inside) => inside,
        None if atom.len() == 1 => &**atom,
        None => return None,
    };
    let is_plain = letters.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then_some(letters)
}

/// A pattern that is too long, as several that all have to match: each spells some components and passes over those before.
fn in_parts(pattern: &[Atom], end: &str) -> Option<Filter> {
    let (head, rest) = match pattern.iter().position(|atom| **atom == *"/") {
        Some(at) => pattern.split_at(at + 1),
        None => return None,
    };
    // Where the number of components is not known, none can be passed over.
    let is_many = |atom: &Atom| atom.contains("(/") || atom.contains("/)");
    if rest.iter().any(is_many) {
        return None;
    }
    let names: Vec<String> = rest
        .split(|atom| **atom == *"/")
        .map(<[_]>::concat)
        .collect();
    let head = head.concat();
    let mut parts = Vec::new();
    let mut from = 0;
    while from < names.len() {
        let mut regex = head.clone() + &SKIPPED.repeat(from);
        let mut to = from;
        while let Some(name) = names.get(to) {
            if to > from && size(&regex) + size(name) + 1 + end.len() > LIMIT {
                break;
            }
            regex.push_str(name);
            to += 1;
            if to < names.len() {
                regex.push('/');
            }
        }
        if to == names.len() {
            regex.push_str(end);
        }
        if size(&regex) > LIMIT {
            return None;
        }
        parts.push(Filter::Regex(regex));
        from = to;
    }
    Some(Filter::All(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atoms(text: &str) -> Atoms {
        text.chars()
            .map(|letter| letter.to_string().into())
            .collect()
    }

    #[test]
    fn what_begins_alike_is_written_once() {
        for (patterns, expected) in [
            (vec!["abc"], "abc$"),
            (vec!["abd", "abc"], "ab[cd]$"),
            (vec!["ab", "abc", "abcd"], "ab(cd?)?$"),
            (vec!["a0b", "a1b", "a2b", "a3"], "a([0-2]b|3)$"),
            (vec!["9", "x", "8", "0", "7"], "[07-9x]$"),
            (vec!["", "0", "1"], "[01]?$"),
            (vec!["xa", "xb", "xbc", "y"], "(x(a|bc?)|y)$"),
        ] {
            let patterns: Vec<_> = patterns.into_iter().map(atoms).collect();
            let folded = fold(&patterns, HERE).unwrap();
            let all: Vec<usize> = (0..patterns.len()).collect();
            let [(Filter::Regex(regex), members)] = folded.as_slice() else {
                panic!("{folded:?}");
            };
            let mut members = members.clone();
            members.sort_unstable();
            assert_eq!((regex.as_str(), members), (expected, all));
        }
    }

    #[test]
    fn no_text_is_longer_than_what_is_taken_and_none_is_lost() {
        let patterns: Vec<_> = (0..1000)
            .map(|at| atoms(&format!("/w/{}/x{at}", at % 7)))
            .collect();
        let folded = fold(&patterns, BELOW).unwrap();
        let mut members: Vec<usize> = folded
            .iter()
            .flat_map(|(_, members)| members.clone())
            .collect();
        members.sort_unstable();
        assert_eq!(members, (0..1000).collect::<Vec<_>>());
        let length = |filter: &Filter| match filter {
            Filter::Regex(regex) => regex.len(),
            other => panic!("{other}"),
        };
        assert!(folded.iter().all(|(filter, _)| length(filter) <= LIMIT));
        // Folded well below a text for each.
        assert!(folded.len() < 4, "{}", folded.len());
    }

    #[test]
    fn what_is_parted_again_is_not_too_long_either() {
        // Those that end alike are written once until one of them goes on.
        for length in (100..400).step_by(5) {
            let alike = "r".repeat(length);
            let patterns = ('a'..='z').enumerate().flat_map(|(at, letter)| {
                let base = format!("/{letter}{alike}");
                let longer = (at % 3 == 0).then(|| format!("{base}{at}"));
                std::iter::once(base).chain(longer)
            });
            let patterns: Vec<_> = patterns.map(|text| atoms(&text)).collect();
            let folded = fold(&patterns, BELOW).unwrap();
            let mut members: Vec<usize> = Vec::new();
            for (filter, some) in folded {
                let Filter::Regex(regex) = filter else {
                    panic!("{filter}");
                };
                assert!(regex.len() <= LIMIT, "{}", regex.len());
                members.extend(some);
            }
            members.sort_unstable();
            assert_eq!(members, (0..patterns.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_long_path_is_spelled_in_parts() {
        let long = format!(
            "^/{}/{}/{}",
            "a".repeat(450),
            "b".repeat(450),
            "c".repeat(300)
        );
        let folded = fold(&[atoms(&long)], BELOW).unwrap();
        let [(Filter::All(parts), _)] = folded.as_slice() else {
            panic!("{folded:?}");
        };
        let texts: Vec<_> = parts.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].starts_with("(regex \"^/aaa") && texts[0].ends_with("bbb/\")"));
        assert!(
            texts[1].starts_with("(regex \"^/[^/]+/[^/]+/ccc") && texts[1].ends_with("c($|/)\")")
        );
        // The control: nothing is passed over in a single component that is too long.
        assert!(fold(&[atoms(&format!("/{}", "a".repeat(1100)))], BELOW).is_none());
    }
}
