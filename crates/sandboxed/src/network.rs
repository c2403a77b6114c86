//! The gateway of a sandbox whose policy names destinations: started with its first command, gone with the sandbox.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandbox_core::Ruleset;
use sandbox_gateway::{Doors, Gateway, HostProxy, Options};
use sandbox_linux::{Prepared, WayIn};

use crate::Error;

/// Where programs look for a proxy, with its scheme; twins in lower case, which some read alone.
const PROXIES: [(&str, &str); 7] = [
    ("HTTP_PROXY", "http"),
    ("http_proxy", "http"),
    ("HTTPS_PROXY", "http"),
    ("https_proxy", "http"),
    // Not SOCKS: some who know of it by name alone refuse to start (httpx, on which kits for services of models are built).
    ("ALL_PROXY", "http"),
    ("all_proxy", "http"),
    // For who looks for SOCKS. Its twin would be wget's, which does not speak it.
    ("FTP_PROXY", "socks5h"),
];
const NO_PROXIES: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// What is the sandbox's own: a proxy would reach the host's.
const OWN: &str = "localhost,127.0.0.1,::1";

/// The gateway, once it runs.
pub(crate) struct Service {
    options: Options,
    running: Mutex<Option<Gateway>>,
}

impl Service {
    /// `None` where no destination is named, or the network is the host's.
    pub(crate) fn of(ruleset: &Ruleset, mut options: Options) -> Option<Self> {
        ruleset.network_rules().needs_gateway()?;
        options.host_proxy = HostProxy::from_environment();
        Some(Self {
            options,
            running: Mutex::new(None),
        })
    }

    /// Starts it, unless it runs.
    pub(crate) fn start(&self, ruleset: &Arc<Ruleset>, prepared: &Prepared) -> Result<(), Error> {
        let mut running = self.running();
        if running.is_none() {
            let gateway = Gateway::start(Arc::clone(ruleset), self.options.clone());
            let gateway = gateway.map_err(|source| Error::Gateway { source })?;
            publish(&gateway, ruleset, &prepared.way_in())?;
            *running = Some(gateway);
        }
        Ok(())
    }

    /// Hands it the sockets of a sandbox that has just been made.
    pub(crate) fn serve(&self, prepared: &Prepared) -> Result<(), Error> {
        let Some(doors) = prepared.take_doors() else {
            return Ok(());
        };
        let doors = Doors {
            streams: doors.streams,
            names: doors.names,
            proxies: doors.proxies,
        };
        let running = self.running();
        let served = running
            .as_ref()
            .map_or(Ok(()), |gateway| gateway.serve(doors));
        served.map_err(|source| Error::Gateway { source })
    }

    fn running(&self) -> MutexGuard<'_, Option<Gateway>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
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
    let proxies = PROXIES.map(|(name, scheme)| {
        let proxy = format!("{scheme}://127.0.0.1:{}", sandbox_linux::Doors::PROXY);
        (name, proxy)
    });
    let without = NO_PROXIES.map(|name| (name, OWN.to_owned()));
    for (name, value) in proxies.into_iter().chain(without) {
        if !ruleset.environment().names(name.as_ref()) {
            variables.retain(|(other, _)| other != name);
            variables.push((name.into(), value.into()));
        }
    }
}
