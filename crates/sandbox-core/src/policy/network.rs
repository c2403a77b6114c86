//! The setters of `[network]`.

use std::str::FromStr;
use std::sync::Arc;

use super::{DestinationEntry, DestinationPreset, Grant, Policy, SocketPreset, entry};
use crate::destination::DestinationProblem;
use crate::{Network, PolicyError, PublishedPort, Source, Upstream};

/// Network. A destination is written as [`DestinationPattern`](crate::DestinationPattern) reads it.
impl Policy {
    /// How much of the network the policy grants where no rule says it; known before it is resolved.
    #[must_use]
    pub fn network_access(&self) -> Network {
        self.network
            .as_ref()
            .map_or(Network::Deny, |(network, _)| *network)
    }

    /// Says how much of the network the command has where no rule says it.
    pub fn network(mut self, network: Network) -> Self {
        self.network = Some((network, self.origin.clone()));
        self
    }

    /// Lets the command connect to a destination.
    ///
    /// ```
    /// use sandbox_core::{Attempt, Context, Name, Policy, Ruleset, Verdict};
    ///
    /// let policy = Policy::default().allow("*.example.com:443").deny("tracker.example.com");
    /// let ruleset = Ruleset::resolve(&policy, &Context::new("/"))?;
    /// let verdict = |name: &str| {
    ///     let name: Name = name.parse().unwrap();
    ///     ruleset.decide(&Attempt::connect(name, 443)).verdict
    /// };
    /// assert_eq!(verdict("www.example.com"), Verdict::Allow);
    /// assert_eq!(verdict("example.com"), Verdict::Deny);
    /// assert_eq!(verdict("tracker.example.com"), Verdict::Deny);
    /// # Ok::<(), sandbox_core::PolicyErrors>(())
    /// ```
    pub fn allow(self, destination: impl AsRef<str>) -> Self {
        self.destination(destination.as_ref(), Grant::Allow { udp: false })
    }

    /// Lets the command connect to a destination, and send it datagrams of UDP.
    pub fn allow_udp(self, destination: impl AsRef<str>) -> Self {
        self.destination(destination.as_ref(), Grant::Allow { udp: true })
    }

    /// Lets the command connect to all that a preset names. Rules of this policy, and of every layer, replace those of a preset with the
    /// same key.
    ///
    /// ```
    /// use sandbox_core::{Attempt, Context, DestinationPreset, Name, Policy, Ruleset, Verdict};
    ///
    /// let policy = Policy::new().allow_preset(DestinationPreset::Github).deny("gist.github.com");
    /// let ruleset = Ruleset::resolve(&policy, &Context::new("/"))?;
    /// let verdict = |name: &str| {
    ///     let name: Name = name.parse().unwrap();
    ///     ruleset.decide(&Attempt::connect(name, 443)).verdict
    /// };
    /// assert_eq!(verdict("github.com"), Verdict::Allow);
    /// assert_eq!(verdict("gist.github.com"), Verdict::Deny);
    /// # Ok::<(), sandbox_core::PolicyErrors>(())
    /// ```
    pub fn allow_preset(mut self, preset: DestinationPreset) -> Self {
        let source = self.origin.clone();
        self.add_preset(preset, source);
        self
    }

    pub(super) fn add_preset(&mut self, preset: DestinationPreset, source: Source) {
        let mut known = self.destination_presets.iter();
        if known.all(|(known, _)| *known != preset) {
            self.destination_presets.push((preset, source));
        }
    }

    /// Lets the command reach a service of the person's by its socket.
    ///
    /// ```
    /// use sandbox_core::{Attempt, Context, Policy, Ruleset, SocketPreset, Verdict};
    ///
    /// let policy = Policy::new().reach(SocketPreset::SshAgent);
    /// let ruleset = Ruleset::resolve(&policy, &Context::new("/"))?;
    /// assert_eq!(ruleset.decide(&Attempt::variable("SSH_AUTH_SOCK")).verdict, Verdict::Allow);
    /// # Ok::<(), sandbox_core::PolicyErrors>(())
    /// ```
    pub fn reach(mut self, preset: SocketPreset) -> Self {
        let source = self.origin.clone();
        self.add_sockets(preset, source);
        self
    }

    pub(super) fn add_sockets(&mut self, preset: SocketPreset, source: Source) {
        let mut known = self.socket_presets.iter();
        if known.all(|(known, _)| *known != preset) {
            self.socket_presets.push((preset, source));
        }
    }

    /// Keeps the command from a destination.
    pub fn deny(self, destination: impl AsRef<str>) -> Self {
        self.destination(destination.as_ref(), Grant::Deny { reason: None })
    }

    /// Keeps the command from a destination, and tells whoever tries why.
    pub fn deny_because(mut self, destination: impl AsRef<str>, reason: impl AsRef<str>) -> Self {
        let reason = reason.as_ref();
        if let Some(wrong) = entry::wrong_reason(reason) {
            self.problem_value("reason", reason.to_owned(), wrong);
            return self;
        }
        let reason = Some(reason.to_owned());
        self.destination(destination.as_ref(), Grant::Deny { reason })
    }

    /// Makes a port of the sandbox reachable on the host's loopback, written as [`PublishedPort`] reads it.
    pub fn publish(mut self, port: impl AsRef<str>) -> Self {
        if let Some(port) = self.parsed(port.as_ref()) {
            self.published.push((port, self.origin.clone()));
        }
        self
    }

    /// Says through which proxy the host reaches what is allowed, written as [`Upstream`] reads it.
    pub fn upstream(mut self, proxy: impl AsRef<str>) -> Self {
        if let Some(upstream) = self.parsed::<Upstream>(proxy.as_ref()) {
            self.upstream = Some((upstream, self.origin.clone()));
        }
        self
    }

    /// Whether another policy says something else of anything but the network.
    ///
    /// ```
    /// use sandbox_core::Policy;
    ///
    /// let policy = Policy::new().read("/usr");
    /// assert!(!policy.differs_beyond_network(&policy.clone().allow("example.com")));
    /// assert!(policy.differs_beyond_network(&policy.clone().read("/srv")));
    /// ```
    #[must_use]
    pub fn differs_beyond_network(&self, other: &Self) -> bool {
        let rest = |policy: &Self| {
            let rest = Self {
                network: None,
                destination_presets: Vec::new(),
                destinations: Vec::new(),
                published: Vec::new(),
                upstream: None,
                ..policy.clone()
            };
            rest.to_string()
        };
        let has_same_settings = match (&self.settings, &other.settings) {
            (Some(own), Some(others)) => Arc::ptr_eq(own, others),
            (own, others) => own.is_none() && others.is_none(),
        };
        !has_same_settings || rest(self) != rest(other)
    }

    fn destination(mut self, text: &str, grant: Grant) -> Self {
        if let Some(pattern) = self.parsed(text) {
            let source = self.origin.clone();
            self.destinations.push(DestinationEntry {
                text: text.to_owned(),
                pattern,
                name_only: false,
                grant,
                layer: self.top,
                source,
            });
        }
        self
    }

    /// What a text means; a problem where it means nothing.
    fn parsed<T: FromStr<Err = DestinationProblem>>(&mut self, text: &str) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problems.push(PolicyError::Rule {
                    at: self.origin.clone(),
                    text: text.into(),
                    problem: DestinationProblem::into(problem),
                });
                None
            }
        }
    }
}

impl PublishedPort {
    /// What a later one must have in common with this one to replace it.
    pub(super) fn key(self) -> u16 {
        self.inside().get()
    }
}
