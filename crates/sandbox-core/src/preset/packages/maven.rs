//! Maven: mirrors and repositories of the person's settings (<https://maven.apache.org/settings.html>).

use super::{Person, Registries};

/// Maven's name of its own repository.
const OWN: &str = "central";

pub(super) fn registries(person: &Person<'_>) -> Registries {
    let mut registries = Registries::default();
    let file = person.home(".m2/settings.xml");
    let Some((text, configuration)) = file.and_then(|path| person.file(&path)) else {
        return registries;
    };
    let text = without_comments(&text);
    for mirror in elements(&text, "mirror") {
        if element(mirror, "blocked") == Some("true") {
            continue;
        }
        let address = person.expanded(element(mirror, "url").unwrap_or_default(), "env.");
        if element(mirror, "mirrorOf").is_some_and(is_of_own) {
            registries.instead(&address, &configuration);
        } else {
            registries.beside(&address, &configuration);
        }
    }
    for name in ["repository", "pluginRepository"] {
        for repository in elements(&text, name) {
            let address = person.expanded(element(repository, "url").unwrap_or_default(), "env.");
            if element(repository, "id") == Some(OWN) {
                registries.instead(&address, &configuration);
            } else {
                registries.beside(&address, &configuration);
            }
        }
    }
    registries
}

/// Whether a mirror is used in the place of Maven's own repository.
fn is_of_own(list: &str) -> bool {
    let mut all = list.split(',').map(str::trim);
    let is_excluded = all.clone().any(|one| one.strip_prefix('!') == Some(OWN));
    !is_excluded && all.any(|one| matches!(one, OWN | "*" | "external:*"))
}

fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    kept + rest
}

/// What is in the first element of this name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    elements(text, name).next().map(str::trim)
}

/// What is in the elements of this name, none of which is in another.
fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (start, end) = (format!("<{name}"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once(&start)?;
            rest = after;
            // Not a longer name, as `mirrors` is.
            if after.starts_with(|next: char| next == '>' || next.is_whitespace()) {
                let (_, inner) = after.split_once('>')?;
                let (inner, after) = inner.split_once(&end)?;
                rest = after;
                return Some(inner);
            }
        }
    })
}
