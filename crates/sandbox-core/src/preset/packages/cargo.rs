//! cargo: what replaces crates.io, and further registries
//! (<https://doc.rust-lang.org/cargo/reference/source-replacement.html>, <https://doc.rust-lang.org/cargo/reference/registries.html>).

use toml::de::DeTable;

use super::{Person, Registries};
use crate::source::Configuration;

/// The source that is replaced where a mirror is used.
const OWN: &str = "crates-io";
/// Replacements of replacements: cargo refuses a loop.
const DEPTH: usize = 8;

pub(super) fn registries(person: &Person<'_>) -> Registries {
    let mut registries = Registries::default();
    let directory = person.named_by("CARGO_HOME");
    let directory = directory.or_else(|| person.home(".cargo"));
    // Of two the one without an ending holds.
    let files = ["config", "config.toml"].map(|name| directory.as_ref().map(|at| at.join(name)));
    let file = files
        .into_iter()
        .flatten()
        .find_map(|path| person.file(&path));
    if let Some((text, configuration)) = file
        && let Ok(table) = DeTable::parse(&text)
    {
        of_file(table.get_ref(), &configuration, &mut registries);
    }
    for (name, value) in person.variables() {
        let is_index = name.starts_with("CARGO_REGISTRIES_") && name.ends_with("_INDEX");
        if is_index {
            registries.beside(value, &Configuration::Variable(name.to_owned()));
        }
    }
    registries
}

fn of_file(table: &DeTable<'_>, configuration: &Configuration, registries: &mut Registries) {
    let inner = |table: &'_ DeTable<'_>, key: &str| -> Vec<String> {
        let inner = table.get(key).and_then(|inner| inner.get_ref().as_table());
        inner
            .into_iter()
            .flat_map(DeTable::keys)
            .map(|name| name.get_ref().to_string())
            .collect()
    };
    for name in inner(table, "registries") {
        if let Some(index) = text(table, ["registries", &name, "index"]) {
            registries.beside(index, configuration);
        }
    }
    for name in inner(table, "source") {
        let Some(first) = text(table, ["source", &name, "replace-with"]) else {
            continue;
        };
        let replaced = replacement(table, first).unwrap_or_default();
        if name == OWN {
            registries.instead(replaced, configuration);
        } else {
            registries.beside(replaced, configuration);
        }
    }
}

/// The address of what a source is replaced with in the end. A directory has none.
fn replacement<'a>(table: &'a DeTable<'_>, first: &'a str) -> Option<&'a str> {
    let mut name = first;
    for _ in 0..DEPTH {
        match text(table, ["source", name, "replace-with"]) {
            Some(next) => name = next,
            None => break,
        }
    }
    let address = |path| text(table, path);
    address(["source", name, "registry"])
        .or_else(|| address(["source", name, "git"]))
        .or_else(|| address(["registries", name, "index"]))
}

fn text<'a>(table: &'a DeTable<'_>, [section, name, key]: [&str; 3]) -> Option<&'a str> {
    let section = table.get(section)?.get_ref().as_table()?;
    let entry = section.get(name)?.get_ref().as_table()?;
    entry.get(key)?.get_ref().as_str()
}
