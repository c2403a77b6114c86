//! Which policy files a person has approved: the bytes that are used, includes too.
//!
//! The list is a text: a first line that says what it is, then a line a file, a digest and a path. What is anything else
//! is refused as a whole, since a list that is half understood says nothing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::os::{OsStrExt as _, OsStringExt as _};
use crate::policy::tidy;
use crate::{Distrust, PolicyFile};

const FIRST_LINE: &[u8] = b"approved policies 1";

/// The policy files that a person has approved.
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("sandbox.toml");
/// # std::fs::write(&path, "[files]\n'/srv' = 'read'\n").unwrap();
/// use sandbox_core::{Approvals, Distrust, PolicyFile};
///
/// let file = PolicyFile::read(&path).unwrap();
/// let mut approvals = Approvals::default();
/// assert_eq!(approvals.distrust(&file), Some(Distrust::Unapproved));
/// approvals.approve(&file);
/// assert_eq!(approvals.distrust(&file), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[must_use]
pub struct Approvals(BTreeMap<PathBuf, String>);

/// Bytes that are no list of approved policies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not that of a list of approved policies")]
#[non_exhaustive]
pub struct NotApprovals {
    /// Which line.
    pub line: usize,
}

impl Approvals {
    /// Reads a list.
    ///
    /// # Errors
    ///
    /// The first line that no list has.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotApprovals> {
        let mut approved = BTreeMap::new();
        // Every line ends: what was cut off is no list.
        let whole = bytes.strip_suffix(b"\n").unwrap_or_default();
        let mut lines = whole.split(|byte| *byte == b'\n').zip(1..);
        if lines.next().is_none_or(|(first, _)| first != FIRST_LINE) {
            return Err(NotApprovals { line: 1 });
        }
        for (text, line) in lines {
            let Some((path, digest)) = one(text) else {
                return Err(NotApprovals { line });
            };
            if approved.insert(path, digest).is_some() {
                return Err(NotApprovals { line });
            }
        }
        Ok(Self(approved))
    }

    /// The list as [`parse`](Self::parse) reads it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = FIRST_LINE.to_vec();
        bytes.push(b'\n');
        for (path, digest) in &self.0 {
            bytes.extend(digest.as_bytes());
            bytes.push(b' ');
            for &byte in path.as_os_str().as_bytes() {
                match byte {
                    b'\n' => bytes.extend(b"\\n"),
                    b'\\' => bytes.extend(b"\\\\"),
                    _ => bytes.push(byte),
                }
            }
            bytes.push(b'\n');
        }
        bytes
    }

    /// Approves the bytes that were read.
    pub fn approve(&mut self, file: &PolicyFile) {
        self.0.insert(file.path().to_owned(), digest(file));
    }

    /// Approves a file no longer, which need not be there any more; tells whether it was approved.
    pub fn withdraw(&mut self, path: &Path) -> bool {
        tidy(path).is_ok_and(|path| self.0.remove(&path).is_some())
    }

    /// Why a file is not trusted; `None` if these bytes of it are approved.
    #[must_use]
    pub fn distrust(&self, file: &PolicyFile) -> Option<Distrust> {
        match self.0.get(file.path()) {
            None => Some(Distrust::Unapproved),
            Some(approved) => (*approved != digest(file)).then_some(Distrust::Changed),
        }
    }
}

