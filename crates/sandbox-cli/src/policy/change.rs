//! `sandbox policy add` and `remove`: what a person types, in the words of a policy file.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sandbox_core::{DestinationPattern, PolicyFile, escaped, literal_pattern, toml_string};
use sandboxed::{Context, Error, Network, Policy, PolicyError, Preset, Ruleset};

use super::edit::{EditProblem, Edited, Place, put, take};
use super::file::Opened;
use crate::args::{PROJECT, PolicyAdd, PolicyRemove, Setting, Target};
use crate::failure::Failure;
use crate::layers::{self, Given, Places};
use crate::render;
use crate::setting::{detected_with_addresses, normal, options};
use crate::store::Store;

/// A rule that is set, or removed.
struct Change {
    place: Place,
    value: Option<String>,
}

/// Adds what is given.
pub(super) fn add(add: &PolicyAdd) -> Result<ExitCode, Failure> {
    // What contradicts itself is told as for a command.
    let _ = options(&Setting {
        paths: add.paths.clone(),
        allow: add.allow.clone(),
        deny: add.deny.clone(),
        env: add.env.clone(),
        ..Setting::default()
    })?;
    for variable in &add.env {
        let name = utf8(variable)?.split('=').next().unwrap_or_default();
        if add.drop.iter().any(|dropped| dropped == name) {
            return Err(Failure::Conflict {
                pattern: name.into(),
                first: "env",
                second: "drop",
            });
        }
    }
    let policy = Edit::open(&add.target, true)?;
    let mut changes = Vec::new();
    let mut set = |place, value| {
        changes.push(Change {
            place,
            value: Some(value),
        });
    };
    for (patterns, access) in add.paths.by_access() {
        for pattern in patterns {
            let value = if add.optional {
                format!("{{ access = \"{access}\", optional = true }}")
            } else {
                format!("\"{access}\"")
            };
            set(policy.file_rule(pattern)?, value);
        }
    }
    if let Some(network) = add.network {
        let network = format!("\"{}\"", Network::from(network));
        set(place("network", "default"), network);
    }
    for (destinations, access) in [(&add.allow, "\"allow\""), (&add.deny, "\"deny\"")] {
        for destination in destinations {
            set(place("network.rules", destination), access.to_owned());
        }
    }
    for variable in &add.env {
        let text = utf8(variable)?;
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, format!("{{ set = {} }}", toml_string(value))),
            None => (text, "\"pass\"".to_owned()),
        };
        set(place("environment", name), value);
    }
    for name in &add.drop {
        set(place("environment", utf8(name)?), "\"drop\"".to_owned());
    }
    policy.apply(&changes)
}

/// Allows a destination in the person's own policy. Tells what changed, in lines.
pub(crate) fn allow_always(destination: &DestinationPattern) -> Result<String, Failure> {
    let own = Target {
        user: true,
        file: None,
    };
    let rule = Change {
        place: place("network.rules", &destination.to_string()),
        value: Some("\"allow\"".to_owned()),
    };
    Edit::open(&own, true)?.make(&[rule])
}

/// Removes what is given.
pub(super) fn remove(remove: &PolicyRemove) -> Result<ExitCode, Failure> {
    let policy = Edit::open(&remove.target, false)?;
    let mut places = Vec::new();
    for pattern in &remove.patterns {
        // As the file has it, or as it is from here.
        let written = place("files", utf8(pattern)?);
        let is_there = take(&policy.file.text, &written).is_ok_and(|edited| edited.is_some());
        places.push(if is_there {
            written
        } else {
            policy.file_rule(pattern)?
        });
    }
    if remove.network {
        places.push(place("network", "default"));
    }
    for destination in &remove.destination {
        places.push(place("network.rules", destination));
    }
    for name in &remove.env {
        places.push(place("environment", utf8(name)?));
    }
    let remove = |place| Change { place, value: None };
    let changes: Vec<_> = places.into_iter().map(remove).collect();
    policy.apply(&changes)
}

/// A policy file that is changed.
struct Edit {
    path: PathBuf,
    /// It is one of the layers that are found, and the preset lies below it.
    is_layer: bool,
    context: Context,
    places: Places,
    file: Opened,
}

