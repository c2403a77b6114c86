//! The tests that `SECURITY.md` names: a promise whose test was renamed or removed is one that nobody keeps.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::Error;

/// Whose tests are meant where no crate is named.
const DEFAULT: &str = "sandbox-cli";

pub(crate) fn check() -> Result<(), Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = read(root.join("SECURITY.md"))?;
    let mut count = 0;
    let mut missing = Vec::new();
    for name in text.lines().flat_map(names) {
        count += 1;
        if !exists(&root, &name)? {
            missing.push(format!("{}: {}", name.package, name.path));
        }
    }
    println!("{count} tests named, {} of them missing", missing.len());
    // Nothing found would be a document that is written otherwise than this reads it.
    if missing.is_empty() && count > 0 {
        Ok(())
    } else {
        Err(Error::Documents(missing))
    }
}

/// A test, or some, as the document names them.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    package: String,
    /// A file or module, or a test in one; `*` at the end stands for any end.
    path: String,
}

/// The names in a line: all in the last column of a table's three, and elsewhere those with `::` in them that are no type's.
fn names(line: &str) -> Vec<Name> {
    let is_row = line.starts_with("| ") && line.matches(" | ").count() == 2;
    let text = if is_row {
        line.rsplit(" | ").next().unwrap_or_default()
    } else {
        line
    };
    let (mut package, mut file) = (DEFAULT, "");
    let mut names = Vec::new();
    // Every second piece stands between backticks.
    for word in text.split('`').skip(1).step_by(2) {
        let path = if let Some(name) = word.strip_prefix('…') {
            format!("{file}::{name}")
        } else if word.starts_with("sandbox") && !word.contains(' ') {
            package = word;
            continue;
        } else if is_row || word.contains("::") && word.starts_with(char::is_lowercase) {
            file = word.split("::").next().unwrap_or_default();
            word.to_owned()
        } else {
            continue;
        };
        names.push(Name {
            package: package.to_owned(),
            path,
        });
    }
    names
}

fn exists(root: &Path, name: &Name) -> Result<bool, Error> {
    let package = root.join("crates").join(&name.package);
    let around = name.path.strip_suffix("::tests");
    for module in [Some(name.path.as_str()), around].into_iter().flatten() {
        if has_unit_tests(&package, module)? {
            return Ok(true);
        }
    }
    let (file, test) = name.path.split_once("::").unwrap_or((&name.path, ""));
    let tests = package.join("tests").join(file);
    for file in files(&tests)? {
        if test.is_empty() || has_test(&read(file)?, test) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a module of a package has unit tests, in its own file or in that of its module `tests`.
pub(crate) fn has_unit_tests(package: &Path, module: &str) -> Result<bool, Error> {
    let module = package.join("src").join(module.replace("::", "/"));
    for file in [module.with_extension("rs"), module.join("tests.rs")] {
        if file.is_file() && read(file)?.contains("#[test]") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The files of a test: one, or those of a directory.
fn files(test: &Path) -> Result<Vec<PathBuf>, Error> {
    let one = test.with_extension("rs");
    if one.is_file() {
        return Ok(vec![one]);
    }
    if !test.is_dir() {
        return Ok(Vec::new());
    }
    files_of(test, "rs")
}

/// The files in a directory whose names have this ending, in order.
pub(crate) fn files_of(directory: &Path, ending: &str) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Document {
        path: directory.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file has a test of this name.
fn has_test(source: &str, name: &str) -> bool {
    let mut functions = source
        .split("#[test]")
        .skip(1)
        .filter_map(|after| after.trim_start().strip_prefix("fn ")?.split('(').next());
    match name.strip_suffix('*') {
        Some(start) => functions.any(|function| function.starts_with(start)),
        None => functions.any(|function| function == name),
    }
}

pub(crate) fn read(path: PathBuf) -> Result<String, Error> {
    fs::read_to_string(&path).map_err(|source| Error::Document { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_tests_are_named() {
        let found = |line| {
            let names = names(line).into_iter();
            names
                .map(|name| format!("{} {}", name.package, name.path))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found("| a | `x::y` | `one::two`, `…three_*`; `sandbox-core`: `four::tests` |"),
            [
                "sandbox-cli one::two",
                "sandbox-cli one::three_*",
                "sandbox-core four::tests"
            ]
        );
        assert_eq!(found("| a | b | `whole` |"), ["sandbox-cli whole"]);
        assert_eq!(
            found("* Text with `code` and `Type::new` (`a::b`)."),
            ["sandbox-cli a::b"]
        );
    }

    #[test]
    fn a_test_is_a_function_with_the_attribute() {
        let source = "#[test]\nfn one() {}\nfn two() {}\n#[test]\nfn three_of() {}";
        for (name, expected) in [
            ("one", true),
            ("two", false),
            ("three", false),
            ("three_*", true),
            ("four*", false),
        ] {
            assert_eq!(has_test(source, name), expected, "{name}");
        }
    }
}
