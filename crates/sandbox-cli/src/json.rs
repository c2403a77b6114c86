//! What a machine reads. `docs/json.md` describes it; what is there keeps its name and meaning within a version.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use sandbox_core::{
    Configuration, DestinationPreset, DestinationRule, FileRule, Location, Lost, RuleRef, Source,
};
use sandboxed::{Attempt, Change, ChangeKind, Decision, Enforcement, Event};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::render;

/// Counts up when something that is there changes its name, type or meaning.
const VERSION: u32 = 1;

/// An object of these fields.
pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Prints an answer, with its version.
pub(crate) fn print(mut answer: Map<String, Value>) -> Result<(), Failure> {
    answer.insert("version".to_owned(), VERSION.into());
    // ESC and the like are escaped in JSON's strings; `anstream` finds nothing to strip.
    render::answer(&format!("{:#}\n", Value::Object(answer)))
}

/// Adds a name of the file system or the environment: as text, and where it is none also its bytes.
pub(crate) fn name(object: &mut Map<String, Value>, key: &str, name: &OsStr) {
    object.insert(key.to_owned(), name.to_string_lossy().into());
    if name.to_str().is_none() {
        object.insert(format!("{key}_bytes"), name.as_bytes().into());
    }
}

/// A rule, as answers name it.
pub(crate) fn rule(rule: &RuleRef) -> Map<String, Value> {
    let mut object = object([("pattern", rule.pattern.as_str().into())]);
    if let Some(access) = rule.access {
        object.insert("access".to_owned(), access.as_str().into());
    }
    if let Some(verdict) = rule.verdict {
        object.insert("verdict".to_owned(), verdict.to_string().into());
    }
    if let Some(reason) = rule.reason {
        object.insert("reason".to_owned(), reason.into());
    }
    if let Some(message) = &rule.message {
        object.insert("message".to_owned(), message.as_str().into());
    }
    object.insert("source".to_owned(), source(&rule.source));
    object
}

/// A rule about files.
pub(crate) fn file_rule(rule: &FileRule) -> Value {
    let mut object = object([
        ("access", rule.access().as_str().into()),
        ("source", source(rule.source())),
    ]);
    name(&mut object, "pattern", rule.text());
    name(&mut object, "path", rule.path().as_os_str());
    object.into()
}

/// A rule about destinations.
pub(crate) fn destination_rule(rule: &DestinationRule) -> Value {
    object([
        ("pattern", rule.text().into()),
        ("destination", rule.pattern().to_string().into()),
        ("verdict", rule.verdict().to_string().into()),
        ("udp", rule.allows_udp().into()),
        ("message", rule.reason().into()),
        ("source", source(rule.source())),
    ])
    .into()
}

/// A rule that does not hold, and why.
pub(crate) fn lost(lost: &Lost) -> Value {
    let mut object = rule(&lost.rule);
    object.insert("why".to_owned(), lost.why.as_str().into());
    object.into()
}

/// What was denied.
pub(crate) fn event(event: &Event) -> Value {
    let rule_of = |decision: &Decision| decision.rule.as_ref().map(rule);
    let mut object = object([
        ("time", at(event.time)),
        ("operation", event.operation.as_str().into()),
        ("rule", rule_of(&event.decision).into()),
        ("remedy", event.decision.remedy.clone().into()),
        ("detail", event.detail.clone().into()),
        ("count", event.count.into()),
    ]);
    match &event.attempt {
        Attempt::Connect { destination, port } | Attempt::Send { destination, port } => {
            object.insert("destination".to_owned(), destination.to_string().into());
            object.insert("port".to_owned(), (*port).into());
        }
        Attempt::Write { path: named } | Attempt::Socket { path: named } => {
            path(&mut object, "path", named);
        }
        _ => name(&mut object, "destination", &event.target()),
    }
    if let Some(process) = &event.process {
        object.insert("pid".to_owned(), process.pid.into());
        if let Some(program) = &process.program {
            path(&mut object, "program", program);
        }
    }
    if event.omitted > 0 {
        object.insert("omitted".to_owned(), event.omitted.into());
    }
    object.into()
}

