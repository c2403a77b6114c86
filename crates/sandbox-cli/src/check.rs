//! `sandbox check`: whether a policy is valid, and what a reviewer would say of it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sandbox_core::{Finding, Severity, Surroundings, escaped, resolve};
use sandboxed::{Context, Error, Policy, Preset, Ruleset};
use serde_json::{Map, Value};

use crate::args::{Check, PROJECT};
use crate::failure::Failure;
use crate::setting::detected_with_addresses;
use crate::{exit, host, json, render};

/// Checks a policy file on this host.
pub(crate) fn check(check: &Check) -> Result<ExitCode, Failure> {
    let file = &check.file;
    // As it stands, approved or not: whoever asks is about to read it.
    let mut policy = Policy::from_file(file).map_err(Error::from)?;
    if file == Path::new(PROJECT) {
        // The project's is a layer, and what lies below it on every machine is the preset.
        policy = Policy::preset(Preset::Agent).layer(policy);
    }
    let context = detected_with_addresses()?;
    let ruleset = Ruleset::resolve(&policy, &context).map_err(Error::from)?;
    host::check(&ruleset, &check.lower)?;
    let findings = ruleset.review(&surroundings(file, &context));
    let warnings = findings
        .iter()
        .filter(|finding| finding.severity() == Severity::Warning)
        .count();
    if check.json {
        json::print(object(file, &findings))?;
    } else {
        render::answer(&text(file, &findings, warnings))?;
    }
    Ok(if warnings == 0 {
        ExitCode::SUCCESS
    } else {
        exit::TO_MEND.into()
    })
}

/// Where the policy, the directories of `PATH` and the homes really are. What cannot be looked at cannot be written either.
fn surroundings(file: &Path, context: &Context) -> Surroundings {
    let place = |path: PathBuf| Some(resolve(&context.cwd.join(path)).ok()?.path);
    let mut surroundings = Surroundings::default();
    surroundings.file = place(file.to_owned());
    let search = context.variables.get(OsStr::new("PATH"));
    let search = search.map(std::env::split_paths);
    // An empty entry is the current directory, wherever somebody stands who searches it.
    for directory in search.into_iter().flatten().filter_map(place) {
        if !surroundings.search.contains(&directory) {
            surroundings.search.push(directory);
        }
    }
    let homes = context.home.iter().chain(&context.homes);
    surroundings.homes = homes.cloned().filter_map(place).collect();
    surroundings
}

fn text(file: &Path, findings: &[Finding], warnings: usize) -> String {
    let mut text: String = findings
        .iter()
        .map(|finding| render::finding(finding) + "\n")
        .collect();
    let count = |count: usize, what: &str| match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let _ = writeln!(
        text,
        "`{}` is valid: {}, {}",
        escaped(file),
        count(warnings, "warning"),
        count(findings.len().saturating_sub(warnings), "note")
    );
    text
}

fn object(file: &Path, findings: &[Finding]) -> Map<String, Value> {
    let findings: Vec<Value> = findings.iter().map(finding).collect();
    let mut object = json::object([("valid", true.into()), ("findings", findings.into())]);
    json::path(&mut object, "file", file);
    object
}

fn finding(finding: &Finding) -> Value {
    let severity = match finding.severity() {
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let rule = |rule: Option<_>| rule.map_or(Value::Null, |rule| json::rule(rule).into());
    json::object([
        ("severity", severity.into()),
        ("kind", finding.as_str().into()),
        ("message", finding.to_string().into()),
        ("rule", rule(finding.rule())),
        ("by", rule(finding.by())),
        ("source", finding.source().map_or(Value::Null, json::source)),
        ("remedy", finding.remedy().into()),
    ])
    .into()
}
