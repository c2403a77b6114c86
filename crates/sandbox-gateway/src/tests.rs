//! A hall of the tests' own, servers behind it, and programs that come to it.
//!
//! In a sandbox's network every address is local; here a program's connection is made to a listener of the tests, and said to
//! have been made elsewhere.

mod attacks;
mod capture;
mod dial;
mod hellos;
#[cfg(target_os = "linux")]
mod load;
mod loopback;
#[cfg(target_os = "linux")]
mod own;
mod questions;
pub(crate) mod world;

use std::cell::RefCell;
use std::future::Future;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_core::{Context, Network, Policy, Ruleset};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use crate::event::{Door, Event};
use crate::gateway::Options;
use crate::hall::{Hall, Rules, Wish};
use crate::processes::Maker;

/// A test that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs a test on a thread as the gateway's.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    run_for(PATIENCE, test)
}

/// Runs a test that takes time on, where it would be waited for too long.
pub(crate) fn run_for<F: Future>(patience: Duration, test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tasks = LocalSet::new();
    let done = tasks.block_on(&runtime, async { timeout(patience, test).await });
    drop(tasks);
    runtime.shutdown_background();
    done.expect("it hangs")
}

fn resolved(policy: &Policy, options: &Options) -> Rules {
    let ruleset = Ruleset::resolve(policy, &Context::new("/")).unwrap();
    Rules::new(ruleset.into(), &options.host_proxy).unwrap()
}

/// Nothing but these destinations is allowed.
pub(crate) fn only(destinations: &[&str]) -> Policy {
    let policy = Policy::default().network(Network::Deny);
    destinations
        .iter()
        .fold(policy, sandbox_core::Policy::allow)
}

/// A hall, and what it tells.
pub(crate) struct House {
    pub(crate) hall: Rc<Hall>,
    events: Arc<Mutex<Vec<Event>>>,
    hosts: NamedTempFile,
}

impl House {
    /// Decides by this policy, and knows the names of these lines of a hosts file.
    pub(crate) fn new(policy: &Policy, hosts: &str) -> Self {
        Self::with(policy, hosts, Options::default())
    }

    pub(crate) fn with(policy: &Policy, hosts: &str, options: Options) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(hosts.as_bytes()).unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let mut options = options.on_event(move |event| told.lock().unwrap().push(event.clone()));
        options.hosts = options.hosts.or_else(|| Some(file.path().to_owned()));
        Self {
            hall: Rc::new(Hall::new(resolved(policy, &options), options)),
            events,
            hosts: file,
        }
    }

    /// From now on this policy holds.
    pub(crate) fn update(&self, policy: &Policy) {
        self.hall.update(resolved(policy, &Options::default()));
    }

    /// From now on the resolver says this.
    pub(crate) fn set_hosts(&self, hosts: &str) {
        std::fs::write(self.hosts.path(), hosts).unwrap();
    }

    /// The address that stands for a name.
    pub(crate) fn address(&self, name: &str, port: u16) -> SocketAddr {
        let name = name.parse().unwrap();
        let pair = self.hall.names.borrow_mut().addresses(&name).unwrap();
        (pair.v4, port).into()
    }

    /// A program's connection to an address.
    pub(crate) async fn connect(&self, dialled: SocketAddr) -> TcpStream {
        let (program, client) = pair().await;
        spawn_local(crate::capture::captured(
            client,
            dialled,
            Rc::clone(&self.hall),
        ));
        program
    }

    /// What was told, in one line each; waits until it is that much.
    pub(crate) async fn events(&self, count: usize) -> Vec<String> {
        while self.events.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
        let events = self.events.lock().unwrap();
        events.iter().map(Event::to_string).collect()
    }

    /// What was told.
    pub(crate) fn told(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn last_event(&self) -> Event {
        self.events.lock().unwrap().last().unwrap().clone()
    }
}

/// Both ends of a connection.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let program = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (client, _) = listener.accept().await.unwrap();
    (program, client)
}

pub(crate) fn wish(destination: &str, port: u16) -> Wish {
    Wish {
        destination: destination.parse().unwrap(),
        port,
        door: Door::Capture,
        maker: Maker::default(),
    }
}

/// A port of an address at which nobody listens, as long as this is held.
pub(crate) fn unserved(address: &str) -> (tokio::net::TcpSocket, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    let address: IpAddr = address.parse().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// A server at an address of the loopback.
pub(crate) struct Server {
    pub(crate) port: u16,
    heard: Rc<RefCell<Vec<u8>>>,
    connections: Rc<RefCell<usize>>,
}

impl Server {
    /// Says its banner to each connection, and then what it hears.
    pub(crate) async fn echo(address: &str, banner: &'static str) -> Self {
        let address: IpAddr = address.parse().unwrap();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heard, connections): (Rc<RefCell<Vec<u8>>>, Rc<RefCell<usize>>) = Default::default();
        let server = Self {
            port,
            heard: Rc::clone(&heard),
            connections: Rc::clone(&connections),
        };
        spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                *connections.borrow_mut() += 1;
                let heard = Rc::clone(&heard);
                spawn_local(async move {
                    let _ = stream.write_all(banner.as_bytes()).await;
                    let mut buffer = vec![0; 512];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        heard.borrow_mut().extend(&buffer[..count]);
                        if stream.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        server
    }

    /// All that anybody has said to it.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.borrow().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.borrow()
    }
}

/// Says it, and hears what is answered until the end, or until it was broken off.
pub(crate) async fn say(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    hear(stream).await
}

pub(crate) async fn hear(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    heard
}

/// Whether a connection ended by a reset, and nothing was said.
pub(crate) async fn is_reset(stream: &mut TcpStream) -> bool {
    let error = stream.read_u8().await.unwrap_err();
    error.kind() == std::io::ErrorKind::ConnectionReset
}
