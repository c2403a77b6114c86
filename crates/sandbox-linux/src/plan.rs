//! What this host will do before the first command: an ordered list of steps, pure data.
//!
//! Compiled from the ruleset and the host's facts alone, so that a plan for any host can be printed and checked on any
//! machine. Nothing is decided later: init carries the steps out and knows no policy.

mod compile;
mod connectivity;
pub(crate) mod encode;
mod enforcement;
mod error;
mod follow;
mod hard_links;
mod inside;
mod joining;
mod netlink;
mod step;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sandbox_core::{Access, Enforcement, Limits, Ruleset, Tier, above, is_within};

use crate::filter::Feature;
use crate::landlock::Rights;
use crate::notifier::Names;
use crate::view::View;
use crate::{Filter, FilterOptions, HostFacts, UserNamespaces};

use self::compile::{Compiler, mode};
pub use self::connectivity::Connectivity;
pub use self::error::Unenforceable;
pub use self::inside::Inside;
pub(crate) use self::joining::joining;
pub use self::netlink::{Family, NetworkRequest};
pub use self::step::{Followed, MountAttributes, Resource, Step};
pub use self::watch::Watched;
pub(crate) use self::watch::later;

/// The nodes of every private `/dev`: what `null(4)`, `random(4)`, `full(4)` and `tty(4)` describe, and nothing of the
/// machine.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// The links of every private `/dev`.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
/// Where what every sandbox has of its own waits: first the nodes of `/dev`.
const PROC: u32 = 6;
const DEV: u32 = 7;
const PTS: u32 = 8;
const FIRST_FREE: u32 = 9;

/// What this host will do before the first command.
///
/// ```
/// use sandbox_core::{Context, Policy, Preset, Ruleset};
/// use sandbox_linux::{HostFacts, Plan};
///
/// let ruleset = Ruleset::resolve(&Policy::preset(Preset::ReadOnly), &Context::new("/"))?;
/// let plan = Plan::compile(&ruleset, &HostFacts::complete())?;
/// assert!(plan.to_string().contains("mount a private directory at /tmp"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Plan {
    network: Connectivity,
    steps: Arc<[Step]>,
    /// What the report is made from, when it is asked for.
    view: Arc<View>,
    landlock_abi: u32,
    limits: Limits,
    /// What the notifier decides by; `None` where there is none.
    names: Option<Arc<Names>>,
}

impl Plan {
    /// Compiles the plan that enforces `ruleset` on a host with these `facts`.
    ///
    /// # Errors
    ///
    /// [`Unenforceable`] if the host, or this version, can't hold a part of it.
    pub fn compile(ruleset: &Ruleset, facts: &HostFacts) -> Result<Self, Unenforceable> {
        require_namespaces(ruleset, facts)?;
        let left = if has_notifier(ruleset, facts) {
            left_to_notifier(ruleset)
        } else {
            HashSet::new()
        };
        let view = View::compile_without(ruleset.files(), |path| left.contains(path))?;
        let view = Arc::new(view);
        let network = Connectivity::of(ruleset.network_rules());
        let rights = Rights::of(facts);
        let names = names(ruleset, facts, &view);
        let options = FilterOptions {
            signal_scope: facts.landlock_abi >= crate::landlock::SCOPE_ABI,
            notifier: names.as_ref().is_some_and(|names| names.are_decided()),
            sockets: names
                .as_ref()
                .is_some_and(|names| names.are_sockets_decided()),
            features: ruleset
                .system()
                .features
                .keys()
                .map(|name| name.parse())
                .collect::<Result<_, _>>()?,
        };
        let filter = Filter::compile(&options)?;

        let mut plan = Compiler {
            view: &view,
            steps: beginning(facts, &network),
            made: BTreeSet::new(),
            followed: follow::followed(&view, ruleset.files()),
        };
        if let Connectivity::Gateway { .. } = network {
            plan.steps.push(Step::Hosts {
                table: ruleset.network_rules().hosts().to_owned(),
            });
        }
        plan.build_view();
        plan.steps.push(Step::Lock);
        if let Some(rights) = rights {
            let needed = names.as_deref().filter(|names| names.are_needed());
            plan.steps.push(rights.ruleset(needed));
            let grants = rights.grants(&view, &plan.followed, names.as_deref());
            plan.steps.extend(grants);
        }
        plan.limits(ruleset.limits(), facts);
        plan.steps.push(Step::Filter(Box::new(filter)));
        let openings = names.as_deref().map_or(&[][..], Names::openings);
        plan.watch(ruleset.files(), openings)?;
        plan.follow();
        let steps = plan.steps;
        Ok(Self {
            network,
            steps: steps.into(),
            view,
            landlock_abi: facts.landlock_abi,
            limits: ruleset.limits().clone(),
            names,
        })
    }

    /// The steps, in their order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Which mechanism holds which part of the policy, and what is not held.
    pub fn enforcement(&self) -> Enforcement {
        enforcement::of(
            &self.view,
            self.landlock_abi,
            &self.network,
            (&self.limits, self.bounds_numbers()),
            self.names.as_deref(),
        )
    }

    fn bounds_numbers(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::Numbers { .. }))
    }

    /// What holds the denial of a connection.
    #[must_use]
    pub fn holds_connecting(&self) -> Vec<&'static str> {
        self.network.mechanisms()
    }

    pub(crate) fn names(&self) -> Option<Arc<Names>> {
        self.names.clone().filter(|names| names.are_needed())
    }

    pub(crate) fn shared_steps(&self) -> Arc<[Step]> {
        Arc::clone(&self.steps)
    }

    /// The steps that need no rule about files.
    pub(crate) fn beginning(&self) -> &[Step] {
        parts(&self.steps).0
    }

    /// All the others.
    pub(crate) fn rest(&self) -> &[Step] {
        rest(&self.steps)
    }

    /// Whether the commands have a network of the sandbox's own.
    pub(crate) fn has_own_network(&self) -> bool {
        self.network != Connectivity::Host
    }

    /// Whether somebody outside serves their connections.
    pub(crate) fn has_gateway(&self) -> bool {
        matches!(self.network, Connectivity::Gateway { .. })
    }
}