/// Of all files, with where each lies: the same bytes in another directory are other rules.
fn digest(file: &PolicyFile) -> String {
    let mut hash = Sha256::new();
    for part in file.read_parts() {
        for bytes in [part.path.as_os_str().as_bytes(), &part.bytes] {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
    }
    hash.finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Length of a digest in digits.
const DIGITS: usize = 64;

fn one(line: &[u8]) -> Option<(PathBuf, String)> {
    let (digest, path) = line.split_at_checked(DIGITS)?;
    let path = path
        .strip_prefix(b" ")
        .filter(|path| path.starts_with(b"/"))?;
    let is_digit = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    if !digest.iter().all(is_digit) {
        return None;
    }
    let mut plain = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next()? {
                b'n' => b'\n',
                b'\\' => b'\\',
                _ => return None,
            },
            0 => return None,
            _ => byte,
        });
    }
    let path: &OsStr = &std::ffi::OsString::from_vec(plain);
    Some((path.into(), str::from_utf8(digest).ok()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approved(directory: &Path, names: &[&str]) -> Approvals {
        let mut approvals = Approvals::default();
        for name in names {
            let path = directory.join(name);
            std::fs::write(&path, "").unwrap();
            approvals.approve(&PolicyFile::read(&path).unwrap());
        }
        approvals
    }

    #[test]
    fn a_list_reads_back_whatever_the_names_are() {
        let directory = tempfile::tempdir().unwrap();
        let list = approved(
            directory.path(),
            &["a.toml", "b\nc\\n.toml", "\u{e9} x.toml"],
        );
        assert_eq!(Approvals::parse(&list.to_bytes()), Ok(list.clone()));
        let mut list = list;
        assert!(list.withdraw(&directory.path().join("a.toml")));
        assert!(!list.withdraw(&directory.path().join("a.toml")));
        assert_eq!(list.0.len(), 2);
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        let digest = "0".repeat(64);
        for (text, line) in [
            (String::new(), 1),
            ("approved policies 1".to_owned(), 1),
            ("approved policies 2\n".to_owned(), 1),
            ("approved policies 1\n\n".to_owned(), 2),
            (format!("approved policies 1\n{digest} /a"), 1),
            (format!("approved policies 1\n{digest} a\n"), 2),
            (format!("approved policies 1\n{digest} /a\\x\n"), 2),
            (
                format!("approved policies 1\n{digest} /a\n{digest} /a\n"),
                3,
            ),
            (format!("approved policies 1\n{} /a\n", "G".repeat(64)), 2),
            (format!("approved policies 1\n{} /a\n", "0".repeat(63)), 2),
        ] {
            assert_eq!(
                Approvals::parse(text.as_bytes()),
                Err(NotApprovals { line }),
                "{text:?}"
            );
        }
    }

    #[test]
    fn any_other_byte_of_any_file_is_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("a.toml"), "extends = ['b.toml']\n").unwrap();
        std::fs::write(at("b.toml"), "[files]\n").unwrap();
        let read = || PolicyFile::read(at("a.toml")).unwrap();
        let mut list = Approvals::default();
        list.approve(&read());
        assert_eq!(list.distrust(&read()), None);
        std::fs::write(at("b.toml"), "[files]\n ").unwrap();
        assert_eq!(list.distrust(&read()), Some(Distrust::Changed));
        std::fs::write(at("b.toml"), "[files]\n").unwrap();
        assert_eq!(list.distrust(&read()), None);
        std::fs::write(at("a.toml"), "extends = [ 'b.toml']\n").unwrap();
        assert_eq!(list.distrust(&read()), Some(Distrust::Changed));
        assert_eq!(list.0.values().next().unwrap().len(), DIGITS);
    }

    #[test]
    fn the_same_bytes_under_another_path_are_not_approved() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, "[files]\n'.' = 'write'\n").unwrap();
            PolicyFile::read(&path).unwrap()
        };
        let (approved, other) = (file("a.toml"), file("b.toml"));
        let mut list = Approvals::default();
        list.approve(&approved);
        assert_eq!(list.distrust(&approved), None);
        assert_eq!(list.distrust(&other), Some(Distrust::Unapproved));
        // Nor is its digest that of the other, in a list in which somebody has written the other's path.
        let digest = list.0[approved.path()].clone();
        let forged = Approvals([(other.path().to_owned(), digest)].into());
        assert_eq!(forged.distrust(&other), Some(Distrust::Changed));
    }

    #[test]
    fn an_approval_is_withdrawn_by_any_spelling_of_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.toml");
        std::fs::write(&path, "[files]\n").unwrap();
        let spellings = ["./a.toml", "b/../a.toml", "b/./../a.toml"];
        for spelling in spellings.map(|spelling| directory.path().join(spelling)) {
            let mut list = Approvals::default();
            list.approve(&PolicyFile::read(&path).unwrap());
            assert!(list.withdraw(&spelling), "{spelling:?}");
            assert!(!list.withdraw(&spelling));
        }
    }
}
