//! The gateway's thread: it serves the doors of one sandbox, and ends with its handle.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::SigSet;
use sandbox_core::Ruleset;
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, LocalSet, spawn_local};

use crate::event::Event;
use crate::guard::Secret;
use crate::hall::{Hall, Rules};
use crate::log::OnEvent;
use crate::processes::{Processes, Searches};
use crate::publish::{Connect, published};
use crate::question::{Answer, Ask, Question};
use crate::upstream::HostProxy;

/// Its threads are called so.
pub(crate) const NAME: &str = "sandbox-gateway";

/// How long a person may think, where nothing else is said.
const PATIENCE: Duration = Duration::from_mins(1);

/// The gateway of one sandbox. Dropping it ends every connection, and its thread.
///
/// ```
/// use std::sync::Arc;
///
/// use sandbox_core::{Context, Policy, Ruleset};
/// use sandbox_gateway::{Doors, Gateway, Options};
///
/// let policy = Policy::default().allow("github.com:443");
/// let ruleset = Arc::new(Ruleset::resolve(&policy, &Context::new("/"))?);
/// let gateway = Gateway::start(ruleset, Options::default())?;
/// gateway.serve(Doors::default())?;                          // none, here
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Gateway {
    orders: Option<UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
    runtime: Handle,
    /// The process that has its thread.
    owner: u32,
    host_proxy: HostProxy,
}

/// What a gateway does besides deciding. By default it tells nobody and asks nobody.
///
/// ```
/// use std::time::Duration;
///
/// use sandbox_gateway::{HostProxy, Options};
///
/// let mut options = Options::default();
/// options.host_proxy = HostProxy::from_environment();
/// options.ask_timeout = Duration::from_secs(10);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// Is told of everything that happens at the doors, on the gateway's thread: what takes long here holds up all connections.
    pub on_event: Option<OnEvent>,
    /// Answers for destinations that no rule names, where the policy says `ask`. Without it they are denied.
    pub ask: Option<Ask>,
    /// How long a connection waits for an answer; 60 s by default.
    pub ask_timeout: Duration,
    /// A file like hosts(5), which is asked for names instead of the host's resolver.
    pub hosts: Option<PathBuf>,
    /// The proxy through which the host reaches other machines; none by default.
    pub host_proxy: HostProxy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            on_event: None,
            ask: None,
            ask_timeout: PATIENCE,
            hosts: None,
            host_proxy: HostProxy::default(),
        }
    }
}

impl Options {
    /// Sets what is told of events.
    #[must_use]
    pub fn on_event(mut self, tell: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(tell));
        self
    }

    /// Sets what answers questions.
    #[must_use]
    pub fn ask(mut self, ask: impl Fn(&Question) -> Answer + Send + Sync + 'static) -> Self {
        self.ask = Some(Arc::new(ask));
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("on_event", &self.on_event.is_some())
            .field("ask", &self.ask.is_some())
            .field("ask_timeout", &self.ask_timeout)
            .field("hosts", &self.hosts)
            .field("host_proxy", &self.host_proxy)
            .finish()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

/// The sockets through which programs of a sandbox come; made in its network, served here.
///
/// ```
/// use sandbox_gateway::Doors;
///
/// let Doors { streams, port, names, proxies, datagrams, packets_v4, packets_v6, processes } = Doors::default();
/// assert!(streams.is_none() && port.is_none() && names.is_none() && proxies.is_none());
/// assert!(datagrams.is_none() && packets_v4.is_none() && packets_v6.is_none());
/// assert!(processes.is_none());
/// ```
#[derive(Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever makes the sockets gives all of them"
)]
pub struct Doors {
    /// A listener which accepts connections to every address: the accepted socket's own address is the one that was dialled.
    pub streams: Option<OwnedFd>,
    /// What tells the port that was dialled of a connection that was accepted there, where its own port is not always that.
    pub port: Option<PortOf>,
    /// An `AF_INET6` socket for both kinds of addresses that gets the datagrams to port 53 of every address, and says which
    /// with each (`IPV6_RECVPKTINFO`, ipv6(7)).
    pub names: Option<OwnedFd>,
    /// A listener on the sandbox's loopback for programs that know of the proxies.
    pub proxies: Option<OwnedFd>,
    /// An `AF_INET6` socket for both kinds of addresses that gets the datagrams to all other ports of every address; they are
    /// carried if those that answer them are there as well.
    pub datagrams: Option<OwnedFd>,
    /// A socket that sends IPv4 packets whose headers are given with them (raw(7)).
    pub packets_v4: Option<OwnedFd>,
    /// The same for IPv6.
    pub packets_v6: Option<OwnedFd>,
    /// Who makes the connections that come; nobody is told of processes without it.
    pub processes: Option<Processes>,
}

