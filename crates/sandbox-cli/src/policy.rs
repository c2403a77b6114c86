//! `sandbox policy`: shows and formats policies, and prints their schema.

mod format;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sandbox_core::{policy_schema, resolve};
use sandbox_linux::filter::Feature;
use sandboxed::{Error, Policy, Ruleset};
use tempfile::NamedTempFile;

use self::format::formatted;
use crate::args::{PolicyAction, PolicyFormat, PolicyShow};
use crate::failure::Failure;
use crate::setting::Situation;
use crate::{exit, json, render};

/// Does what is asked for.
pub(crate) fn policy(action: &PolicyAction) -> Result<ExitCode, Failure> {
    match action {
        PolicyAction::Show(show) => self::show(show),
        PolicyAction::Fmt(format) => self::format(format),
        PolicyAction::Schema => {
            let features: Vec<_> = Feature::ALL
                .iter()
                .map(|feature| (feature.name(), feature.opens()))
                .collect();
            render::answer(&policy_schema(&features))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Prints the policy that a command would run under, all layers as one.
fn show(show: &PolicyShow) -> Result<ExitCode, Failure> {
    if let Some(file) = &show.setting.settings {
        return Err(Failure::NoPolicyFile { path: file.clone() });
    }
    let situation = Situation::new(&show.setting)?;
    // One that nothing would run under is not shown.
    let _ = Ruleset::resolve(&situation.policy, &situation.context).map_err(Error::from)?;
    let text = situation.policy.to_string();
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
    let failed = |source| Failure::WriteFile {
        path: file.clone(),
        source,
    };
    let before = fs::read_to_string(&place).map_err(failed)?;
    let after =
        formatted(&before).map_err(|error| failed(std::io::Error::other(error.to_string())))?;
    if before == after {
        return Ok(ExitCode::SUCCESS);
    }
    if format.check {
        render::note(&format!(
            "`{}` is not formatted: `sandbox policy fmt` does it",
            file.display()
        ));
        return Ok(exit::TO_MEND.into());
    }
    replace(&place, &after).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// Replaces a file at once: whoever reads it meanwhile has the one or the other.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    written_beside(path, text, fs::metadata(path)?.permissions())?.persist(path)?;
    Ok(())
}

/// A whole file in the directory of another, removed unless it is put somewhere.
pub(crate) fn written_beside(
    path: &Path,
    text: &str,
    permissions: fs::Permissions,
) -> std::io::Result<NamedTempFile> {
    let directory = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let directory = if directory.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        directory
    };
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    Ok(file)
}
