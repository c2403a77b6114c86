//! What all doors lead to: a wish is decided here, and what is allowed is dialled from here.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Instant;

use bytes::Bytes;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use nix::sys::resource::{Resource, getrlimit};
use sandbox_core::{Attempt, Decision, Destination, Name, Ruleset, Verdict, own_addresses};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bounds;
use crate::datagrams::Flows;
use crate::dial::{dial, tunnel};
use crate::dns::Told;
use crate::event::{Door, target};
use crate::gateway::Options;
use crate::guard::Strangers;
use crate::log::{Log, Record};
use crate::names::{Meaning, Names};
use crate::opened::{Line, Opened, Relay};
use crate::processes::{Maker, Searches};
use crate::question::{Question, Questions};
use crate::refusal::{Refusal, Why};
use crate::resolver::{Lookup, Resolver};
use crate::upstream::{HostProxy, proxy_for};

/// Where a program inside wants to go.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) destination: Destination,
    pub(crate) port: u16,
    pub(crate) door: Door,
    pub(crate) maker: Maker,
}

/// What a connection is wanted for.
#[derive(Clone, Copy)]
enum Purpose {
    Anything,
    Requests,
}

/// What a wish leads to.
struct Reached {
    line: Arc<Line>,
    early: Bytes,
    relay: Option<Relay>,
}

/// What the doors share.
pub(crate) struct Hall {
    rules: RefCell<Rc<Rules>>,
    /// When the host's addresses were last looked at.
    looked: Cell<Instant>,
    pub(crate) names: RefCell<Names>,
    pub(crate) resolver: Resolver,
    questions: Questions,
    pub(crate) log: Arc<Log>,
    /// For the network whose doors are served, if that knows of processes.
    pub(crate) searches: RefCell<Option<Searches>>,
    places: Arc<Semaphore>,
    /// Those of all doors on the host's loopback.
    pub(crate) strangers: Rc<Strangers>,
    /// For whoever connects to a port inside.
    pub(crate) connects: Arc<Semaphore>,
    running: RefCell<Vec<Weak<Line>>>,
    pub(crate) flows: Flows,
    pub(crate) told: RefCell<Told>,
    /// For whoever copies, as long as nothing is waited for.
    pub(crate) buffer: RefCell<Box<[u8]>>,
    /// Bytes that were read and that their receivers have not taken.
    pub(crate) held: Cell<usize>,
}

/// What a ruleset says of the network, and what follows from it.
pub(crate) struct Rules {
    pub(crate) ruleset: Arc<Ruleset>,
    /// As they were given; addresses of the host that they state stay closed.
    given: Arc<Ruleset>,
    own: Vec<IpAddr>,
    upstream: Arc<Matcher>,
}

impl Rules {
    /// # Errors
    ///
    /// The host's addresses can't be found out, or its proxy is one that can't be used.
    pub(crate) fn new(given: Arc<Ruleset>, host_proxy: &HostProxy) -> io::Result<Self> {
        let upstream = host_proxy.matcher(given.network_rules().upstream())?;
        Ok(Self::of(given, own_addresses()?, upstream.into()))
    }

    fn of(given: Arc<Ruleset>, own: Vec<IpAddr>, upstream: Arc<Matcher>) -> Self {
        let ruleset = Ruleset::clone(&given).with_host_addresses(own.iter().copied());
        Self {
            ruleset: ruleset.into(),
            given,
            own,
            upstream,
        }
    }

    /// Whether names are looked up by a proxy that may know more of them than the host.
    pub(crate) fn has_upstream(&self, name: &Name) -> bool {
        proxy_for(&self.upstream, &name.clone().into(), 443).is_some()
    }
}

impl Hall {
    pub(crate) fn new(rules: Rules, options: Options) -> Self {
        Self {
            rules: RefCell::new(Rc::new(rules)),
            looked: Cell::new(Instant::now()),
            names: RefCell::default(),
            resolver: Resolver::new(options.hosts),
            questions: Questions::new(options.ask, options.ask_timeout),
            log: Log::new(options.on_event),
            searches: RefCell::default(),
            places: Arc::new(Semaphore::new(bounds::CONNECTIONS)),
            strangers: Rc::default(),
            connects: Arc::new(Semaphore::new(bounds::CONNECTS)),
            running: RefCell::default(),
            flows: Flows::default(),
            told: RefCell::default(),
            buffer: RefCell::new(vec![0; bounds::CHUNK].into()),
            held: Cell::new(0),
        }
    }

