//! The spellings of a path that mean the same: other letters, composed or not, by another way.
//!
//! APFS keeps a name as it was written and takes `.VSCODE` for `.vscode` and e + ´ for é; which of them the kernel hands to Seatbelt is
//! whatever the name was made or looked up by. So what is denied is denied in every spelling, and what is allowed is allowed
//! in its own.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::ops::Deref;
use std::sync::LazyLock;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// What a pattern of paths is made of: a regular expression by itself. Most are one of few, and a thousand rules are quickly copied and
/// compared.
#[derive(Clone, Debug, Eq)]
pub(super) struct Atom(Cow<'static, str>);
/// A pattern.
pub(super) type Atoms = Vec<Atom>;

impl Deref for Atom {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Atom {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&'static str> for Atom {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Atom {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Atom {
    /// Whether it is the same text in the same place, which need not be looked at.
    fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.as_ptr(), other.as_ptr()) && self.len() == other.len()
    }
}

impl PartialEq for Atom {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || **self == **other
    }
}

impl Ord for Atom {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_same(other) {
            return Ordering::Equal;
        }
        (**self).cmp(&**other)
    }
}

impl PartialOrd for Atom {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where the volume of data is also found (firmlinks(5)).
const DATA: &str = "/System/Volumes/Data";
/// The beginning of a path, there or not.
const ANYWHERE: &str = "^(/System/Volumes/Data)?";
/// Links of the root directory into `/private`.
const PRIVATE: [&str; 3] = ["tmp", "var", "etc"];

/// Whether other letters count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    /// For what is denied.
    Any,
    /// For what is allowed.
    Same,
}

/// A path in every spelling, as the beginning of a regular expression; empty for the root directory.
pub(super) fn path(path: &str, letters: Letters) -> Atoms {
    let mut rest = path;
    // A name is about to follow.
    let mut atoms = Vec::with_capacity(path.len() + 32);
    if letters == Letters::Any {
        rest = strip(rest, DATA).unwrap_or(rest);
        atoms.push(ANYWHERE.into());
    } else {
        atoms.push("^".into());
    }
    let real = strip(rest, "/private").filter(|rest| is_linked(rest));
    if real.is_some() || is_linked(rest) {
        rest = real.unwrap_or(rest);
        atoms.push("(/private)?".into());
    }
    if rest != "/" {
        add_text(&mut atoms, rest, letters);
    }
    atoms
}

/// The same for all spellings of a path: by it two rules are known to be about one place.
pub(super) fn key(path: &str) -> String {
    let rest = strip(path, DATA).unwrap_or(path);
    let real = strip(rest, "/private").filter(|rest| is_linked(rest));
    composed(real.unwrap_or(rest)).to_lowercase()
}

/// A path that is allowed, by each way and in both forms.
pub(super) fn allowed(path: &str) -> Vec<String> {
    let mut ways = vec![path.to_owned()];
    match strip(path, "/private").filter(|rest| is_linked(rest)) {
        Some(rest) => ways.push(rest.to_owned()),
        None if is_linked(path) => ways.push(format!("/private{path}")),
        None => {}
    }
    if path.is_ascii() {
        return ways;
    }
    let mut all = Vec::new();
    for way in ways {
        for form in forms(&way) {
            if !all.contains(&form) {
                all.push(form);
            }
        }
    }
    all
}

/// What follows a directory in a path, in whatever letters it is written.
fn strip<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    let (first, rest) = path.split_at_checked(directory.len())?;
    (first.eq_ignore_ascii_case(directory) && rest.starts_with('/')).then_some(rest)
}

fn is_linked(path: &str) -> bool {
    let name = path.split('/').nth(1).unwrap_or_default();
    PRIVATE
        .iter()
        .any(|linked| name.eq_ignore_ascii_case(linked))
}

fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// As it is, composed, and not.
fn forms(text: &str) -> [String; 3] {
    let composed = composed(text);
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(text);
    [
        text.to_owned(),
        composed.into_owned(),
        decomposed.into_owned(),
    ]
}

/// A text, letter by letter.
pub(super) fn text(text: &str, letters: Letters) -> Atoms {
    let mut atoms = Vec::with_capacity(text.len());
    add_text(&mut atoms, text, letters);
    atoms
}

fn add_text(atoms: &mut Atoms, text: &str, letters: Letters) {
    let (composed, ascii) = (composed(text), &*ASCII);
    let mut rest = composed.chars().peekable();
    while let Some(letter) = rest.next() {
        let is_s = |letter: &char| letter.eq_ignore_ascii_case(&'s');
        atoms.push(match (ascii.get(letter as usize), letters) {
            (Some(_), Letters::Any) if is_s(&letter) && rest.next_if(is_s).is_some() => {
                "([sS][sS]|ß|ẞ)".into()
            }
            (Some([same, _]), Letters::Same) => same.as_str().into(),
            (Some([_, any]), Letters::Any) => any.as_str().into(),
            (None, _) => other(letter, letters),
        });
    }
}

