//! pip and uv: an index in the place of `PyPI`, others beside it, pages of links
//! (<https://pip.pypa.io/en/stable/topics/configuration/>, <https://docs.astral.sh/uv/reference/environment/>).

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::{Person, Registries, ini};
use crate::source::Configuration;

/// What stands in the place of the index, and what beside it; `true` for the former.
const VARIABLES: &[(&str, bool)] = &[
    ("PIP_EXTRA_INDEX_URL", false),
    ("PIP_FIND_LINKS", false),
    ("UV_INDEX_URL", true),
    ("UV_DEFAULT_INDEX", true),
    ("UV_EXTRA_INDEX_URL", false),
    ("UV_INDEX", false),
    ("UV_FIND_LINKS", false),
];

pub(super) fn registries(person: &Person<'_>) -> Registries {
    let mut registries = Registries::default();
    let index = "PIP_INDEX_URL";
    if let Some(value) = person.variable(index) {
        registries.instead(value, &Configuration::Variable(index.to_owned()));
    }
    of_files(person, &mut registries);
    for (name, is_instead) in VARIABLES {
        let configuration = Configuration::Variable((*name).to_owned());
        for address in person.variable(name).into_iter().flat_map(words) {
            add(&mut registries, address, &configuration, *is_instead);
        }
    }
    let text = person
        .config("uv/uv.toml")
        .and_then(|path| person.file(&path));
    if let Some((text, configuration)) = text {
        of_uv(&text, &configuration, &mut registries);
    }
    registries
}

/// pip's files: the machine's, then the person's, of which a later one replaces what an earlier one says.
fn of_files(person: &Person<'_>, registries: &mut Registries) {
    let machine = [
        person.machine("etc/xdg/pip/pip.conf"),
        person.machine("etc/pip.conf"),
    ];
    let named = person.named_by("PIP_CONFIG_FILE");
    let own = match named {
        Some(named) => vec![named],
        None => [person.home(".pip/pip.conf"), person.config("pip/pip.conf")]
            .into_iter()
            .flatten()
            .collect(),
    };
    // Of each section, since each command has one.
    let mut set: BTreeMap<(String, String), (String, Configuration)> = BTreeMap::new();
    for path in machine.into_iter().chain(own) {
        let Some((text, configuration)) = person.file(&path) else {
            continue;
        };
        for setting in ini::settings(&text, true) {
            let key = setting.key.to_ascii_lowercase().replace('_', "-");
            let key = (setting.section.to_owned(), key);
            set.insert(key, (setting.value, configuration.clone()));
        }
    }
    let is_overridden = registries.instead.is_some();
    for ((_, key), (value, configuration)) in set {
        for address in words(&value) {
            match key.as_str() {
                "index-url" if !is_overridden => registries.instead(address, &configuration),
                "extra-index-url" | "find-links" => registries.beside(address, &configuration),
                _ => {}
            }
        }
    }
}

/// uv's own file.
fn of_uv(text: &str, configuration: &Configuration, registries: &mut Registries) {
    let Ok(table) = DeTable::parse(text) else {
        return;
    };
    let table = table.get_ref();
    let inner = table.get("pip").and_then(|pip| pip.get_ref().as_table());
    for table in [Some(table), inner].into_iter().flatten() {
        for (key, is_instead) in [
            ("index-url", true),
            ("extra-index-url", false),
            ("find-links", false),
        ] {
            for address in table
                .get(key)
                .into_iter()
                .flat_map(|value| texts(value.get_ref()))
            {
                add(registries, address, configuration, is_instead);
            }
        }
    }
    let indexes = table
        .get("index")
        .and_then(|index| index.get_ref().as_array());
    for index in indexes.into_iter().flatten() {
        let get = |key| index.get_ref().as_table().and_then(|index| index.get(key));
        let address = get("url").and_then(|url| url.get_ref().as_str());
        let is_default = get("default").and_then(|default| default.get_ref().as_bool());
        if let Some(address) = address {
            add(registries, address, configuration, is_default == Some(true));
        }
    }
}

/// A string, or those of a list.
fn texts<'a>(value: &'a DeValue<'_>) -> Vec<&'a str> {
    match value {
        DeValue::Array(all) => all
            .iter()
            .filter_map(|one| one.get_ref().as_str())
            .collect(),
        _ => value.as_str().into_iter().collect(),
    }
}

/// Several addresses, each with a name before it or without (`internal=https://…`).
fn words(value: &str) -> impl Iterator<Item = &str> {
    value
        .split_whitespace()
        .map(|word| match word.split_once('=') {
            Some((name, address)) if !name.contains(':') => address,
            _ => word,
        })
}

fn add(registries: &mut Registries, address: &str, from: &Configuration, is_instead: bool) {
    if is_instead {
        registries.instead(address, from);
    } else {
        registries.beside(address, from);
    }
}
