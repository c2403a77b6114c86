//! The public interface of `sandboxed` as text: a change of it is seen in the diff of a change.
//!
//! It is read from rustdoc's JSON, whose format is that of one toolchain and not promised (`RUSTC_BOOTSTRAP`). Where it does not fit,
//! the check says so loudly, and fails in CI.

use std::fs;
use std::path::{Path, PathBuf};

use public_api::{Builder, PublicItem};

use crate::run::{Error, cargo, run};

const SNAPSHOT: &str = "crates/sandboxed/api.txt";
/// The facade, and those whose items it hands on: of these, what it names is its interface, too.
const FACADE: &str = "sandboxed";
const BEHIND: [&str; 2] = ["sandbox_core", "sandbox_linux"];

/// Compares with what is checked in.
pub(crate) fn check() -> Result<(), Error> {
    let Some(now) = text()? else {
        return Ok(());
    };
    let path = root().join(SNAPSHOT);
    let known = fs::read_to_string(&path).map_err(|source| Error::Document { path, source })?;
    let changes = changes(&known, &now);
    println!(
        "{} items in the interface, {} changes",
        now.lines().count(),
        changes.len()
    );
    if changes.is_empty() {
        Ok(())
    } else {
        Err(Error::Interface(changes))
    }
}

/// Writes it down as it is.
pub(crate) fn update() -> Result<(), Error> {
    let Some(now) = text()? else {
        return Ok(());
    };
    let path = root().join(SNAPSHOT);
    let known = fs::read_to_string(&path).unwrap_or_default();
    for change in changes(&known, &now) {
        println!("{change}");
    }
    fs::write(&path, now).map_err(|source| Error::Prepare { path, source })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The lines that one has and the other has not.
fn changes(known: &str, now: &str) -> Vec<String> {
    let lacks = |text: &str, line: &str| !text.lines().any(|other| other == line);
    let gone = known.lines().filter(|line| lacks(now, line));
    let gone = gone.map(|line| format!("-{line}"));
    let added = now.lines().filter(|line| lacks(known, line));
    gone.chain(added.map(|line| format!("+{line}"))).collect()
}

/// One line an item; none where this toolchain's format is not the one that is read.
fn text() -> Result<Option<String>, Error> {
    let Some(facade) = items(FACADE)? else {
        return Ok(None);
    };
    let mut lines: Vec<String> = facade.iter().map(ToString::to_string).collect();
    let uses = lines
        .iter()
        .filter_map(|line| line.strip_prefix("pub use sandboxed::"));
    let names: Vec<String> = uses.map(str::to_owned).collect();
    for behind in BEHIND {
        let Some(items) = items(behind)? else {
            return Ok(None);
        };
        let handed_on = items.iter().map(ToString::to_string).filter(|line| {
            owner(line, behind).is_some_and(|owner| names.iter().any(|name| name == owner))
        });
        lines.extend(handed_on);
    }
    Ok(Some(lines.join("\n") + "\n"))
}

/// What an item of `package` belongs to: the first name of its own path, or of the type that a trait is implemented for.
fn owner<'a>(line: &'a str, package: &str) -> Option<&'a str> {
    let own = match line.split_once(" for ") {
        Some((_, own)) if line.starts_with("impl") => own,
        _ => line,
    };
    let (_, path) = own.split_once(&format!("{package}::"))?;
    path.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .next()
}

fn items(package: &str) -> Result<Option<Vec<PublicItem>>, Error> {
    // Not where the toolchain's own documentation lies, and not among what is built without the switch.
    let target = root().join("target/api");
    let mut doc = cargo();
    doc.args([
        "doc",
        "--quiet",
        "--locked",
        "--no-deps",
        "--lib",
        "--package",
    ])
    .arg(package.replace('_', "-"))
    .arg("--target-dir")
    .arg(&target)
    .env("RUSTC_BOOTSTRAP", "1")
    .env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json");
    run(&mut doc)?;
    let built = Builder::from_rustdoc_json(target.join(format!("doc/{package}.json")))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build();
    match built {
        Ok(interface) => Ok(Some(interface.into_items().collect())),
        Err(error) if std::env::var_os("CI").is_some() => Err(Error::Format(error.to_string())),
        Err(error) => {
            eprintln!(
                "NOT CHECKED: the interface: this toolchain's rustdoc is not the one that public-api reads: {error}"
            );
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_belongs_to_the_first_name_of_its_path() {
        for (line, belongs) in [
            ("pub enum sandbox_core::Access", Some("Access")),
            ("pub sandbox_core::Access::Hide", Some("Access")),
            (
                "pub fn sandbox_core::Policy::write(self) -> sandbox_core::Access",
                Some("Policy"),
            ),
            (
                "impl core::fmt::Display for sandbox_core::Access",
                Some("Access"),
            ),
            (
                "impl core::convert::From<sandbox_core::A> for sandbox_core::B",
                Some("B"),
            ),
            ("pub mod sandbox_linux", None),
        ] {
            assert_eq!(owner(line, "sandbox_core"), belongs, "{line}");
        }
    }

    #[test]
    fn a_change_is_what_one_side_has_alone() {
        assert_eq!(changes("a\nb\n", "b\nc\n"), ["-a", "+c"]);
        assert_eq!(changes("a\n", "a\n"), [""; 0]);
    }
}
