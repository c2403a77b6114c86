//! `sandbox explain`: what a policy allows, by which rule, and how it is held on this host.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sandbox_core::escaped;
use sandboxed::{Attempt, Error, Plan, Ruleset};

use crate::args::Explain;
use crate::failure::Failure;
use crate::render;
use crate::setting::Situation;

/// Prints what is asked for; the rules, if nothing is.
pub(crate) fn explain(explain: &Explain) -> Result<ExitCode, Failure> {
    let situation = Situation::new(&explain.setting)?;
    let ruleset = Ruleset::resolve(&situation.policy, &situation.context).map_err(Error::from)?;
    let mut text = String::new();
    if explain.plan || explain.enforcement {
        let plan = Plan::compile(&ruleset, &situation.facts()).map_err(Error::from)?;
        if explain.plan {
            let _ = writeln!(text, "{plan}");
        }
        if explain.enforcement {
            let _ = writeln!(text, "{}", plan.enforcement());
        }
    } else if explain.paths.is_empty() {
        rules(&mut text, &ruleset);
    }
    for path in &explain.paths {
        decisions(&mut text, &ruleset, &situation.context.cwd.join(path));
    }
    render::answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Every rule about files, with its origin, and what there is besides.
fn rules(text: &mut String, ruleset: &Ruleset) {
    for rule in ruleset.files().iter() {
        let _ = writeln!(
            text,
            "{:7}  {}  ({})",
            rule.access().as_str(),
            escaped(rule.text()),
            rule.source()
        );
    }
    let _ = writeln!(text, "\nnetwork: {}", ruleset.network());
    if let Some(limit) = ruleset.limits().time {
        let _ = writeln!(text, "time: {}", humantime::format_duration(limit));
    }
}

/// Whether a path may be read and written, by which rule, and what would allow it.
fn decisions(text: &mut String, ruleset: &Ruleset, path: &Path) {
    let Some(resolved) = resolved(text, path) else {
        return;
    };
    for (operation, attempt) in [
        ("read", Attempt::read(&resolved)),
        ("write", Attempt::write(&resolved)),
    ] {
        let decision = ruleset.decide(&attempt);
        let _ = writeln!(
            text,
            "{:5} {operation:5} {}",
            decision.verdict.to_string(),
            escaped(&resolved)
        );
        match &decision.rule {
            Some(rule) => {
                let access = rule
                    .access
                    .map_or(String::new(), |access| format!(" = {access}"));
                let _ = writeln!(
                    text,
                    "      by `{}`{access} ({})",
                    escaped(&rule.pattern),
                    rule.source
                );
            }
            None => text.push_str("      since no rule is about it\n"),
        }
        for line in decision.remedy.iter().flat_map(|remedy| remedy.lines()) {
            let _ = writeln!(text, "      help: {}", escaped(line));
        }
    }
}

/// Where a path leads, since decisions are about that; says so if it is somewhere else or nowhere.
fn resolved(text: &mut String, path: &Path) -> Option<PathBuf> {
    match sandbox_core::resolve(path) {
        Ok(resolved) => {
            if resolved.path != path {
                let _ = writeln!(
                    text,
                    "{} leads to {}",
                    escaped(path),
                    escaped(&resolved.path)
                );
            }
            Some(resolved.path)
        }
        Err(problem) => {
            let _ = writeln!(text, "{}: {}", escaped(path), escaped(&problem.to_string()));
            None
        }
    }
}
