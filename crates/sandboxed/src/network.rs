//! The gateway of a sandbox whose policy names destinations: started with its first command, gone with the sandbox.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use sandbox_core::{NetworkRules, PublishedPort, Ruleset};
use sandbox_gateway::{
    Doors, Gateway, HostProxy, NO_PROXY_VARIABLES, Options, PortOf, Process, Processes,
    proxy_variables,
};
use sandbox_linux::{Connectivity, Holder, Prepared, WayIn};

use crate::{Error, proxies};

/// What is the sandbox's own, where a proxy would reach the host's; and addresses that nobody expects a proxy to reach. Connections to
/// these are captured all the same.
const NO_PROXY: &str =
    "localhost,127.0.0.1,::1,169.254.0.0/16,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16";

/// The gateway, once it runs.
pub(crate) struct Service {
    options: Options,
    told: Told,
    /// The process that it is of. A fork of that does not have the gateway's thread, and joins no network that needs it.
    owner: u32,
    of_fork: OnceLock<Box<Self>>,
    state: Mutex<State>,
}

/// What is told of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Told {
    /// Who made them, too.
    #[default]
    Processes,
    /// No more than what is known without a search.
    NoProcesses,
}

struct State {
    /// Those by which it decides now.
    ruleset: Arc<Ruleset>,
    running: Option<Arc<Gateway>>,
}

impl Service {
    /// `None` where no destination is named, or the network is the host's.
    pub(crate) fn of(ruleset: &Arc<Ruleset>, mut options: Options, told: Told) -> Option<Self> {
        ruleset.network_rules().needs_gateway()?;
        options.host_proxy = HostProxy::from_environment();
        Some(Self::with(options, told, Arc::clone(ruleset)))
    }

    fn with(options: Options, told: Told, ruleset: Arc<Ruleset>) -> Self {
        Self {
            options,
            told,
            owner: std::process::id(),
            of_fork: OnceLock::new(),
            state: Mutex::new(State {
                ruleset,
                running: None,
            }),
        }
    }

    /// That of the calling process.
    fn ours(&self) -> Result<&Self, Error> {
        if self.owner == std::process::id() {
            return Ok(self);
        }
        if let Some(of_fork) = self.of_fork.get() {
            return of_fork.ours();
        }
        // A thread that a fork does not have may have held the lock, and will never give it back.
        let ruleset = match self.state.try_lock() {
            Ok(state) => Arc::clone(&state.ruleset),
            Err(TryLockError::Poisoned(state)) => Arc::clone(&state.into_inner().ruleset),
            Err(TryLockError::WouldBlock) => {
                let source = io::Error::other("this process was forked while it was changed");
                return Err(Error::Gateway { source });
            }
        };
        let of_fork = || Box::new(Self::with(self.options.clone(), self.told, ruleset));
        self.of_fork.get_or_init(of_fork).ours()
    }

    /// Starts it, unless it runs.
    pub(crate) fn start(&self, prepared: &Prepared) -> Result<(), Error> {
        let service = self.ours()?;
        let mut state = service.state();
        if state.running.is_none() {
            let gateway = Gateway::start(Arc::clone(&state.ruleset), service.options.clone());
            let gateway = gateway.map_err(|source| Error::Gateway { source })?;
            // The ports of a fork are its parent's.
            if self.owner == service.owner {
                publish(&gateway, &state.ruleset, &prepared.way_in())?;
            }
            state.running = Some(Arc::new(gateway));
        }
        Ok(())
    }

    /// Has it decide by other rules, or refuses them and leaves everything as it is.
    pub(crate) fn update(&self, ruleset: Ruleset) -> Result<(), Error> {
        let mut state = self.ours()?.state();
        let ruleset = Arc::new(ruleset);
        if let Some(gateway) = &state.running {
            let updated = gateway.update(Arc::clone(&ruleset));
            updated.map_err(|source| Error::Gateway { source })?;
        }
        state.ruleset = ruleset;
        let running = state.running.clone();
        // Whoever is told of events may be about to do the same, on the gateway's thread.
        drop(state);
        if let Some(gateway) = running {
            gateway.settle();
        }
        Ok(())
    }

