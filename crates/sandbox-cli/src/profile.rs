//! `sandbox profile`: what a policy becomes on an operating system.

use std::path::PathBuf;
use std::process::ExitCode;

use sandbox_macos::{Facts, ProfileError};
use sandboxed::{Error, Ruleset};

use crate::args::{Profile, SystemName};
use crate::failure::Failure;
use crate::setting::Situation;
use crate::{host, render};

/// What the help says that these stand for.
pub(crate) const GATEWAY: u16 = 3128;
const TEMPORARY: &str = "/private/tmp/sandbox";

/// Prints it.
pub(crate) fn profile(profile: &Profile) -> Result<ExitCode, Failure> {
    let situation = Situation::new(&profile.setting)?.with_addresses()?;
    let ruleset = Ruleset::resolve(&situation.policy, &situation.context).map_err(Error::from)?;
    let text = match profile.os.unwrap_or(host::SYSTEM) {
        SystemName::Linux => host::plan(&ruleset, &situation.lower)?,
        SystemName::Macos => for_macos(&ruleset)?.to_string(),
    };
    render::answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The profile of a run that the help describes.
pub(crate) fn for_macos(ruleset: &Ruleset) -> Result<sandbox_macos::Profile, ProfileError> {
    let mut facts = Facts::default();
    facts.gateway = vec![GATEWAY];
    // Settings have a directory of their own.
    let has_own = !ruleset.macos().writable.is_empty();
    facts.temporary = (!has_own).then(|| PathBuf::from(TEMPORARY));
    sandbox_macos::Profile::compile(ruleset, &facts)
}
