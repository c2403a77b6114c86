//! Patterns of a policy as regular expressions.

use super::spelling::{self, Atom, Atoms, Letters};

/// A component of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Any number of components.
    Many,
    /// One of any name.
    One,
    /// One whose name matches.
    Name {
        atoms: Atoms,
        /// Whether other names match, too.
        is_wild: bool,
    },
}

/// So many ways of counting the components of a pattern are written out.
const MAX_WAYS: usize = 64;

/// The components of a pattern. `None` where it can't be said: a class that is not these characters, and has one of them that
/// dialects of regular expressions disagree about.
pub(super) fn parts(pattern: &str, letters: Letters) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for component in pattern.split('/') {
        if component != "**" {
            parts.push(name(component, letters)?);
        } else if parts.last() != Some(&Part::Many) {
            parts.push(Part::Many);
        }
    }
    // At the end it is what is below, not the directory itself.
    if parts.last() == Some(&Part::Many) {
        parts.push(Part::One);
    }
    Some(parts)
}

fn name(component: &str, letters: Letters) -> Option<Part> {
    let mut atoms = Vec::new();
    let mut plain = String::new();
    let mut is_wild = false;
    let mut rest = component.chars();
    while let Some(letter) = rest.next() {
        let special: Atom = match letter {
            '*' => "[^/]*".into(),
            '?' => "[^/]".into(),
            '[' => {
                let class = Class::read(&mut rest)?;
                if let Some(only) = class.only() {
                    plain.push(only);
                    continue;
                }
                class.regex(letters)?.into()
            }
            letter => {
                plain.push(letter);
                continue;
            }
        };
        atoms.extend(spelling::text(&std::mem::take(&mut plain), letters));
        is_wild = true;
        // Two of them are one.
        if letter != '*' || atoms.last() != Some(&special) {
            atoms.push(special);
        }
    }
    atoms.extend(spelling::text(&plain, letters));
    Some(Part::Name { atoms, is_wild })
}

/// What stands between brackets.
struct Class {
    is_negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    /// Reads on after `[`.
    fn read(rest: &mut std::str::Chars<'_>) -> Option<Self> {
        let text = rest.as_str();
        let is_negated = text.starts_with(['!', '^']);
        let inside = text.get(usize::from(is_negated)..)?;
        // A `]` in the first place is a member.
        let first = inside.chars().next()?.len_utf8();
        let end = inside.get(first..)?.find(']')? + first;
        let members: Vec<char> = inside.get(..end)?.chars().collect();
        *rest = inside.get(end + 1..)?.chars();
        let mut ranges = Vec::new();
        let mut at = members.as_slice();
        while let Some((from, after)) = at.split_first() {
            if let ['-', to, after @ ..] = after {
                ranges.push((*from, *to));
                at = after;
            } else {
                ranges.push((*from, *from));
                at = after;
            }
        }
        Some(Self { is_negated, ranges })
    }

    /// The one character that it is.
    fn only(&self) -> Option<char> {
        match self.ranges.as_slice() {
            [(from, to)] if from == to && !self.is_negated => Some(*from),
            _ => None,
        }
    }

    fn regex(&self, letters: Letters) -> Option<String> {
        let has = |letter: char| {
            let is_in = |letter: char| {
                let mut ranges = self.ranges.iter();
                ranges.any(|(from, to)| (*from..=*to).contains(&letter))
            };
            let is_other = letters == Letters::Any && !self.is_negated;
            is_in(letter)
                || is_other
                    && (is_in(letter.to_ascii_lowercase()) || is_in(letter.to_ascii_uppercase()))
        };
        let members: Vec<char> = ('\u{1}'..='\u{7f}')
            .filter(|letter| *letter != '/' && has(*letter))
            .collect();
        let is_plain = |letter: &char| !matches!(letter, ']' | '\\' | '^' | '-' | '[');
        if !self.is_negated {
            let all: Vec<String> = members.iter().copied().map(spelling::literal).collect();
            if members.iter().all(is_plain) {
                return Some(format!("[{}]", members.iter().collect::<String>()));
            }
            return Some(format!("({})", all.join("|")));
        }
        if members.iter().all(is_plain) {
            return Some(format!("[^/{}]", members.iter().collect::<String>()));
        }
        // More than it matches may be denied, not allowed.
        (letters == Letters::Any).then(|| "[^/]".to_owned())
    }
}

/// Whether a directory below the pattern's own can hold what matches, and be neither matched nor on a way that has a name.
pub(super) fn lets_directories_move(parts: &[Part]) -> bool {
    match parts {
        [Part::Many, next, ..] => !next.is_any(),
        _ => false,
    }
}

impl Part {
    /// Whether it is a component of any name.
    fn is_any(&self) -> bool {
        match self {
            Self::Many => false,
            Self::One => true,
            Self::Name { atoms, .. } => {
                matches!(atoms.concat().as_str(), "[^/]*" | "[^/][^/]*" | "[^/]*[^/]")
            }
        }
    }
}

