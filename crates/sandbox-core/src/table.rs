//! Tables of paths that are relative to any directory, by the first name of each: what a directory costs does not grow with
//! their length.

use std::ffi::OsStr;

use crate::map::Map;
use crate::os::OsStrExt;

/// An entry of a table.
pub(crate) trait Relative: 'static {
    /// Relative to a directory; its first name is no pattern, but for `*.suffix`.
    fn path(&self) -> &'static str;
}

/// The entries of a table.
pub(crate) struct Table<T: 'static> {
    all: Vec<&'static T>,
    /// By their first names, with their places in the order of the table.
    by_name: Map<&'static [u8], Vec<(usize, &'static T)>>,
    /// Those whose first name is `*.suffix`, by the suffix without its dot.
    by_suffix: Map<&'static [u8], Vec<(usize, &'static T)>>,
}

impl<T: Relative> Table<T> {
    pub(crate) fn new(entries: impl IntoIterator<Item = &'static T>) -> Self {
        let all: Vec<&T> = entries.into_iter().collect();
        let mut by_name: Map<_, Vec<_>> = Map::default();
        let mut by_suffix: Map<_, Vec<_>> = Map::default();
        for (at, entry) in all.iter().enumerate() {
            let path = entry.path();
            let name = path.split_once('/').map_or(path, |(name, _)| name);
            let (by, key) = match name.strip_prefix("*.") {
                Some(suffix) => (&mut by_suffix, suffix),
                None => (&mut by_name, name),
            };
            by.entry(key.as_bytes()).or_default().push((at, *entry));
        }
        Self {
            all,
            by_name,
            by_suffix,
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[&'static T] {
        &self.all
    }

    /// Those that begin with a name, in the order of the table.
    pub(crate) fn below(&self, name: &OsStr) -> impl Iterator<Item = &'static T> {
        self.numbered(name).map(|(_, entry)| entry)
    }

    /// Those that begin with any of these names, each of which is there once, in the order of the table.
    pub(crate) fn below_any<'a>(
        &self,
        names: impl Iterator<Item = &'a OsStr>,
    ) -> impl Iterator<Item = &'static T> {
        let mut below: Vec<_> = names.flat_map(|name| self.numbered(name)).collect();
        below.sort_unstable_by_key(|(at, _)| *at);
        // Several names may have one suffix.
        below.dedup_by_key(|(at, _)| *at);
        below.into_iter().map(|(_, entry)| entry)
    }

    fn numbered(&self, name: &OsStr) -> impl Iterator<Item = (usize, &'static T)> {
        let name = name.as_bytes();
        let suffix = name.iter().rposition(|byte| *byte == b'.');
        let suffix = suffix.and_then(|dot| self.by_suffix.get(name.get(dot + 1..)?));
        let named = self.by_name.get(name).into_iter().chain(suffix);
        named.flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Entry(&'static str);

    impl Relative for Entry {
        fn path(&self) -> &'static str {
            self.0
        }
    }

    #[test]
    fn entries_are_found_by_their_first_names_in_the_order_of_the_table() {
        static ENTRIES: [Entry; 6] = [
            Entry("b/x"),
            Entry("a"),
            Entry("b"),
            Entry("*.b"),
            Entry("ab"),
            Entry("a/y"),
        ];
        let table = Table::new(&ENTRIES);
        let found = |names: &[&'static str]| {
            let below = table.below_any(names.iter().map(OsStr::new));
            below.map(|entry| entry.0).collect::<Vec<_>>()
        };
        assert_eq!(found(&["a", "b"]), ["b/x", "a", "b", "a/y"]);
        assert_eq!(found(&["a"]), ["a", "a/y"]);
        assert_eq!(found(&["x", "y"]), [""; 0]);
        assert_eq!(found(&["x.b", "b", "y.b"]), ["b/x", "b", "*.b"]);
        assert_eq!(found(&["b.x", "xb", "*.", "."]), [""; 0]);
        assert_eq!(table.below("b".as_ref()).count(), 2);
        assert_eq!(table.all().len(), 6);
    }
}