/// Tells the port that a connection was made to; none where that is the accepted socket's own.
pub type PortOf = fn(BorrowedFd<'_>) -> Option<u16>;

/// The doors, so that its thread hears of who comes.
struct Watched {
    streams: Option<TcpListener>,
    port: Option<PortOf>,
    names: Option<UdpSocket>,
    proxies: Option<TcpListener>,
    /// And what answers them.
    datagrams: Option<(UdpSocket, [OwnedFd; 2])>,
    processes: Option<Processes>,
}

enum Order {
    Serve(Box<Watched>),
    Update(Rules),
    /// The sender goes once all that was ordered before is done.
    Settle(mpsc::Sender<Infallible>),
    Publish(TcpListener, u16, Connect),
    Loopback(TcpListener, Arc<Secret>),
}

impl Gateway {
    /// Starts a gateway that decides by these rules. It serves nobody yet.
    ///
    /// # Errors
    ///
    /// The host gives no thread or no descriptors, its addresses can't be found out, or its proxy is one that can't be used.
    pub fn start(ruleset: Arc<Ruleset>, options: Options) -> io::Result<Self> {
        let rules = Rules::new(ruleset, &options.host_proxy)?;
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (host_proxy, handle) = (options.host_proxy.clone(), runtime.handle().clone());
        let (orders, receiver) = unbounded_channel();
        // Its threads begin with the mask of this one: signals are the caller's.
        let mask = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
        let thread = thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || run(&runtime, rules, options, receiver));
        mask.thread_set_mask()?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread?),
            runtime: handle,
            owner: std::process::id(),
            host_proxy,
        })
    }

    /// Serves these doors, in place of those that were served before.
    ///
    /// # Errors
    ///
    /// A socket can't be served, or the gateway has failed.
    pub fn serve(&self, doors: Doors) -> io::Result<()> {
        let watched = self.watch(|| {
            Ok(Watched {
                streams: doors.streams.map(listener).transpose()?,
                port: doors.port,
                names: doors.names.map(datagrams).transpose()?,
                proxies: doors.proxies.map(listener).transpose()?,
                datagrams: match (doors.datagrams, doors.packets_v4, doors.packets_v6) {
                    (Some(socket), Some(v4), Some(v6)) => {
                        crate::datagrams::ask_destinations(&socket)?;
                        Some((datagrams(socket)?, [v4, v6]))
                    }
                    _ => None,
                },
                processes: doors.processes,
            })
        })?;
        self.order(Order::Serve(Box::new(watched)))
    }

    /// Serves a listener outside for a port inside. `connect` connects to that port, each time it is called.
    ///
    /// # Errors
    ///
    /// The listener can't be served, or the gateway has failed.
    pub fn publish(
        &self,
        outside: net::TcpListener,
        port: u16,
        connect: impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static,
    ) -> io::Result<()> {
        let outside = self.watch(|| listener(outside.into()))?;
        self.order(Order::Publish(outside, port, Arc::new(connect)))
    }

    /// Serves a listener on the host's loopback for who shows the secret.
    pub(crate) fn serve_loopback(
        &self,
        socket: net::TcpListener,
        secret: Arc<Secret>,
    ) -> io::Result<()> {
        let socket = self.watch(|| listener(socket.into()))?;
        self.order(Order::Loopback(socket, secret))
    }

    /// Has its thread hear of sockets.
    fn watch<T>(&self, sockets: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        // What that thread watches it shares with a fork.
        self.refuse_fork()?;
        let _entered = self.runtime.enter();
        sockets()
    }

    /// Decides by other rules from now on. Connections that they deny end.
    ///
    /// # Errors
    ///
    /// The gateway has failed, the host's addresses can't be found out, or its proxy is one that can't be used; then the rules
    /// are as they were.
    pub fn update(&self, ruleset: Arc<Ruleset>) -> io::Result<()> {
        self.order(Order::Update(Rules::new(ruleset, &self.host_proxy)?))
    }

    /// Returns once everything holds that was said before. On its own thread, where it tells of events, it does not wait.
    pub fn settle(&self) {
        let (done, is_done) = mpsc::channel();
        if !self.is_on_its_thread() && self.order(Order::Settle(done)).is_ok() {
            // An error is all that can come: nothing is sent.
            let _ = is_done.recv();
        }
    }

    /// Whether it is the calling process's. A fork of that has what it remembers, and no thread that serves anybody.
    fn is_ours(&self) -> bool {
        self.owner == std::process::id()
    }

    fn is_on_its_thread(&self) -> bool {
        let own = self.thread.as_ref().map(|thread| thread.thread().id());
        own == Some(thread::current().id())
    }

    fn refuse_fork(&self) -> io::Result<()> {
        if self.is_ours() {
            Ok(())
        } else {
            Err(io::Error::other("the gateway is another process's"))
        }
    }

    fn order(&self, order: Order) -> io::Result<()> {
        self.refuse_fork()?;
        let sent = self.orders.as_ref().map(|orders| orders.send(order));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(io::Error::other("the gateway has ended")),
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let is_on_its_thread = self.is_on_its_thread();
        let (orders, thread) = (self.orders.take(), self.thread.take());
        if !self.is_ours() {
            // There is no such thread to hear of it, and what it had locked in its own process stays locked.
            std::mem::forget((orders, thread));
            return;
        }
        drop(orders);
        if let Some(thread) = thread
            && !is_on_its_thread
        {
            let _ = thread.join();
        }
    }
}

