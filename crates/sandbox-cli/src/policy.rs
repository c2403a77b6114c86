//! `sandbox policy`: shows, compares, changes and formats policies, and prints their schema.

mod change;
mod diff;
mod edit;
mod file;
mod format;

use std::process::ExitCode;

use sandbox_core::{policy_schema, resolve};
use sandboxed::{Error, Policy, Ruleset};

pub(crate) use self::change::allow_always;
pub(crate) use self::edit::EditProblem;
use self::file::Opened;
pub(crate) use self::file::written_beside;
use self::format::formatted;
use crate::args::{PolicyAction, PolicyFormat, PolicyShow};
use crate::failure::Failure;
use crate::setting::Situation;
use crate::{exit, host, json, render};

/// Does what is asked for.
pub(crate) fn policy(action: &PolicyAction) -> Result<ExitCode, Failure> {
    match action {
        PolicyAction::Show(show) => self::show(show),
        PolicyAction::Diff(diff) => diff::diff(diff),
        PolicyAction::Add(add) => change::add(add),
        PolicyAction::Remove(remove) => change::remove(remove),
        PolicyAction::Fmt(format) => self::format(format),
        PolicyAction::Schema => {
            render::answer(&policy_schema(&host::features()))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Prints the policy that a command would run under, all layers as one.
fn show(show: &PolicyShow) -> Result<ExitCode, Failure> {
    if let Some(file) = &show.setting.settings {
        return Err(Failure::NoPolicyFile { path: file.clone() });
    }
    let situation = Situation::new(&show.setting)?.with_addresses()?;
    // One that nothing would run under is not shown.
    let _ = Ruleset::resolve(&situation.policy, &situation.context).map_err(Error::from)?;
    let policy = situation.policy.without_replaced(&situation.context);
    let text = policy.to_string();
    if show.json {
        let value = toml::from_str(&text).map_err(|error| Failure::Own {
            action: "print the policy as JSON",
            source: std::io::Error::other(error.to_string()),
        })?;
        json::print(json::object([("policy", value)]))?;
    } else {
        render::answer(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Formats a policy file, or says whether it is in its form.
fn format(format: &PolicyFormat) -> Result<ExitCode, Failure> {
    let file = format.file.clone();
    if file.extension().is_none_or(|ending| ending != "toml") {
        return Err(Failure::NotToml { path: file });
    }
    // What is no policy is not made prettier.
    let _ = Policy::from_file(&file).map_err(Error::from)?;
    let place = resolve(&std::path::absolute(&file).unwrap_or_else(|_| file.clone()))
        .map_or_else(|_| file.clone(), |found| found.path);
    let opened = Opened::open(&place)?;
    let before = &opened.text;
    let after = formatted(before).map_err(|error| Failure::EditPolicy {
        path: file.clone(),
        source: EditProblem::Toml(error),
    })?;
    if *before == after {
        return Ok(ExitCode::SUCCESS);
    }
    if format.check {
        render::note(&format!(
            "`{}` is not formatted: `sandbox policy fmt` does it",
            file.display()
        ));
        return Ok(exit::TO_MEND.into());
    }
    opened.replace(&after)?;
    Ok(ExitCode::SUCCESS)
}