/// What has changed on the host, as it was seen at this time.
pub(crate) fn change(change: &Change, time: SystemTime) -> Value {
    let mut object = object([("time", at(time)), ("change", change.kind.as_str().into())]);
    path(&mut object, "path", &change.path);
    let (added, removed) = match &change.kind {
        ChangeKind::Made { lines } => (*lines, None),
        ChangeKind::Removed { lines } => (None, *lines),
        ChangeKind::Edited { lines } => (
            lines.map(|lines| lines.added),
            lines.map(|lines| lines.removed),
        ),
        _ => (None, None),
    };
    for (key, count) in [("added", added), ("removed", removed)] {
        if let Some(count) = count {
            object.insert(key.to_owned(), count.into());
        }
    }
    if let ChangeKind::Pending { lines, count } = &change.kind {
        let lines: Vec<_> = lines.iter().map(|line| line.to_string_lossy()).collect();
        object.insert("lines".to_owned(), json!(lines));
        object.insert("count".to_owned(), (*count).into());
    }
    object.into()
}

/// That more was made than is told of.
pub(crate) fn changes_omitted(omitted: u64, time: SystemTime) -> Value {
    object([("time", at(time)), ("omitted", omitted.into())]).into()
}

/// In RFC 3339.
fn at(time: SystemTime) -> Value {
    humantime::format_rfc3339_millis(time).to_string().into()
}

/// Where a rule was written.
pub(crate) fn source(source: &Source) -> Value {
    let kind = match source {
        Source::Preset(preset) => return json!({"kind": "preset", "preset": preset.as_str()}),
        Source::Sockets(preset) => return json!({"kind": "preset", "preset": preset.as_str()}),
        Source::Destinations {
            preset,
            configuration,
        } => {
            return destinations(*preset, configuration.as_deref()).into();
        }
        Source::File(at) => return written("file", at).into(),
        Source::Setting { key, at } => {
            let mut object = written("setting", at);
            object.insert("key".to_owned(), (*key).into());
            return object.into();
        }
        Source::GitSetting { key } => return json!({"kind": "git-setting", "key": key}),
        Source::CommandLine => "command-line",
        Source::Secret => "secrets",
        Source::Protected => "protected-paths",
        Source::Repository => "repository",
        Source::Closed => "closed-addresses",
        _ => "program",
    };
    json!({ "kind": kind })
}

/// A preset of destinations, and where a package manager is told of one.
fn destinations(
    preset: DestinationPreset,
    configuration: Option<&Configuration>,
) -> Map<String, Value> {
    let mut object = object([
        ("kind", "preset".into()),
        ("preset", preset.as_str().into()),
    ]);
    match configuration {
        Some(Configuration::File(file)) => path(&mut object, "file", file),
        Some(Configuration::Variable(name)) => {
            object.insert("variable".to_owned(), name.as_str().into());
        }
        _ => {}
    }
    object
}

/// What stands in a file.
fn written(kind: &str, at: &Location) -> Map<String, Value> {
    let mut object = object([
        ("kind", kind.into()),
        ("line", at.line().into()),
        ("column", at.column().into()),
    ]);
    if let Some(file) = at.file() {
        path(&mut object, "file", file);
    }
    object
}

/// Adds a path.
pub(crate) fn path(object: &mut Map<String, Value>, key: &str, path: &Path) {
    name(object, key, path.as_os_str());
}

/// Which mechanism holds which part.
#[cfg_attr(
    backend = "macos",
    expect(dead_code, reason = "`explain --enforcement` is about Linux")
)]
pub(crate) fn enforcement(enforcement: &Enforcement) -> Value {
    let parts = enforcement.parts().iter().map(
        |held| json!({"part": held.part, "mechanisms": held.mechanisms, "not_held": held.not_held, "beyond": held.beyond}),
    );
    parts.collect()
}