    pub(crate) fn rules(&self) -> Rc<Rules> {
        Rc::clone(&self.rules.borrow())
    }

    /// The rules, by which the addresses are closed that the host has by now.
    pub(crate) fn rules_now(&self) -> Rc<Rules> {
        if self.looked.get().elapsed() >= bounds::OWN_ADDRESSES {
            self.looked.set(Instant::now());
            let rules = self.rules();
            if let Ok(own) = own_addresses()
                && own != rules.own
            {
                let (given, upstream) = (Arc::clone(&rules.given), Arc::clone(&rules.upstream));
                self.rules.replace(Rules::of(given, own, upstream).into());
            }
        }
        self.rules()
    }

    /// Takes other rules, and ends what they deny.
    pub(crate) fn update(&self, rules: Rules) {
        let rules = Rc::new(rules);
        self.rules.replace(Rc::clone(&rules));
        for line in self.running.borrow().iter().filter_map(Weak::upgrade) {
            if line.is_denied_by(&rules.ruleset) {
                line.withdraw();
            }
        }
        self.flows.end_denied(&rules.ruleset);
    }

    /// A place for a connection that has come; none where there are too many.
    ///
    /// The caller shares its descriptors with us, and with other gateways. As their numbers are the lowest that are free, that of
    /// this connection says how many are in use.
    pub(crate) fn place(&self, connection: &impl AsRawFd) -> Option<OwnedSemaphorePermit> {
        let is_free = self.taken() < places(descriptors()?) && has_descriptors(connection);
        is_free.then(|| Arc::clone(&self.places).try_acquire_owned().ok())?
    }

    /// Whether more than half of the places are taken. Those left are for who is inside: outside it may be anybody.
    pub(crate) fn is_half_taken(&self) -> bool {
        descriptors().is_none_or(|descriptors| self.taken() > places(descriptors) / 2)
    }

    fn taken(&self) -> usize {
        bounds::CONNECTIONS - self.places.available_permits()
    }

    /// Who has made what has come, if that is looked for.
    pub(crate) fn maker(&self, find: impl FnOnce(&Searches) -> Maker) -> Maker {
        self.searches
            .borrow()
            .as_ref()
            .map(find)
            .unwrap_or_default()
    }

    /// The name that an address inside stands for, or the destination itself.
    pub(crate) fn meaning(&self, destination: Destination) -> Option<Destination> {
        let Destination::Address(address) = destination else {
            return Some(destination);
        };
        match self.names.borrow().meaning(address.to_canonical()) {
            Meaning::Itself => Some(address.into()),
            Meaning::Name(name) => Some(name.into()),
            Meaning::Nothing => None,
        }
    }

    /// Decides, and dials what is allowed: the one value that was decided, at an address that was judged too, without a second
    /// look-up. A refusal has been told of.
    pub(crate) async fn open(&self, wish: Wish) -> Result<Opened, Refusal> {
        self.open_for(wish, Purpose::Anything).await
    }

    /// The same, for requests of HTTP alone: these an upstream proxy takes as they are, and many open no tunnel for them.
    pub(crate) async fn open_for_requests(&self, wish: Wish) -> Result<Opened, Refusal> {
        self.open_for(wish, Purpose::Requests).await
    }

    async fn open_for(&self, mut wish: Wish, purpose: Purpose) -> Result<Opened, Refusal> {
        let mut record = Record::new(&self.log, &wish);
        let meaning = self.meaning(wish.destination.clone());
        let has_meaning = meaning.is_some();
        wish.destination = meaning.unwrap_or(wish.destination);
        record.destination(wish.destination.clone());
        let reached = if has_meaning {
            self.reach(&wish, purpose, &mut record).await
        } else {
            Err(Why::no_name())
        };
        match reached {
            Ok(Reached { line, early, relay }) => {
                record.bytes.received(early.len());
                Ok(Opened {
                    line,
                    early,
                    relay,
                    record: Box::new(record),
                })
            }
            Err(why) => Err(refused(record, &wish, why)),
        }
    }