/// Each character of ASCII, by itself and in both cases.
static ASCII: LazyLock<Vec<[String; 2]>> = LazyLock::new(|| {
    let both = |letter: char| {
        let (small, capital) = (letter.to_ascii_lowercase(), letter.to_ascii_uppercase());
        if small == capital {
            return literal(letter);
        }
        format!("[{small}{capital}]")
    };
    ('\0'..='\x7f')
        .map(|letter| [literal(letter), both(letter)])
        .collect()
});

/// One that is not of ASCII.
fn other(letter: char, letters: Letters) -> Atom {
    let cases = match letters {
        Letters::Same => vec![letter.to_string()],
        Letters::Any => vec![
            letter.to_string(),
            letter.to_lowercase().to_string(),
            letter.to_uppercase().to_string(),
        ],
    };
    let mut all = Vec::new();
    for form in cases.iter().flat_map(|case| forms(case)) {
        let form: String = form.chars().map(literal).collect();
        if !all.contains(&form) {
            all.push(form);
        }
    }
    match all.as_slice() {
        [only] => only.clone().into(),
        _ => format!("({})", all.join("|")).into(),
    }
}

/// A character that stands for itself.
pub(super) fn literal(letter: char) -> String {
    let is_special = matches!(
        letter,
        '\\' | '^' | '$' | '.' | '[' | ']' | '|' | '(' | ')' | '*' | '+' | '?' | '{' | '}'
    );
    if is_special {
        format!("\\{letter}")
    } else {
        letter.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_is_denied_in_every_spelling() {
        for (written, expected) in [
            ("/", "^(/System/Volumes/Data)?"),
            ("/a.b", r"^(/System/Volumes/Data)?/[aA]\.[bB]"),
            (
                "/tmp/a",
                "^(/System/Volumes/Data)?(/private)?/[tT][mM][pP]/[aA]",
            ),
            (
                "/Private/Var",
                "^(/System/Volumes/Data)?(/private)?/[vV][aA][rR]",
            ),
            (
                "/private/a",
                "^(/System/Volumes/Data)?/[pP][rR][iI][vV][aA][tT][eE]/[aA]",
            ),
            ("/System/Volumes/Data/1", "^(/System/Volumes/Data)?/1"),
            (
                "/System/Volumes/Data2",
                "^(/System/Volumes/Data)?/[sS][yY][sS][tT][eE][mM]/[vV][oO][lL][uU][mM][eE][sS]/[dD][aA][tT][aA]2",
            ),
            (
                "/\u{e9}",
                "^(/System/Volumes/Data)?/(\u{e9}|e\u{301}|\u{c9}|E\u{301})",
            ),
            (
                "/e\u{301}",
                "^(/System/Volumes/Data)?/(\u{e9}|e\u{301}|\u{c9}|E\u{301})",
            ),
            ("/1ss", "^(/System/Volumes/Data)?/1([sS][sS]|ß|ẞ)"),
        ] {
            assert_eq!(path(written, Letters::Any).concat(), expected, "{written}");
        }
    }

    #[test]
    fn spellings_of_a_path_have_one_key() {
        for (a, b) in [
            ("/tmp/a", "/private/tmp/A"),
            ("/Users/\u{e9}", "/System/Volumes/Data/users/e\u{301}"),
            ("/private/etc", "/etc"),
        ] {
            assert_eq!(key(a), key(b));
        }
        assert_ne!(key("/tmp/a"), key("/tmp/ab"));
        assert_eq!(key("/"), "/");
    }

    #[test]
    fn what_is_allowed_is_allowed_in_its_own_letters_by_each_way() {
        for (written, expected) in [
            ("/Users/a", vec!["/Users/a"]),
            ("/tmp/a", vec!["/tmp/a", "/private/tmp/a"]),
            ("/private/etc", vec!["/private/etc", "/etc"]),
            ("/tmpx", vec!["/tmpx"]),
            ("/private/x", vec!["/private/x"]),
            ("/\u{e9}", vec!["/\u{e9}", "/e\u{301}"]),
        ] {
            assert_eq!(allowed(written), expected, "{written}");
        }
        assert_eq!(
            path("/tmp/A.", Letters::Same).concat(),
            r"^(/private)?/tmp/A\."
        );
    }
}
