//! apt: the archives of the machine, in both of its formats
//! (<https://manpages.debian.org/bookworm/apt/sources.list.5.en.html>).

use super::{Person, Registries};
use crate::source::Configuration;

pub(super) fn registries(person: &Person<'_>) -> Registries {
    let mut registries = Registries::default();
    let further = person.list(&person.machine("etc/apt/sources.list.d"));
    for path in std::iter::once(person.machine("etc/apt/sources.list")).chain(further) {
        let read = match path.extension().and_then(|ending| ending.to_str()) {
            Some("list") => lines,
            Some("sources") => stanzas,
            _ => continue,
        };
        if let Some((text, configuration)) = person.file(&path) {
            read(&text, &configuration, &mut registries);
        }
    }
    registries
}

/// `deb [options] ADDRESS SUITE COMPONENT…`.
fn lines(text: &str, configuration: &Configuration, registries: &mut Registries) {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line
            .strip_prefix("deb-src")
            .or_else(|| line.strip_prefix("deb"))
        else {
            continue;
        };
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        if let Some(address) = rest.split_whitespace().next() {
            registries.instead(address, configuration);
        }
    }
}

/// Fields in stanzas (deb822(5)).
fn stanzas(text: &str, configuration: &Configuration, registries: &mut Registries) {
    let mut addresses: Vec<&str> = Vec::new();
    let (mut is_enabled, mut is_address) = (true, false);
    // A stanza ends at a line without anything, the last one at the end.
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            let addresses = std::mem::take(&mut addresses);
            if std::mem::replace(&mut is_enabled, true) {
                for address in addresses {
                    registries.instead(address, configuration);
                }
            }
            is_address = false;
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let value = if line.starts_with([' ', '\t']) {
            line
        } else {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            is_address = field.eq_ignore_ascii_case("uris");
            if field.eq_ignore_ascii_case("enabled") {
                is_enabled = !matches!(value.trim(), "no" | "false" | "0" | "off");
            }
            value
        };
        if is_address {
            addresses.extend(value.split_whitespace());
        }
    }
}
