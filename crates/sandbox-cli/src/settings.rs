//! `--settings`: another sandbox's settings instead of a policy.

use std::path::Path;

use sandbox_core::Imported;
use sandboxed::{Error, Policy};

use crate::failure::Failure;
use crate::render;

/// The policy that settings are; says which keys have no meaning, or refuses them.
pub(crate) fn policy(file: &Path, is_strict: bool) -> Result<Policy, Failure> {
    let imported = Imported::from_settings_file(file).map_err(Error::from)?;
    if is_strict {
        return Ok(imported.strict().map_err(Error::from)?);
    }
    render::warnings(&imported.warnings);
    Ok(imported.policy)
}