/// What a notifier decides by, on a host that has one.
fn names(ruleset: &Ruleset, facts: &HostFacts, view: &Arc<View>) -> Option<Arc<Names>> {
    has_notifier(ruleset, facts).then(|| Arc::new(Names::new(ruleset, view)))
}

/// What patterns let be written in directories that can only be read, if there is much of it. The notifier does that by name; a mount for each
/// would take its time at every start, and a command could make more than there can be.
fn left_to_notifier(ruleset: &Ruleset) -> HashSet<&Path> {
    const MANY: usize = 1000;
    let mut openings = ruleset.openings();
    openings.retain(|opening| opening.made().is_none());
    let files = ruleset.files();
    let is_opened = |path: &Path| {
        let mut openings = openings.iter();
        let is_read_only = |above| files.access(above).0 == Access::Read;
        openings.any(|opening| is_within(path, &opening.directory))
            && above(path).is_some_and(is_read_only)
    };
    let anchors = files.anchors().iter();
    let written = anchors.filter(|anchor| anchor.access == Access::Write && !anchor.pin);
    let mut left: HashSet<&Path> = written
        .map(|anchor| anchor.path.as_path())
        .filter(|path| is_opened(path))
        .collect();
    if left.len() <= MANY {
        return HashSet::new();
    }
    for rule in files.iter().filter(|rule| rule.is_literal()) {
        left.remove(rule.path());
    }
    left
}

/// Whoever may make namespaces and mounts could call a place by another name, and the performer without Landlock could do more than the
/// policy grants.
fn has_notifier(ruleset: &Ruleset, facts: &HostFacts) -> bool {
    let is_nested = ruleset
        .system()
        .features
        .contains_key(Feature::Nested.name());
    let has_domain = Rights::of(facts).is_some();
    facts.notifier && has_domain && !is_nested
}

/// Refuses on a host where the tier that the policy asks for is not to be had. A weaker one is never taken by itself.
fn require_namespaces(ruleset: &Ruleset, facts: &HostFacts) -> Result<(), Unenforceable> {
    if let UserNamespaces::Forbidden { .. } = facts.user_namespaces {
        if ruleset.system().fallback == Some(Tier::Landlock) {
            return Err(Unenforceable::Tier {
                tier: Tier::Landlock,
            });
        }
        return Err(Unenforceable::Host {
            obstacles: facts.obstacles(),
        });
    }
    if !facts.can_map_root || !facts.seccomp {
        return Err(Unenforceable::Host {
            obstacles: facts.obstacles(),
        });
    }
    Ok(())
}

/// Whether the bound of processes, which the kernel does not hold against root (setrlimit(2)), is one of their numbers as well.
fn binds_root_by_numbers(facts: &HostFacts) -> bool {
    facts.uid == 0 && facts.pid_max
}

/// The steps of a plan but for the first ones.
pub(crate) fn rest(steps: &[Step]) -> &[Step] {
    parts(steps).1
}

/// Those that need no rule about files, and all others.
fn parts(steps: &[Step]) -> (&[Step], &[Step]) {
    let is_last = |step: &Step| matches!(step, Step::Terminals { .. });
    let last = steps.iter().position(is_last);
    steps
        .split_at_checked(last.map_or(0, |last| last + 1))
        .unwrap_or_default()
}

/// The first steps of every plan for this host. They depend on no rule about files, so that they can be carried out while
/// those are still being resolved.
pub(crate) fn beginning(facts: &HostFacts, network: &Connectivity) -> Vec<Step> {
    let ids = Step::MapIds {
        uid: facts.uid,
        gid: facts.gid,
    };
    let devices = (0..).zip(DEVICES).map(|(slot, name)| Step::Take {
        path: Path::new("/dev").join(name),
        slot,
        attributes: MountAttributes::DEVICE,
        may_be_gone: false,
    });
    let own_file_systems = [
        // The files of `/proc/sys` let uid 0 write without any capability, and `/proc/self/autogroup` renices the caller's
        // whole session for everybody.
        Step::Proc {
            slot: PROC,
            attributes: MountAttributes::READ_ONLY_DATA,
        },
        Step::Devices {
            slot: DEV,
            attributes: MountAttributes::DEVICES,
            contents: device_names(),
        },
        Step::Terminals { slot: PTS },
    ];
    std::iter::once(ids)
        .chain(network.steps())
        .chain([Step::Private])
        .chain(devices)
        .chain(own_file_systems)
        .collect()
}

/// What is in the private `/dev` before anything is put there.
fn device_names() -> Vec<Step> {
    let root = Path::new("/");
    let nodes = DEVICES.iter().map(|name| Step::File {
        path: root.join(name),
    });
    let links = DEVICE_LINKS.iter().map(|(name, target)| Step::Link {
        path: root.join(name),
        target: target.into(),
    });
    let terminals = Step::Directory {
        path: root.join("pts"),
    };
    nodes.chain([terminals]).chain(links).collect()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  1. clone init with its own user mount pid ipc uts namespaces"
        )?;
        for (number, step) in (2..).zip(self.steps.iter()) {
            writeln!(f, "{number:3}. {step}")?;
        }
        Ok(())
    }
}
