//! The network: the gateway's doors on the host's loopback, as soon as there are any. Until then what needs them is refused.

use std::ffi::OsString;

use sandbox_core::Ruleset;
use sandbox_gateway::Options;

use super::Unenforceable;

/// Where a sandbox reaches its gateway.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    /// Ports of the host's loopback.
    pub(crate) ports: Vec<u16>,
    /// What tells programs of them.
    pub(crate) variables: Vec<(OsString, OsString)>,
}

impl Doors {
    /// Those of a policy: none, if it needs none.
    pub(crate) fn of(ruleset: &Ruleset, _gateway: Options) -> Result<Self, Unenforceable> {
        refuse(ruleset)?;
        Ok(Self::default())
    }
}

/// Refuses what needs a gateway.
pub(super) fn refuse(ruleset: &Ruleset) -> Result<(), Unenforceable> {
    match ruleset.network_rules().needs_gateway() {
        Some((rule, at)) => Err(Unenforceable::Network { rule, at }),
        None => Ok(()),
    }
}
