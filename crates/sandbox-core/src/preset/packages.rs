//! Which registries a person's package managers are configured to ask.
//!
//! Only what is the person's own counts: variables of the caller, and files in the home and of the machine that no command under this
//! policy could have written. What a project says (`.npmrc`, `pip.conf`, `.cargo/config.toml` beside its sources) is not looked at, and
//! no program is started: `npm config get registry` would run what the project's `.npmrc` says.
//!
//! Of an address only host and port are kept, so that no password in it can show up anywhere. What replaces a manager's own registry
//! does so here too, also where it has no host: then the preset allows less, never more.

mod apt;
mod cargo;
mod go;
mod ini;
mod maven;
mod npm;
mod person;
mod pip;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

pub(crate) use self::person::Person;
use crate::policy::{DestinationEntry, Grant};
use crate::source::Configuration;
use crate::{Destination, DestinationPattern, DestinationPreset, Source};

/// What a package manager is configured to ask.
#[derive(Default)]
struct Registries {
    /// In the place of its own registry; `None` where nothing says so.
    instead: Option<Vec<Registry>>,
    /// Beside that.
    beside: Vec<Registry>,
}

struct Registry {
    destination: DestinationPattern,
    configuration: Configuration,
}

impl Registries {
    /// One that stands in the place of the manager's own.
    fn instead(&mut self, address: &str, configuration: &Configuration) {
        let instead = self.instead.get_or_insert_default();
        instead.extend(Registry::at(address, configuration));
    }

    /// One more.
    fn beside(&mut self, address: &str, configuration: &Configuration) {
        self.beside.extend(Registry::at(address, configuration));
    }
}

impl Registry {
    /// `None` where an address has no host, or a scheme that nobody connects by.
    fn at(address: &str, configuration: &Configuration) -> Option<Self> {
        Some(Self {
            destination: destination(address)?,
            configuration: configuration.clone(),
        })
    }
}

/// The host and port of a URL. What stands before the scheme says what is there, not how to get there: `sparse+https`.
fn destination(address: &str) -> Option<DestinationPattern> {
    let (scheme, rest) = address.trim().split_once("://")?;
    let scheme = scheme.rsplit('+').next()?.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        "ssh" => 22,
        "git" => 9418,
        "ftp" => 21,
        _ => return None,
    };
    let url = url::Url::parse(&format!("{scheme}://{rest}")).ok()?;
    let host: Destination = url.host_str()?.parse().ok()?;
    let port = url.port().unwrap_or(usual);
    (port != 0).then(|| DestinationPattern::exactly(&host, port))
}

/// The rules that the person's configuration makes of a preset, and whether they stand in the place of what it names itself.
pub(super) fn configured(
    preset: DestinationPreset,
    person: &Person<'_>,
) -> (Vec<DestinationEntry>, bool) {
    let registries = match preset {
        DestinationPreset::Npm => npm::registries(person),
        DestinationPreset::Pip => pip::registries(person),
        DestinationPreset::Cargo => cargo::registries(person),
        DestinationPreset::Go => go::registries(person),
        DestinationPreset::Maven => maven::registries(person),
        DestinationPreset::Debian => apt::registries(person),
        _ => Registries::default(),
    };
    let is_replaced = registries.instead.is_some();
    let all = registries.instead.into_iter().flatten();
    let mut known = HashSet::new();
    let all = all.chain(registries.beside);
    let entries = all.filter(|registry| known.insert(registry.destination.clone()));
    let entries = entries.map(|registry| DestinationEntry {
        text: registry.destination.to_string(),
        pattern: registry.destination,
        name_only: false,
        grant: Grant::Allow { udp: false },
        layer: 0,
        source: Source::Destinations {
            preset,
            configuration: Some(Box::new(registry.configuration)),
        },
    });
    (entries.collect(), is_replaced)
}