    /// Hands it the sockets of a sandbox that has just been made.
    pub(crate) fn serve(&self, prepared: &Prepared) -> Result<(), Error> {
        let Some(doors) = prepared.take_doors() else {
            return Ok(());
        };
        let service = self.ours()?;
        let is_told = service.options.on_event.is_some() && service.told == Told::Processes;
        let doors = Doors {
            processes: is_told.then(|| processes(&prepared.way_in())).flatten(),
            streams: doors.streams,
            port: doors
                .brought
                .then_some(sandbox_linux::Doors::port_of as PortOf),
            names: doors.names,
            proxies: doors.proxies,
            datagrams: doors.datagrams,
            packets_v4: doors.packets_v4,
            packets_v6: doors.packets_v6,
        };
        let state = service.state();
        let served = state
            .running
            .as_ref()
            .map_or(Ok(()), |gateway| gateway.serve(doors));
        served.map_err(|source| Error::Gateway { source })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who makes the connections of the sandbox that has just been made. What this host does not say is not told.
fn processes(way_in: &WayIn) -> Option<Processes> {
    let holders = Arc::new(way_in.holders().ok()?);
    let (streams, datagrams) = (Arc::clone(&holders), Arc::clone(&holders));
    let process = |holder: Holder| Process::new(holder.pid, holder.program);
    Some(Processes {
        stream: Box::new(move |inside, other| streams.stream(inside, other)),
        datagrams: Box::new(move |inside, other| datagrams.datagrams(inside, other)),
        search: Box::new(move |sockets| {
            let holders = holders.of(sockets).into_iter();
            holders.map(|holder| holder.map(process)).collect()
        }),
    })
}

/// What is decided when the sandbox is made.
pub(crate) const WHICH: &str = "which network it has, whether that carries UDP, or which ports of the host's loopback are reached";

/// What the network of a sandbox, as it was made for the rules `before`, cannot become.
pub(crate) fn unchangeable(before: &Ruleset, after: &Ruleset) -> Option<&'static str> {
    let (before, after) = (before.network_rules(), after.network_rules());
    let ports = |rules: &NetworkRules| -> Vec<PublishedPort> {
        rules.published().iter().map(|(port, _)| *port).collect()
    };
    if !Connectivity::of(before).does_for(&Connectivity::of(after)) {
        Some(WHICH)
    } else if ports(before) != ports(after) {
        Some("which ports are published")
    } else {
        None
    }
}

/// Opens the published ports on the host's loopback.
fn publish(gateway: &Gateway, ruleset: &Ruleset, way_in: &WayIn) -> Result<(), Error> {
    for (port, _) in ruleset.network_rules().published() {
        let outside = port.host().map_or(0, std::num::NonZero::get);
        let inside = port.inside().get();
        let way_in = way_in.clone();
        let published = TcpListener::bind((Ipv4Addr::LOCALHOST, outside))
            .and_then(|listener| gateway.publish(listener, inside, move || way_in.connect(inside)));
        published.map_err(|source| Error::Publish {
            port: outside,
            source,
        })?;
    }
    Ok(())
}

/// Sets the variables by which programs find the proxies, but for those that the policy names.
pub(crate) fn name_proxies(ruleset: &Ruleset, variables: &mut Vec<(OsString, OsString)>) {
    let proxies = proxy_variables(&format!("127.0.0.1:{}", sandbox_linux::Doors::PROXY));
    let without = NO_PROXY_VARIABLES.map(|name| (name, NO_PROXY.to_owned()));
    proxies::name(ruleset, proxies.chain(without), variables);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;

    use sandbox_core::{Context, Policy};

    use super::*;

    #[test]
    fn programs_find_the_proxies_but_for_what_the_policy_says() {
        let policy = Policy::default().allow("a.example").pass("http_proxy");
        let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
        let outside = ["http_proxy", "HTTP_PROXY", "NO_PROXY", "OTHER"];
        let mut variables = outside.map(|name| (name.into(), "outside".into())).to_vec();
        name_proxies(&ruleset, &mut variables);
        let count = variables.len();
        let inside: BTreeMap<_, _> = variables.into_iter().collect();
        assert_eq!(inside.len(), count, "each once");
        let own = "http://127.0.0.1:880";
        let none = "localhost,127.0.0.1,::1,169.254.0.0/16,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16";
        for (name, expected) in [
            ("OTHER", "outside"),
            ("http_proxy", "outside"),
            ("HTTP_PROXY", own),
            ("HTTPS_PROXY", own),
            ("https_proxy", own),
            ("ALL_PROXY", own),
            ("all_proxy", own),
            ("FTP_PROXY", "socks5h://127.0.0.1:880"),
            ("NO_PROXY", none),
            ("no_proxy", none),
        ] {
            assert_eq!(inside[OsStr::new(name)], expected, "{name}");
        }
        assert_eq!(count, 10);
    }
}