    /// Refuses a wish for what is said besides; it has been told of.
    pub(crate) fn refuse(&self, wish: &Wish, why: Why) -> Refusal {
        refused(Record::new(&self.log, wish), wish, why)
    }

    async fn reach(
        &self,
        wish: &Wish,
        purpose: Purpose,
        record: &mut Record,
    ) -> Result<Reached, Why> {
        let (destination, port) = (&wish.destination, wish.port);
        let rules = self.rules_now();
        let attempt = Attempt::connect(destination.clone(), port);
        let decision = rules.ruleset.decide(&attempt);
        record.decided(decision.clone());
        let is_named = decision.rule.is_some();
        match decision.verdict {
            Verdict::Allow => {}
            Verdict::Deny => return Err(Why::Denied(decision.into())),
            Verdict::Ask => self.ask(wish, decision).await?,
        }
        let proxy = match proxy_for(&rules.upstream, destination, port) {
            Some(proxy) if self.is_elsewhere(destination, is_named).await => Some(proxy),
            _ => None,
        };
        let mut relay = None;
        let (stream, early) = match &proxy {
            None => {
                let addresses = self.addresses(&rules, destination, port).await?;
                let stream = dial(&addresses, port).await.map_err(failed)?;
                (stream, Bytes::new())
            }
            Some(proxy) => {
                let stream = self.through(proxy, &rules, destination, port).await?;
                match purpose {
                    Purpose::Requests => {
                        relay = Some(Relay {
                            authorization: proxy.basic_auth().cloned(),
                        });
                        (stream, Bytes::new())
                    }
                    Purpose::Anything => {
                        let target = target(destination, Some(port));
                        let made = tunnel(stream, &target, proxy.basic_auth()).await;
                        made.map_err(failed)?
                    }
                }
            }
        };
        let peer = stream.peer_addr().map_err(failed)?.ip().to_canonical();
        let address = proxy.is_none().then_some(peer);
        record.dialled(address);
        let line = Arc::new(Line::new(stream, destination.clone(), port, address));
        // Others may hold since it was decided, and the host may have other addresses since a person was asked.
        let now = self.rules_now();
        if !Rc::ptr_eq(&now, &rules) && line.is_denied_by(&now.ruleset) {
            return Err(Why::Denied(now.ruleset.decide(&attempt).into()));
        }
        self.keep(&line);
        Ok(Reached { line, early, relay })
    }

    /// Whether a destination may be on another machine. A name below `localhost` is on this one or nowhere (RFC 6761), unless
    /// a rule names it and this machine does not know it.
    async fn is_elsewhere(&self, destination: &Destination, is_named: bool) -> bool {
        match destination {
            Destination::Name(name) if name.is_localhost() => {
                is_named && self.resolver.lookup(name, bounds::QUESTION).await == Lookup::Nothing
            }
            _ => true,
        }
    }

    async fn ask(&self, wish: &Wish, decision: Decision) -> Result<(), Why> {
        let question = Question {
            destination: wish.destination.clone(),
            port: wish.port,
            door: wish.door,
            remedy: decision.remedy.clone(),
        };
        match self.questions.put(question).await {
            Some(answer) if answer.allows() => Ok(()),
            Some(_) => Err(Why::Denied(decision.into())),
            None => Err(Why::Unanswered(decision.into())),
        }
    }

    /// The addresses of a destination that may be dialled.
    pub(crate) async fn addresses(
        &self,
        rules: &Rules,
        destination: &Destination,
        port: u16,
    ) -> Result<Vec<IpAddr>, Why> {
        match destination {
            Destination::Address(address) => Ok(vec![*address]),
            Destination::Name(name) => match self.resolver.lookup(name, bounds::LOOKUP).await {
                Lookup::Found(addresses) => judged(&rules.ruleset, name, &addresses, port),
                Lookup::Late => Err(Why::TimedOut),
                Lookup::Nothing | Lookup::Failed => Err(Why::Unresolved),
            },
        }
    }

