//! The variables by which programs find the gateway's proxies.

use std::ffi::OsString;

use sandbox_core::Ruleset;

/// Sets those, but for the ones that the policy names.
pub(crate) fn name(
    ruleset: &Ruleset,
    proxies: impl IntoIterator<Item = (&'static str, String)>,
    variables: &mut Vec<(OsString, OsString)>,
) {
    for (name, value) in proxies {
        if !ruleset.environment().names(name.as_ref()) {
            variables.retain(|(other, _)| other != name);
            variables.push((name.into(), value.into()));
        }
    }
}
