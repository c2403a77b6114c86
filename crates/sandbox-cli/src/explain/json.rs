//! Answers for a machine.

use sandbox_macos::Said;
use sandboxed::Ruleset;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Subject};
use crate::json;

/// Every rule, and what there is besides.
pub(super) fn rules(ruleset: &Ruleset) -> Value {
    let files: Vec<_> = ruleset.files().iter().map(json::file_rule).collect();
    let groups = ruleset.files().protected_groups();
    let groups: Vec<_> = groups.map(|(group, _)| group.as_str()).collect();
    let variable = |(rule, word): (_, &str)| {
        let mut object = json::rule(&rule);
        object.insert("rule".to_owned(), word.into());
        Value::Object(object)
    };
    let variables: Vec<_> = ruleset.environment().iter().map(variable).collect();
    let network = ruleset.network_rules();
    let destinations: Vec<_> = network.iter().map(json::destination_rule).collect();
    let published: Vec<_> = network
        .published()
        .iter()
        .map(|(port, _)| port.to_string())
        .collect();
    let limits = ruleset.limits();
    let features: Vec<_> = ruleset.system().features.keys().collect();
    let macos = ruleset.macos();
    let allowed: Vec<_> = macos.allowed.keys().map(|option| option.as_str()).collect();
    let services: Vec<_> = macos.mach_lookup.iter().map(|(name, _)| name).collect();
    json!({
        "files": files,
        "protect": groups,
        "environment": variables,
        "network": ruleset.network().as_str(),
        "destinations": destinations,
        "publish": published,
        "upstream": network.upstream().map(ToString::to_string),
        "limits": {
            "memory": limits.memory,
            "processes": limits.processes,
            "open_files": limits.open_files,
            "time_seconds": limits.time.map(|time| time.as_secs_f64()),
        },
        "features": features,
        "macos": allowed,
        "mach_services": services,
        "hide": ruleset.system().hide.as_str(),
    })
}

/// One answer.
pub(super) fn answer(answer: &Answer) -> Value {
    let mut object = Map::new();
    match &answer.subject {
        Subject::Path {
            operation,
            path,
            resolved,
            exists,
        } => {
            object.insert("operation".to_owned(), (*operation).into());
            json::path(&mut object, "path", path);
            json::path(&mut object, "resolved", resolved);
            object.insert("exists".to_owned(), (*exists).into());
        }
        Subject::Variable { name } => {
            object.insert("operation".to_owned(), "variable".into());
            json::name(&mut object, "name", name);
        }
        Subject::Connection { destination, port } => {
            object.insert("operation".to_owned(), "connect".into());
            object.insert("destination".to_owned(), destination.to_string().into());
            object.insert("port".to_owned(), (*port).into());
        }
    }
    let rule = answer.explanation.decision.rule.as_ref();
    let lost: Vec<_> = answer.explanation.lost.iter().map(json::lost).collect();
    let fields = json::object([
        ("verdict", answer.verdict.to_string().into()),
        (
            "rule",
            rule.map_or(Value::Null, |rule| json::rule(rule).into()),
        ),
        ("lost", lost.into()),
        ("instead", answer.instead.clone().into()),
        (
            "inside",
            answer.inside.as_ref().map(|(word, _)| *word).into(),
        ),
        ("mechanisms", answer.mechanisms.clone().into()),
        ("remedy", answer.remedy().into()),
    ]);
    object.extend(fields);
    if !answer.profile.is_empty() {
        let said: Vec<_> = answer.profile.iter().map(said).collect();
        object.insert("profile".to_owned(), said.into());
    }
    if let Some(value) = &answer.set {
        json::name(&mut object, "set", value);
    }
    object.into()
}

/// What a line of the profile says.
fn said(said: &Said) -> Value {
    json!({
        "operation": said.operation,
        "verdict": if said.allows { "allow" } else { "deny" },
        "line": said.line,
        "part": said.part.map(|part| part.to_string()),
        "filter": said.filter,
        "why": said.why,
    })
}

/// A path that cannot be looked at.
pub(super) fn unseen(path: &std::path::Path, problem: &str) -> Value {
    let mut object = json::object([("error", problem.into())]);
    json::path(&mut object, "path", path);
    object.into()
}