    /// A connection to an upstream proxy that is to lead to a destination. It looks up the name itself; what the host knows of
    /// the name is judged all the same.
    async fn through(
        &self,
        proxy: &Intercept,
        rules: &Rules,
        destination: &Destination,
        port: u16,
    ) -> Result<TcpStream, Why> {
        if let Destination::Name(name) = destination
            && let Lookup::Found(addresses) = self.resolver.lookup(name, bounds::QUESTION).await
        {
            judged(&rules.ruleset, name, &addresses, port)?;
        }
        self.proxy(proxy.uri()).await.map_err(|error| {
            let message = format!("the upstream proxy can't be reached: {error}");
            Why::Unreachable(io::Error::new(error.kind(), message))
        })
    }

    /// A connection to an upstream proxy, which is the host's own affair.
    async fn proxy(&self, uri: &hyper::Uri) -> io::Result<TcpStream> {
        const PORT: u16 = 80;
        let host = uri.host().unwrap_or_default();
        let host = host.parse().map_err(io::Error::other)?;
        let addresses = match &host {
            Destination::Address(address) => vec![*address],
            Destination::Name(name) => match self.resolver.lookup(name, bounds::LOOKUP).await {
                Lookup::Found(addresses) => addresses.to_vec(),
                _ => return Err(io::Error::other("it has no address")),
            },
        };
        dial(&addresses, uri.port_u16().unwrap_or(PORT)).await
    }

    fn keep(&self, line: &Arc<Line>) {
        let mut running = self.running.borrow_mut();
        if running.len() == running.capacity() {
            running.retain(|line| line.strong_count() > 0);
        }
        running.push(Arc::downgrade(line));
    }
}

/// How many descriptors this process may have.
fn descriptors() -> Option<u64> {
    let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    // Of 32 bits on some systems.
    usize::try_from(descriptors).ok()?.try_into().ok()
}

/// Whether fewer than half of them are in use, this one among them.
pub(crate) fn has_descriptors(one: &impl AsRawFd) -> bool {
    u64::try_from(one.as_raw_fd())
        .is_ok_and(|number| descriptors().is_some_and(|descriptors| number < descriptors / 2))
}

/// How many flows of datagrams this process holds: half as many as connections, of which each has one descriptor.
pub(crate) fn flows() -> usize {
    descriptors().map_or(0, places) / 2
}

/// How many connections may be there that have not shown the secret which they have to show: no more than a quarter of the places.
pub(crate) fn strangers() -> usize {
    (descriptors().map_or(0, places) / 4).min(bounds::STRANGERS)
}

/// How many connections a process holds that may have so many descriptors. Each has two, and at most one more while it is dialled.
pub(crate) fn places(descriptors: u64) -> usize {
    usize::try_from(descriptors / 4).map_or(bounds::CONNECTIONS, |places| {
        places.min(bounds::CONNECTIONS)
    })
}

fn refused(mut record: Record, wish: &Wish, why: Why) -> Refusal {
    let target = target(&wish.destination, Some(wish.port));
    let refusal = Refusal { target, why };
    if let Why::Denied(decision) | Why::Unanswered(decision) = &refusal.why {
        record.decided((**decision).clone());
    }
    record.ends(refusal.why.end());
    refusal
}

/// Those addresses at which a name may be dialled.
fn judged(
    ruleset: &Ruleset,
    name: &Name,
    addresses: &[IpAddr],
    port: u16,
) -> Result<Vec<IpAddr>, Why> {
    let mut denied = None;
    let allowed = addresses.iter().copied().filter(|address| {
        let decision = ruleset.decide(&Attempt::dial(name.clone(), *address, port));
        let is_allowed = decision.verdict == Verdict::Allow;
        if !is_allowed {
            denied.get_or_insert(decision);
        }
        is_allowed
    });
    let allowed: Vec<IpAddr> = allowed.collect();
    match denied {
        Some(decision) if allowed.is_empty() => Err(Why::Denied(decision.into())),
        _ => Ok(allowed),
    }
}

fn failed(error: io::Error) -> Why {
    match error.kind() {
        io::ErrorKind::TimedOut => Why::TimedOut,
        _ => Why::Unreachable(error),
    }
}
