//! Many patterns in few texts: what begins alike is written once, and no text is longer than Seatbelt takes.

use super::sbpl::Filter;
use super::spelling::{Atom, Atoms};

/// A text of 1,025 bytes or more is refused.
pub(super) const LIMIT: usize = 1000;
/// Any component and the slash behind it.
const SKIPPED: &str = "[^/]+/";
/// The end of a pattern of a path and all below it.
pub(super) const BELOW: &str = "($|/)";
/// The end of a pattern of single paths.
pub(super) const HERE: &str = "$";

/// Filters that match what one of these patterns matches, each with which patterns it stands for. `None` where one is too long.
pub(super) fn fold(patterns: &[Atoms], end: &str) -> Option<Vec<(Filter, Vec<usize>)>> {
    let mut order: Vec<usize> = (0..patterns.len()).collect();
    let atoms = |at: usize| patterns.get(at).map(Vec::as_slice).unwrap_or_default();
    order.sort_by(|a, b| atoms(*a).cmp(atoms(*b)));
    let mut filters = Vec::new();
    let mut some: Vec<usize> = Vec::new();
    let mut bytes = 0;
    let written = |some: &[usize]| {
        let patterns: Vec<_> = some.iter().map(|at| atoms(*at)).collect();
        as_one(&patterns, 0)
    };
    let flush = |some: &mut Vec<usize>, filters: &mut Vec<_>| {
        let mut left = vec![std::mem::take(some)];
        while let Some(mut some) = left.pop() {
            let regex = written(&some) + end;
            // What was written once for several, one more may have parted.
            if regex.len() > LIMIT && some.len() > 1 {
                left.push(some.split_off(some.len() / 2));
                left.push(some);
            } else if !some.is_empty() {
                filters.push((Filter::Regex(regex), some));
            }
        }
    };
    for at in order {
        let pattern = atoms(at);
        let whole: usize = pattern.iter().map(|atom| atom.len()).sum();
        if whole + end.len() > LIMIT {
            filters.push((in_parts(pattern, end)?, vec![at]));
            continue;
        }
        let alike = some.last().map_or(0, |last| {
            let both = pattern.iter().zip(atoms(*last));
            both.take_while(|(a, b)| a == b).count()
        });
        // What it adds, and at most two brackets, a bar and a question mark.
        let more = pattern
            .iter()
            .skip(alike)
            .map(|atom| atom.len())
            .sum::<usize>()
            + 4;
        let is_full = |bytes: usize| bytes + more + end.len() > LIMIT;
        // Most take less.
        if is_full(bytes) {
            bytes = written(&some).len();
        }
        if is_full(bytes) {
            flush(&mut some, &mut filters);
            bytes = whole;
        } else {
            bytes += more;
        }
        some.push(at);
    }
    flush(&mut some, &mut filters);
    Some(filters)
}

/// What follows in patterns that are in order and alike before `from`, as one.
fn as_one(patterns: &[&[Atom]], from: usize) -> String {
    let (Some(first), Some(last)) = (patterns.first(), patterns.last()) else {
        return String::new();
    };
    let rest = |pattern: &'_ [Atom], to: usize| pattern.get(from..to).unwrap_or_default().concat();
    if patterns.len() == 1 {
        return rest(first, first.len());
    }
    // In order, what the first and the last have in common all have.
    let both = first.iter().zip(last.iter()).skip(from);
    let at = from + both.take_while(|(a, b)| a == b).count();
    let mut regex = rest(first, at);
    // The shortest come first.
    let ended = patterns.iter().take_while(|pattern| pattern.len() == at);
    let (ended, patterns) = patterns.split_at(ended.count());
    let is_end = !ended.is_empty();
    let mut branches: Vec<Branch<'_>> = Vec::new();
    for group in patterns.chunk_by(|a, b| a.get(at) == b.get(at)) {
        let Some(head) = group.first().and_then(|pattern| pattern.get(at)) else {
            continue;
        };
        let (letters, rest) = (letters(head), as_one(group, at + 1));
        let alike = |branch: &&mut Branch<'_>| branch.letters.is_some() && branch.rest == rest;
        match (letters, branches.iter_mut().find(alike)) {
            (
                Some(more),
                Some(Branch {
                    letters: Some(letters),
                    ..
                }),
            ) => letters.push_str(more),
            (letters, _) => branches.push(Branch {
                head,
                letters: letters.map(str::to_owned),
                rest,
            }),
        }
    }
    let is_letter = |branch: &Branch<'_>| branch.letters.is_some() && branch.rest.is_empty();
    let text = branches
        .iter()
        .map(Branch::text)
        .collect::<Vec<_>>()
        .join("|");
    match branches.as_slice() {
        [] => return regex,
        [only] if is_letter(only) => regex.push_str(&text),
        _ => {
            regex.push('(');
            regex.push_str(&text);
            regex.push(')');
        }
    }
    regex.push_str(if is_end { "?" } else { "" });
    regex
}

/// One way on in a pattern.
struct Branch<'a> {
    head: &'a Atom,
    /// Any of these, where it begins with one.
    letters: Option<String>,
    rest: String,
}

impl Branch<'_> {
    fn text(&self) -> String {
        match &self.letters {
            Some(letters) if letters.len() > 1 => format!("[{letters}]{}", self.rest),
            _ => format!("{}{}", self.head, self.rest),
        }
    }
}

/// Which letters or digits it is.
fn letters(atom: &Atom) -> Option<&str> {
    let inside = atom
        .strip_prefix('[')
        .and_then(|atom| atom.strip_suffix(']'));
    let letters = match inside {
        Some(inside) => inside,
        None if atom.len() == 1 => atom,
        None => return None,
    };
    let is_plain = letters.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then_some(letters)
}

/// A pattern that is too long, as several that all have to match: each spells some components and passes over those before.
fn in_parts(pattern: &[Atom], end: &str) -> Option<Filter> {
    let (head, rest) = match pattern.iter().position(|atom| atom == "/") {
        Some(at) => pattern.split_at(at + 1),
        None => return None,
    };
    // Where the number of components is not known, none can be passed over.
    let is_many = |atom: &Atom| atom.contains("(/") || atom.contains("/)");
    if rest.iter().any(is_many) {
        return None;
    }
    let names: Vec<String> = rest.split(|atom| atom == "/").map(<[_]>::concat).collect();
    let head = head.concat();
    let mut parts = Vec::new();
    let mut from = 0;
    while from < names.len() {
        let mut regex = head.clone() + &SKIPPED.repeat(from);
        let mut to = from;
        while let Some(name) = names.get(to) {
            if to > from && regex.len() + name.len() + 1 + end.len() > LIMIT {
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
        if regex.len() > LIMIT {
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
            (vec!["a0b", "a1b", "a2b", "a3"], "a([012]b|3)$"),
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