impl Edit {
    /// Reads it. Whether somebody's own need not be there yet is for `makes` to say.
    fn open(target: &Target, makes: bool) -> Result<Self, Failure> {
        let context = detected_with_addresses()?;
        let places = Places::new(&context, true);
        let path = match (&target.file, target.user) {
            (Some(file), _) => file.clone(),
            (None, true) => {
                let none = Failure::NoHome {
                    what: "your own policy",
                    variable: "XDG_CONFIG_HOME",
                };
                places.user.clone().ok_or(none)?
            }
            (None, false) => PathBuf::from(PROJECT),
        };
        if path.extension().is_none_or(|ending| ending != "toml") {
            return Err(Failure::NotToml { path });
        }
        let makes = makes && target.user;
        if let (true, Some(directory)) = (makes, path.parent()) {
            let made = DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory);
            made.map_err(|source| Failure::WriteFile {
                path: path.clone(),
                source,
            })?;
        }
        let file = Opened::open(&path);
        let is_missing = match &file {
            Ok(file) => !(file.exists() || makes),
            Err(Failure::ReadFile { source, .. }) => source.kind() == io::ErrorKind::NotFound,
            Err(_) => false,
        };
        if is_missing {
            return Err(Failure::NoPolicy { path });
        }
        let file = file?;
        Ok(Self {
            is_layer: target.user || path == Path::new(PROJECT),
            path,
            context,
            places,
            file,
        })
    }

    /// A rule about files, as this file spells it: what is relative starts at the file's directory, not here.
    fn file_rule(&self, pattern: &OsStr) -> Result<Place, Failure> {
        let text = utf8(pattern)?;
        let directory = std::path::absolute(&self.path);
        let is_here = directory.is_ok_and(|path| path.parent() == Some(&*self.context.cwd));
        if is_here || text.starts_with(['/', '~', '$']) {
            return Ok(place("files", text));
        }
        let cwd = literal_pattern(utf8(self.context.cwd.as_os_str())?);
        let absolute: PathBuf = Path::new(&cwd).join(normal(pattern)).components().collect();
        Ok(place("files", utf8(absolute.as_os_str())?))
    }

    /// Makes the changes, and prints them.
    fn apply(self, changes: &[Change]) -> Result<ExitCode, Failure> {
        render::answer(&self.make(changes)?)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Makes one change after the other, and writes the result if it is a policy. Tells what changed, in lines.
    fn make(self, changes: &[Change]) -> Result<String, Failure> {
        if changes.is_empty() {
            return Err(Failure::NoRules);
        }
        let mut text = self.file.text.clone();
        let mut answer = String::new();
        for change in changes {
            let edited = change.apply(&text).map_err(|source| Failure::EditPolicy {
                path: self.path.clone(),
                source,
            })?;
            let Some(edited) = edited else {
                return Err(Failure::NoRule {
                    path: self.path,
                    key: change.place.key.clone(),
                });
            };
            if edited.text == text {
                continue;
            }
            for (sign, lines) in [('-', &edited.removed), ('+', &edited.added)] {
                for line in lines.lines().filter(|line| !line.is_empty()) {
                    let _ = writeln!(answer, "{sign} {}", escaped(line));
                }
            }
            text = edited.text;
        }
        let name = self.path.clone();
        if answer.is_empty() {
            answer = format!("`{}` says so already\n", escaped(&name));
        } else {
            answer = format!("`{}`:\n{answer}{}", escaped(&name), self.write(&text)?);
        }
        Ok(answer)
    }

    /// Writes the text, if it is a policy, and says what becomes of its approval.
    fn write(self, text: &str) -> Result<&'static str, Failure> {
        let Self {
            path,
            is_layer,
            context,
            places,
            file,
        } = self;
        let read = |text: &str| PolicyFile::with_text(&path, text).map_err(Error::from);
        let after = read(text)?;
        let mut policy = after.policy().clone();
        if is_layer {
            policy = Policy::preset(Preset::Agent).layer(policy);
        }
        let _ = Ruleset::resolve(&policy, &context).map_err(Error::from)?;
        let was_approved = match (Store::read(places.store.as_deref()), read(&file.text)) {
            (Ok(store), Ok(before)) => store
                .approvals()
                .is_some_and(|list| list.distrust(&before).is_none()),
            _ => false,
        };
        file.replace(text)?;
        let named = (!is_layer).then(|| after.path());
        let given = Given {
            named,
            settings: None,
            options: &Policy::new(),
        };
        let widens = match layers::policy(&given, &context, &places) {
            Ok(policy) => match Ruleset::resolve(&policy, &context) {
                Ok(_) => false,
                Err(errors) => errors.iter().any(|error| is_about(error, after.path())),
            },
            // Another file is wrong: whoever runs something is told.
            Err(_) => false,
        };
        Ok(match (widens, was_approved) {
            (true, true) => {
                "It was approved as it was. It opens more than there is without it: read it, and `sandbox trust` it again\n"
            }
            (true, false) => {
                "It opens more than there is without it: read it, and `sandbox trust` it\n"
            }
            (false, true) => {
                "It was approved as it was. It needs no approval: it opens nothing that is closed without it\n"
            }
            (false, false) => "",
        })
    }
}

impl Change {
    fn apply(&self, text: &str) -> Result<Option<Edited>, EditProblem> {
        let place = &self.place;
        let Some(value) = &self.value else {
            return take(text, place);
        };
        let key = match place.table {
            "network" => place.key.clone(),
            _ => toml_string(&place.key),
        };
        put(text, place, &key, value).map(Some)
    }
}

/// Whether a policy is refused since this file is not approved.
fn is_about(error: &PolicyError, file: &Path) -> bool {
    matches!(error, PolicyError::Widens { file: of, .. } if of == file)
}

fn place(table: &'static str, key: &str) -> Place {
    Place {
        table,
        key: key.to_owned(),
    }
}

fn utf8(text: &OsStr) -> Result<&str, Failure> {
    text.to_str().ok_or_else(|| Failure::NotText {
        text: OsString::from(text),
    })
}
