//! Go: the proxies of modules, and who keeps their sums (<https://go.dev/ref/mod#environment-variables>).

use super::{Person, Registries};
use crate::source::Configuration;

pub(super) fn registries(person: &Person<'_>) -> Registries {
    let file = match person.variable("GOENV") {
        Some("off") => None,
        Some(_) => person.named_by("GOENV"),
        None => person.config("go/env"),
    };
    let file = file.and_then(|path| person.file(&path));
    let setting = |name: &str| {
        let variable = person.variable(name).map(str::to_owned);
        let variable = variable.map(|value| (value, Configuration::Variable(name.to_owned())));
        variable.or_else(|| {
            let (text, configuration) = file.as_ref()?;
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
            Some((value.trim().to_owned(), configuration.clone()))
        })
    };
    let mut registries = Registries::default();
    // `direct` and `off` are no addresses: modules come from wherever they are, or not at all.
    if let Some((proxies, configuration)) = setting("GOPROXY") {
        for proxy in proxies.split([',', '|']) {
            registries.instead(proxy, &configuration);
        }
    }
    // `off`, a name, a name with a key, or that and an address.
    if let Some((sums, configuration)) = setting("GOSUMDB") {
        let mut words = sums.split_whitespace();
        let name = words.next().and_then(|name| name.split('+').next());
        match (words.next(), name) {
            (Some(address), _) => registries.beside(address, &configuration),
            (None, Some(name)) if name != "off" => {
                registries.beside(&format!("https://{name}"), &configuration);
            }
            _ => {}
        }
    }
    registries
}
