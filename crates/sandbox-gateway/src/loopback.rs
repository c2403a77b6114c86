//! Doors on the host's loopback, for a system on which a sandbox has no network of its own.
//!
//! Every program of the host can connect there, so each connection has to show the secret of the sandbox, which only its commands have.

use std::io;
use std::net::{self, Ipv4Addr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::select;
use tokio::net::{TcpListener, TcpStream};

use crate::capture;
use crate::gateway::Gateway;
use crate::guard::{Guard, Secret, USER};
use crate::hall::{self, Hall};
use crate::proxy;
use crate::publish::Listening;
use crate::variables::{NO_PROXY_VARIABLES, proxy_variables};

/// What is asked for directly: the host's loopback, as far as the system lets a command reach it.
const NO_PROXY: &str = "localhost,127.0.0.1,::1";
/// git asks a proxy without the secret first, unless it is told how that is shown.
const GIT: (&str, &str) = ("GIT_HTTP_PROXY_AUTHMETHOD", "basic");

/// The doors of one sandbox on the host's loopback, which [`Gateway::loopback`] opens: a port that speaks HTTP and SOCKS 5, and answers
/// only who shows the sandbox's secret. They are served as long as the gateway is there.
///
/// The secret is in the environment that this gives, and nowhere else: neither here, printed, nor in events. Who is not confined and runs
/// as the same user may read it there, as it may read all that a program has.
///
/// ```
/// # use std::sync::Arc;
/// # use sandbox_core::{Context, Policy, Ruleset};
/// # use sandbox_gateway::{Gateway, Options};
/// # let policy = Policy::default().allow("github.com:443");
/// # let ruleset = Arc::new(Ruleset::resolve(&policy, &Context::new("/"))?);
/// let gateway = Gateway::start(ruleset, Options::default())?;
/// let doors = gateway.loopback()?;
/// let [port] = doors.ports();
/// let proxies = doors.environment();
/// let (_, proxy) = proxies.iter().find(|(name, _)| *name == "HTTPS_PROXY").unwrap();
/// assert!(proxy.starts_with("http://sandbox:") && proxy.ends_with(&format!("@127.0.0.1:{port}")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Loopback {
    port: u16,
    secret: Arc<Secret>,
}

impl Loopback {
    /// The ports of the loopback that a command has to be able to connect to, and no others.
    pub fn ports(&self) -> [u16; 1] {
        [self.port]
    }

    /// The variables by which programs find the doors, with the secret: for the sandbox's commands alone.
    ///
    /// A policy that passes or sets one of them by name goes before.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let authority = format!("{USER}:{}@127.0.0.1:{}", self.secret.password(), self.port);
        let without = NO_PROXY_VARIABLES.map(|name| (name, NO_PROXY.to_owned()));
        let git = (GIT.0, GIT.1.to_owned());
        let proxies = proxy_variables(&authority);
        proxies.chain(without).chain([git]).collect()
    }
}

impl Gateway {
    /// Opens doors on the host's loopback, which are served from now on, with a new secret.
    ///
    /// # Errors
    ///
    /// The host gives no port or no random numbers, or the gateway has failed.
    pub fn loopback(&self) -> io::Result<Loopback> {
        let secret = Arc::new(Secret::new()?);
        let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        self.serve_loopback(listener, Arc::clone(&secret))?;
        Ok(Loopback { port, secret })
    }
}

/// Serves such a door.
pub(crate) async fn serve(listener: TcpListener, secret: Arc<Secret>, hall: Rc<Hall>) {
    let Ok(at) = listener.local_addr() else {
        return;
    };
    let listening = Listening(listener);
    loop {
        let client = capture::accept(&listening.0).await;
        // Those that end leave their places before one is asked for.
        hall.strangers.make_room(hall::strangers()).await;
        capture::begin(client, &hall, |client, hall| {
            let guard = Guard::new(Arc::clone(&secret), at, Rc::clone(&hall.strangers));
            one(client, guard, hall)
        });
    }
}

/// Serves one connection, until it is evicted.
pub(crate) async fn one(client: TcpStream, guard: Guard, hall: Rc<Hall>) {
    let stranger = guard.stranger();
    let served = proxy::serve_guarded(client, hall, guard);
    select(pin!(served), pin!(stranger.evicted())).await;
}
