//! Other spellings of a name, where a file system takes them for the same: in other letters, with characters that it passes over, with what
//! it cuts off, or as a short name.
//!
//! The attack: `.GIT/hooks` on a file system that does not tell letters apart (ext4 with casefold, FAT, exFAT, NTFS, HFS+, APFS, shares), or
//! `.g\u{200c}it`, which several of them read as `.git`. What is meant is whatever *any* of them might take for the same.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::DEPENDENCIES;
use crate::os::OsStrExt;
use crate::place::depth;

/// A path whose names below `root` are spelled as the table spells them; `None` if they are, or can't be told.
pub(crate) fn plain(path: &Path, root: &Path) -> Option<PathBuf> {
    let below = path.as_os_str().as_bytes().get(root.as_os_str().len()..);
    if below.is_some_and(is_plain) {
        return None;
    }
    let root = depth(root);
    let names = path.iter().enumerate().map(|(at, name)| {
        // The first is `/`.
        if at <= root || DEPENDENCIES.iter().any(|dependency| name == *dependency) {
            name.to_owned()
        } else {
            folded(name).into()
        }
    });
    let plain: PathBuf = names.collect();
    (plain != path).then_some(plain)
}

/// As most paths are, which nobody takes for another one.
pub(crate) fn is_plain(names: &[u8]) -> bool {
    let is_plain = |byte: &u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'/' | b'.' | b'_' | b'-')
    };
    let ends = names.split(|byte| *byte == b'/').map(<[u8]>::last);
    names.iter().all(is_plain) && !ends.into_iter().flatten().any(|last| *last == b'.')
}

/// Whether one of the names may be the short one that FAT and NTFS give to a longer name: `GIT~1`.
pub(crate) fn has_short_name(path: &Path, root: &Path) -> bool {
    if !path.as_os_str().as_bytes().contains(&b'~') {
        return false;
    }
    let mut below = path.iter().skip(depth(root) + 1);
    below.any(|name| {
        let name = name.to_string_lossy();
        let stem = name.split_once('.').map_or(&*name, |(stem, _)| stem);
        let number = stem.rsplit_once('~').map(|(_, number)| number);
        number.is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

/// Whether a file system may take a name for this one, as the table spells it.
pub(crate) fn may_be(name: &OsStr, plain: &str) -> bool {
    name == plain || folded(name) == plain
}

/// Whether a file system may take a name for another one.
///
/// ```
/// # use sandbox_core::is_alike;
/// assert!(is_alike("H\u{200b}ead.".as_ref(), "HEAD"));
/// assert!(!is_alike("HEADS".as_ref(), "HEAD"));
/// ```
#[must_use]
pub fn is_alike(name: &OsStr, other: &str) -> bool {
    may_be(name, &folded(other.as_ref()))
}

/// As the table would spell it, if a file system takes it for one of its names.
pub(crate) fn folded(name: &OsStr) -> String {
    let name = String::from_utf8_lossy(name.as_bytes());
    let letters = name.chars().filter(|letter| !is_passed_over(*letter));
    // By way of the capital, which letters of old and ligatures have in common with those that they stand for.
    let folded: String = letters
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    // NTFS: the name of a stream. FAT and NTFS: what they cut off.
    let main = folded.split_once(':').map_or(&*folded, |(main, _)| main);
    let kept = main.trim_end_matches(['.', ' ']);
    if kept.is_empty() {
        folded
    } else {
        kept.to_owned()
    }
}

/// `Default_Ignorable_Code_Point` of Unicode.
const fn is_passed_over(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
