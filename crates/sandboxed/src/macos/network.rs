//! The gateway of a sandbox whose policy names destinations. A command has no network of its own here: it reaches the gateway's doors on the
//! host's loopback, at which it shows the sandbox's secret.
//!
//! The profile is fixed when the sandbox is made, and opens ports of the loopback by itself. So no other rules hold later that differ in
//! these: what the gateway is not asked for, it can't take back.

use std::ffi::OsString;
use std::sync::Arc;

use sandbox_core::{Context, Network, Policy, PublishedPort, Ruleset, own_addresses};
use sandbox_gateway::{Gateway, HostProxy, Options};
use sandbox_macos::loopback_ports;

use super::{Error, Unenforceable};
use crate::proxies;

/// The gateway, which runs as long as the sandbox is there.
pub(crate) struct Service {
    gateway: Gateway,
    /// Ports of the host's loopback.
    ports: Vec<u16>,
    /// What tells programs of them, with the secret.
    variables: Vec<(&'static str, String)>,
    /// What the rules were resolved from: the network's part of it may change.
    made_of: (Policy, Context),
}

impl Service {
    /// Starts it; `None` where no destination is named, or the network is the host's.
    pub(crate) fn start(
        ruleset: &Arc<Ruleset>,
        mut options: Options,
        made_of: (&Policy, &Context),
    ) -> Result<Option<Self>, Error> {
        if ruleset.network_rules().needs_gateway().is_none() {
            return Ok(None);
        }
        options.host_proxy = HostProxy::from_environment();
        let failed = |source| Error::Gateway { source };
        let gateway = Gateway::start(Arc::clone(ruleset), options).map_err(failed)?;
        let doors = gateway.loopback().map_err(failed)?;
        let (policy, context) = made_of;
        Ok(Some(Self {
            gateway,
            ports: doors.ports().into(),
            variables: doors.environment(),
            made_of: (policy.clone(), context.clone()),
        }))
    }

    /// The ports of the host's loopback that a command has to reach.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.ports.clone()
    }

    /// Sets the variables by which programs find it, but for those that the policy names.
    pub(crate) fn name(&self, ruleset: &Ruleset, variables: &mut Vec<(OsString, OsString)>) {
        proxies::name(ruleset, self.variables.clone(), variables);
    }

    /// Has it decide by what another policy says of the network, or refuses that and leaves everything as it is. The sandbox was made
    /// for the rules `before`.
    pub(crate) fn update(&self, before: &Ruleset, policy: &Policy) -> Result<(), Error> {
        let (made_of, context) = &self.made_of;
        if policy.differs_beyond_network(made_of) {
            let what = "anything but the network";
            return Err(Error::Update { what });
        }
        let ruleset = before.with_network(policy, context)?;
        if let Some(what) = unchangeable(before, &ruleset) {
            return Err(Error::Update { what });
        }
        Unenforceable::look_for(&ruleset)?;
        let updated = self.gateway.update(Arc::new(ruleset));
        updated.map_err(|source| Error::Gateway { source })?;
        self.gateway.settle();
        Ok(())
    }
}

/// Looks up what a policy about destinations needs to know of the host.
pub(crate) fn describe(policy: &Policy, context: &mut Context) -> Result<(), Error> {
    let rules = sandbox_core::NetworkRules::of(policy);
    // The gateway looks for itself, at once and again; here a layer that may only narrow is compared with what is closed.
    if rules.needs_gateway().is_some() && context.addresses.is_empty() {
        context.addresses = own_addresses().map_err(|source| Error::Gateway { source })?;
    }
    Ok(())
}

/// What is decided when the sandbox is made.
pub(crate) const WHICH: &str =
    "which network it has, or which ports of the host's loopback are reached";

/// What the network of a sandbox, as it was made for the rules `before`, cannot become.
fn unchangeable(before: &Ruleset, after: &Ruleset) -> Option<&'static str> {
    let published = |ruleset: &Ruleset| -> Vec<PublishedPort> {
        let published = ruleset.network_rules().published().iter();
        published.map(|(port, _)| *port).collect()
    };
    if after.network() == Network::Host || loopback_ports(before) != loopback_ports(after) {
        Some(WHICH)
    } else if published(before) != published(after) {
        Some("which ports are published")
    } else {
        None
    }
}
