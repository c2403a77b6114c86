//! npm, and what reads its files: `registry`, `@scope:registry`
//! (<https://docs.npmjs.com/cli/v11/configuring-npm/npmrc>, <https://docs.npmjs.com/cli/v11/using-npm/config>).

use std::collections::BTreeMap;

use super::{Person, Registries, ini};
use crate::source::Configuration;

/// What comes before a key in the name of a variable, in any case.
const VARIABLE: &str = "npm_config_";

pub(super) fn registries(person: &Person<'_>) -> Registries {
    let mut set: BTreeMap<String, (String, Configuration)> = BTreeMap::new();
    let option = |key: &str| {
        let names = person.variables();
        let mut names = names.filter(|(name, _)| self::key(name).as_deref() == Some(key));
        names.find_map(|(name, _)| person.named_by(name))
    };
    let machine = option("globalconfig").unwrap_or_else(|| person.machine("etc/npmrc"));
    let own = option("userconfig").or_else(|| person.home(".npmrc"));
    for (text, configuration) in [Some(machine), own]
        .into_iter()
        .flatten()
        .filter_map(|path| person.file(&path))
    {
        let settings = ini::settings(&text, false);
        for setting in settings
            .into_iter()
            .filter(|setting| setting.section.is_empty())
        {
            // A comment may stand behind a value.
            let value = setting.value.split([';', '#']).next().unwrap_or_default();
            let value = value.trim().trim_matches(['"', '\'']);
            let value = person.expanded(value, "");
            set.insert(setting.key.to_owned(), (value, configuration.clone()));
        }
    }
    for (name, value) in person.variables() {
        if let Some(key) = key(name) {
            let configuration = Configuration::Variable(name.to_owned());
            set.insert(key, (value.to_owned(), configuration));
        }
    }
    let mut registries = Registries::default();
    for (key, (value, configuration)) in set {
        if key == "registry" {
            registries.instead(&value, &configuration);
        } else if key.starts_with('@') && key.ends_with(":registry") {
            registries.beside(&value, &configuration);
        }
    }
    registries
}

/// The key that a variable sets.
fn key(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    name.strip_prefix(VARIABLE).map(str::to_owned)
}