/// The components as one pattern below a directory.
pub(super) fn below(directory: &[Atom], parts: &[Part]) -> Atoms {
    let mut atoms = directory.to_vec();
    atoms.push("/".into());
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        match part {
            Part::Many => {
                atoms.push("([^/]+/)*".into());
                continue;
            }
            Part::One => atoms.push("[^/]+".into()),
            Part::Name { atoms: name, .. } => atoms.extend(name.iter().cloned()),
        }
        if !is_last {
            atoms.push("/".into());
        }
    }
    atoms
}

/// The pattern where what it matches has at least `least` components, and at most so many. `None` if there are too many ways.
pub(super) fn counted(parts: &[Part], least: usize, most: Option<usize>) -> Option<Vec<Vec<Part>>> {
    let many = parts.iter().filter(|part| **part == Part::Many).count();
    let fixed = parts.len() - many;
    let mut ways = Vec::new();
    match most {
        Some(most) => {
            for total in least.max(fixed)..=most {
                spread(parts, many, total - fixed, true, Vec::new(), &mut ways)?;
            }
        }
        None if many == 0 => ways.extend((fixed >= least).then(|| parts.to_vec())),
        None => spread(
            parts,
            many,
            least.saturating_sub(fixed),
            false,
            Vec::new(),
            &mut ways,
        )?,
    }
    Some(ways)
}

/// Shares `count` components among what may be any number; if not `exactly`, at least so many.
fn spread(
    parts: &[Part],
    many: usize,
    count: usize,
    exactly: bool,
    mut done: Vec<Part>,
    ways: &mut Vec<Vec<Part>>,
) -> Option<()> {
    if ways.len() > MAX_WAYS {
        return None;
    }
    let Some(at) = parts.iter().position(|part| *part == Part::Many) else {
        done.extend_from_slice(parts);
        if count == 0 || !exactly {
            ways.push(done);
        }
        return Some(());
    };
    let (before, rest) = parts.split_at(at);
    let rest = rest.get(1..).unwrap_or_default();
    done.extend_from_slice(before);
    let with = |ones: usize, more: bool| {
        let mut with = done.clone();
        with.extend(std::iter::repeat_n(Part::One, ones));
        with.extend(more.then_some(Part::Many));
        with
    };
    if many == 1 {
        return spread(rest, 0, 0, exactly, with(count, !exactly), ways);
    }
    if exactly {
        for ones in 0..=count {
            spread(rest, many - 1, count - ones, true, with(ones, false), ways)?;
        }
        return Some(());
    }
    for ones in 0..count {
        spread(rest, many - 1, count - ones, false, with(ones, false), ways)?;
    }
    spread(rest, many - 1, 0, false, with(count, true), ways)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str, letters: Letters) -> Option<String> {
        Some(below(&["^/w".into()], &parts(pattern, letters)?).concat())
    }

    #[test]
    fn a_pattern_is_the_same_as_a_regular_expression() {
        for (pattern, expected) in [
            ("*.pem", r"^/w/[^/]*\.pem"),
            ("**/.env", r"^/w/([^/]+/)*\.env"),
            ("**/**/x", "^/w/([^/]+/)*x"),
            ("a/**", "^/w/a/([^/]+/)*[^/]+"),
            ("**", "^/w/([^/]+/)*[^/]+"),
            ("a?b", "^/w/a[^/]b"),
            ("??", "^/w/[^/][^/]"),
            ("[a-c]x", "^/w/[abc]x"),
            ("[!a-c]x", "^/w/[^/abc]x"),
            ("[*][[]x?", r"^/w/\*\[x[^/]"),
            ("[]a]x", r"^/w/(\]|a)x"),
            ("a*+", r"^/w/a[^/]*\+"),
        ] {
            assert_eq!(
                regex(pattern, Letters::Same).as_deref(),
                Some(expected),
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_is_denied_is_denied_in_other_letters() {
        for (pattern, expected) in [
            ("*.k", r"^/w/[^/]*\.[kK]"),
            ("[ab]?", "^/w/[ABab][^/]"),
            ("[!a]?", "^/w/[^/a][^/]"),
            ("[!-]?", "^/w/[^/][^/]"),
        ] {
            assert_eq!(
                regex(pattern, Letters::Any).as_deref(),
                Some(expected),
                "{pattern}"
            );
        }
        assert_eq!(regex("[!-]?", Letters::Same), None);
    }

    #[test]
    fn components_are_counted() {
        let ways = |pattern, least, most| {
            let ways = counted(&parts(pattern, Letters::Same).unwrap(), least, most).unwrap();
            let ways = ways.iter().map(|parts| below(&[], parts).concat());
            ways.collect::<Vec<_>>()
        };
        assert_eq!(ways("*", 2, None), [""; 0]);
        assert_eq!(ways("*", 0, Some(1)), ["/[^/]*"]);
        assert_eq!(ways("**/a", 0, Some(2)), ["/a", "/[^/]+/a"]);
        assert_eq!(ways("**/a", 3, None), ["/[^/]+/[^/]+/([^/]+/)*a"]);
        assert_eq!(ways("**/a", 1, None), ["/([^/]+/)*a"]);
        let both = ["/a/[^/]+/([^/]+/)*b", "/[^/]+/([^/]+/)*a/([^/]+/)*b"];
        assert_eq!(ways("**/a/**/b", 3, None), both);
        assert_eq!(ways("**/a/**/b", 3, Some(3)), ["/a/[^/]+/b", "/[^/]+/a/b"]);
    }
}
