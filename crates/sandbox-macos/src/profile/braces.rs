//! Paths in a comment, as shells write them: `a/{b,c/{d,e}}`.

use super::rows::FEW;

/// A path, and what is said before it, if something is.
pub(super) type Named<'a> = (String, &'a str);

/// Shorter beginnings of names are written again.
const SHORT: usize = 3;

/// Relative paths: each directory is written once, and so is what more than a few names in one begin with.
pub(super) fn braces<'a>(paths: impl IntoIterator<Item = Named<'a>>) -> String {
    let mut paths: Vec<Named<'_>> = paths.into_iter().collect();
    // A directory comes before its neighbours, whatever their names go on with.
    let byte = |byte| if byte == b'/' { 0 } else { byte };
    paths.sort_by(|(_, a), (_, b)| a.bytes().map(byte).cmp(b.bytes().map(byte)));
    list(&paths).join(", ")
}

/// The same, where nothing is said of them.
pub(super) fn plain<'a>(paths: impl IntoIterator<Item = &'a str>) -> String {
    braces(paths.into_iter().map(|path| (String::new(), path)))
}

/// What stands between two braces.
fn list(paths: &[Named<'_>]) -> Vec<String> {
    if let Some(beginning) = beginning(paths) {
        let ends = paths
            .iter()
            .filter_map(|(_, path)| path.get(beginning.len()..));
        return vec![in_braces(beginning, &ends.collect::<Vec<_>>().join(","))];
    }
    let (mut all, mut others) = (Vec::new(), Vec::new());
    let begin_alike = |a: &str, b: &str| a.get(..SHORT) == b.get(..SHORT);
    let are_alike = |(_, a): &Named<'_>, (_, b): &Named<'_>| {
        below(a).is_some() && below(a) == below(b) && begin_alike(a, b)
    };
    for alike in paths.chunk_by(are_alike) {
        if let Some(text) = in_many(alike) {
            all.extend(by_directory(&others));
            others.clear();
            all.push(text);
        } else {
            others.extend_from_slice(alike);
        }
    }
    all.extend(by_directory(&others));
    all
}

/// What lies in the first directory of a path.
fn below(path: &str) -> Option<&str> {
    path.split_once('/').map(|(_, below)| below)
}

/// The same in many directories whose names begin alike.
fn in_many(paths: &[Named<'_>]) -> Option<String> {
    let below = below(paths.first()?.1)?;
    let names = paths
        .iter()
        .filter_map(|(said, path)| Some((said.clone(), path.split_once('/')?.0)));
    let names: Vec<_> = names.collect();
    let _ = beginning(&names)?;
    let directories = list(&names);
    Some(format!("{}/{below}", directories.first()?))
}

/// Each directory with what is in it.
fn by_directory(paths: &[Named<'_>]) -> Vec<String> {
    let mut all = Vec::new();
    for group in paths.chunk_by(|(_, a), (_, b)| a.split('/').next() == b.split('/').next()) {
        let below = group
            .iter()
            .filter_map(|(said, path)| Some((said, path.split_once('/')?)));
        let below: Vec<_> = below.collect();
        let whole = |(said, path): &Named<'_>| format!("{said}{path}");
        let [(_, (directory, _)), _, ..] = below.as_slice() else {
            all.extend(group.iter().map(whole));
            continue;
        };
        all.extend(
            group
                .iter()
                .filter(|(_, path)| !path.contains('/'))
                .map(whole),
        );
        let rests: Vec<_> = below
            .iter()
            .map(|(said, (_, rest))| ((*said).clone(), *rest))
            .collect();
        all.push(match list(&rests).as_slice() {
            [only] => format!("{directory}/{only}"),
            some => in_braces(&format!("{directory}/"), &some.join(",")),
        });
    }
    all
}

fn in_braces(before: &str, list: &str) -> String {
    format!("{before}{{{list}}}")
}

/// What many names in one directory begin with, of which nothing else is said. They are in order.
fn beginning<'a>(paths: &[Named<'a>]) -> Option<&'a str> {
    let is_name = |(said, path): &Named<'_>| said.is_empty() && !path.contains('/');
    let ([(_, first), .., (_, last)], true) =
        (paths, paths.len() > FEW && paths.iter().all(is_name))
    else {
        return None;
    };
    let alike = first
        .char_indices()
        .zip(last.char_indices())
        .take_while(|(a, b)| a == b);
    let end = alike
        .last()
        .map_or(0, |((at, letter), _)| at + letter.len_utf8());
    first
        .get(..end)
        .filter(|beginning| beginning.len() >= SHORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_one_directory_is_named_with_it_once() {
        for (paths, expected) in [
            (vec!["b", "a"], "a, b"),
            (vec!["a/b"], "a/b"),
            (vec!["a/c", "a", "a/b", "a-b"], "a, a/{b,c}, a-b"),
            (vec!["a/b/d", "a/b/c", "e"], "a/b/{c,d}, e"),
            (vec!["a/b/d", "a/b/c", "a/e"], "a/{b/{c,d},e}"),
            (vec!["a/**/b", "a/**/c", "a/*/b"], "a/{*/b,**/{b,c}}"),
        ] {
            assert_eq!(plain(paths), expected);
        }
    }

    #[test]
    fn many_names_that_begin_alike_are_ends() {
        let names: Vec<String> = (0..9).map(|at| format!("d/part{at}")).collect();
        let of = |count| plain(names.iter().take(count).map(String::as_str));
        assert_eq!(of(9), "d/part{0,1,2,3,4,5,6,7,8}");
        // The controls: few are read at a glance, and what is said of one is said before it.
        assert_eq!(of(2), "d/{part0,part1}");
        // Nor is what lies in many such directories written again.
        let keys = |numbers: std::ops::Range<u32>| {
            let keys: Vec<String> = numbers.map(|at| format!("d/part{at}/key")).collect();
            plain(keys.iter().map(String::as_str).chain(["d/a/key"]))
        };
        assert_eq!(keys(0..9), "d/{a/key,part{0,1,2,3,4,5,6,7,8}/key}");
        assert_eq!(keys(0..2), "d/{a/key,part0/key,part1/key}");
        let said = names.iter().map(|name| ("3 ".to_owned(), name.as_str()));
        assert!(braces(said).starts_with("d/{3 part0,3 part1,"));
        let letters: Vec<String> = ('a'..='i').map(|letter| format!("pä{letter}")).collect();
        assert_eq!(
            plain(letters.iter().map(String::as_str)),
            "pä{a,b,c,d,e,f,g,h,i}"
        );
    }
}