fn listener(socket: OwnedFd) -> io::Result<TcpListener> {
    set_nonblocking(&socket)?;
    TcpListener::from_std(socket.into())
}

fn datagrams(socket: OwnedFd) -> io::Result<UdpSocket> {
    set_nonblocking(&socket)?;
    UdpSocket::from_std(socket.into())
}

fn set_nonblocking(socket: &OwnedFd) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = fcntl(socket, FcntlArg::F_GETFL)?;
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
    fcntl(socket, FcntlArg::F_SETFL(flags))?;
    Ok(())
}

fn run(runtime: &Runtime, rules: Rules, options: Options, orders: UnboundedReceiver<Order>) {
    let tasks = LocalSet::new();
    let hall = Rc::new(Hall::new(rules, options));
    tasks.block_on(runtime, obey(hall, orders));
}

async fn obey(hall: Rc<Hall>, mut orders: UnboundedReceiver<Order>) {
    let served = RefCell::new(Vec::<AbortHandle>::new());
    while let Some(order) = orders.recv().await {
        match order {
            Order::Update(rules) => hall.update(rules),
            Order::Settle(done) => drop(done),
            Order::Publish(listener, port, connect) => {
                spawn_local(published(listener, port, connect, Rc::clone(&hall)));
            }
            Order::Loopback(listener, secret) => {
                spawn_local(crate::loopback::serve(listener, secret, Rc::clone(&hall)));
            }
            Order::Serve(doors) => {
                let doors = serve(&hall, *doors);
                for door in served.replace(doors) {
                    door.abort();
                }
            }
        }
    }
    // What is told at the end says whose it was as well.
    hall.searches.take();
}

/// Starts to serve the doors, each by a task that ends by being aborted.
fn serve(hall: &Rc<Hall>, doors: Watched) -> Vec<AbortHandle> {
    let Watched {
        streams,
        port,
        names,
        proxies,
        datagrams,
        processes,
    } = doors;
    // Those of other doors are of another network.
    hall.flows.end_all();
    hall.searches.replace(processes.map(Searches::new));
    let hall = || Rc::clone(hall);
    let tasks = [
        proxies.map(|door| spawn_local(crate::capture::proxies(door, hall()))),
        streams.map(|door| spawn_local(crate::capture::streams(door, port, hall()))),
        names.map(|door| spawn_local(crate::dns::datagrams(door, hall()))),
        datagrams
            .map(|(door, packets)| spawn_local(crate::datagrams::serve(door, packets, hall()))),
    ];
    let tasks = tasks.into_iter().flatten();
    tasks.map(|task| task.abort_handle()).collect()
}
