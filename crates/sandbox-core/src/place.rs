//! Paths as places in the tree: absolute, without `.`, `..` and doubled slashes.
//!
//! The standard library compares and climbs paths component by component, since it must expect any spelling. Rules are
//! looked up at every level of every path, so here it is done on bytes.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::os::OsStrExt;

/// The path and everything above it, the longest first. The path is absolute, without `.`, `..` and doubled slashes.
///
/// ```
/// let climbed: Vec<_> = sandbox_core::upwards("/a/b".as_ref()).collect();
/// assert_eq!(climbed, [std::path::Path::new("/a/b"), "/a".as_ref(), "/".as_ref()]);
/// ```
pub fn upwards(path: &Path) -> impl Iterator<Item = &Path> {
    std::iter::successors(Some(path), |path| above(path))
}

/// Whether a place is `directory`, or lies below it.
///
/// ```
/// assert!(sandbox_core::is_within("/a/b".as_ref(), "/a".as_ref()));
/// assert!(!sandbox_core::is_within("/ab".as_ref(), "/a".as_ref()));
/// ```
#[must_use]
pub fn is_within(path: &Path, directory: &Path) -> bool {
    let rest = path
        .as_os_str()
        .as_bytes()
        .strip_prefix(directory.as_os_str().as_bytes());
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(b"/") || directory.as_os_str() == "/"
    })
}

/// The last name of a place; empty for `/`. The path is absolute, without `.`, `..` and doubled slashes.
///
/// ```
/// assert_eq!(sandbox_core::name("/a/b".as_ref()), "b");
/// ```
#[must_use]
pub fn name(path: &Path) -> &OsStr {
    let bytes = path.as_os_str().as_bytes();
    let name = bytes.rsplit(|byte| *byte == b'/').next();
    OsStr::from_bytes(name.unwrap_or_default())
}

/// The directory that holds a place; `None` for `/`. The path is absolute, without `.`, `..` and doubled slashes.
///
/// ```
/// assert_eq!(sandbox_core::above("/a/b".as_ref()), Some("/a".as_ref()));
/// ```
#[must_use]
pub fn above(path: &Path) -> Option<&Path> {
    let bytes = path.as_os_str().as_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/')?;
    if bytes.len() == 1 {
        return None;
    }
    bytes
        .get(..slash.max(1))
        .map(|above| Path::new(OsStr::from_bytes(above)))
}

/// What a place is that holds far more than a project, with its article.
pub(crate) fn broad(path: &Path, homes: &[PathBuf]) -> Option<&'static str> {
    if path.parent().is_none() {
        return Some("the whole file system");
    }
    if homes.iter().any(|home| home == path) {
        return Some("a home");
    }
    homes
        .iter()
        .any(|home| home.starts_with(path))
        .then_some("a directory with a home in it")
}

/// Components below the root directory.
pub(crate) fn depth(path: &Path) -> usize {
    let bytes = path.as_os_str().as_bytes();
    if bytes == b"/" {
        0
    } else {
        bytes.split(|byte| *byte == b'/').skip(1).count()
    }
}

/// How many bytes of a path below this directory are the directory and the slash behind it.
pub(crate) fn below(directory: &Path) -> usize {
    match directory.as_os_str().len() {
        1 => 1,
        length => length + 1,
    }
}

/// The order in which every directory comes right before what is in it. The paths are absolute, without `.`, `..` and doubled
/// slashes.
///
/// ```
/// let mut places = ["/a-b", "/a/b", "/a"];
/// places.sort_by(|a, b| sandbox_core::order(a.as_ref(), b.as_ref()));
/// assert_eq!(places, ["/a", "/a/b", "/a-b"]);
/// ```
#[must_use]
pub fn order(a: &Path, b: &Path) -> Ordering {
    let (a, b) = (a.as_os_str().as_bytes(), b.as_os_str().as_bytes());
    let alike = alike(a, b);
    match a.get(alike).zip(b.get(alike)) {
        None => a.len().cmp(&b.len()),
        // The slash is the least: `/a/b` comes before `/a-b`.
        Some((b'/', _)) => Ordering::Less,
        Some((_, b'/')) => Ordering::Greater,
        Some((a, b)) => a.cmp(b),
    }
}

/// How many bytes are the same from the beginning on. Eight are compared at once: most paths that meet begin alike.
fn alike(a: &[u8], b: &[u8]) -> usize {
    let ((words, _), (others, _)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut alike = 0;
    for (word, other) in words.iter().zip(others) {
        let differ = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
        if differ != 0 {
            return alike + differ.trailing_zeros() as usize / 8;
        }
        alike += word.len();
    }
    let rest = a.iter().skip(alike).zip(b.iter().skip(alike));
    alike + rest.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_climbed_to_the_root() {
        let climbed: Vec<&Path> = upwards("/a/b".as_ref()).collect();
        assert_eq!(
            climbed,
            [Path::new("/a/b"), Path::new("/a"), Path::new("/")]
        );
        assert_eq!(upwards("/".as_ref()).count(), 1);
        for (path, expected, last) in [("/", 0, ""), ("/a", 1, "a"), ("/a/b", 2, "b")] {
            assert_eq!(depth(path.as_ref()), expected, "{path}");
            assert_eq!(name(path.as_ref()), last, "{path}");
        }
    }

    #[test]
    fn a_place_is_within_what_is_above_it() {
        for (path, directory, expected) in [
            ("/a/b", "/a", true),
            ("/a", "/a", true),
            ("/a", "/", true),
            ("/", "/", true),
            ("/ab", "/a", false),
            ("/a", "/a/b", false),
        ] {
            assert_eq!(
                is_within(path.as_ref(), directory.as_ref()),
                expected,
                "{path} {directory}"
            );
        }
    }

    #[test]
    fn the_order_is_that_of_components() {
        let names = ["/", "/a", "/a/b", "/a-b", "/a/b/c", "/ab", "/b", "/a.b/c"];
        for above in ["", "/seven-", "/eight-b", "/nine-byt", "/fifteen-bytes-"] {
            let mut places = names.map(|name| format!("{above}{name}"));
            places.sort_by(|a, b| order(a.as_ref(), b.as_ref()));
            let mut expected = places.clone();
            expected.sort_by(|a, b| Path::new(a).cmp(Path::new(b)));
            // A final slash is no part of a place.
            let is_place = |place: &&String| *place == "/" || !place.ends_with('/');
            assert!(
                places
                    .iter()
                    .filter(is_place)
                    .eq(expected.iter().filter(is_place))
            );
        }
    }
}
