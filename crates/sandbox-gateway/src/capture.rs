//! Connections from inside, as they come: to any address, by programs that know of no proxy.
//!
//! What is said inside of a connection must agree with what it was made to: a server that shares its address with others goes by
//! the name in TLS and in HTTP, not by the one that we have dialled (domain fronting). So the command's first bytes are held
//! until they are judged. What the server says goes out at once, since in many protocols it speaks first.

mod relayed;
mod retry;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};
#[cfg(target_vendor = "apple")]
use nix::sys::socket::sockopt::TcpKeepAlive as KeepIdle;
#[cfg(not(target_vendor = "apple"))]
use nix::sys::socket::sockopt::TcpKeepIdle as KeepIdle;
use nix::sys::socket::{setsockopt, sockopt};
use sandbox_core::{Attempt, Decision, Destination, Name, Ruleset, Verdict};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

use crate::bounds;
use crate::event::{Door, End, target};
use crate::gateway::PortOf;
use crate::hall::{Hall, Wish};
use crate::opened::{Line, Opened, finish};
use crate::protocol::Protocol;
use crate::refusal::{Refusal, Why};
use crate::refuse::refuse;
use crate::tls::{self, Hello, Progress};
use crate::{dns, http, proxy};

/// The port of name servers.
const DNS: u16 = 53;

/// Serves connections to the proxies.
pub(crate) async fn proxies(listener: TcpListener, hall: Rc<Hall>) {
    serve(&listener, &hall, proxy::serve).await;
}

/// Serves captured connections.
pub(crate) async fn streams(listener: TcpListener, port: Option<PortOf>, hall: Rc<Hall>) {
    serve(&listener, &hall, |client, hall| async move {
        if let Ok(mut dialled) = client.local_addr() {
            if let Some(port) = port.and_then(|port| port(client.as_fd())) {
                dialled.set_port(port);
            }
            captured(client, dialled, hall).await;
        }
    })
    .await;
}

/// Serves each connection that comes, as far as there are places.
pub(crate) async fn serve<F>(
    listener: &TcpListener,
    hall: &Rc<Hall>,
    one: impl Fn(TcpStream, Rc<Hall>) -> F,
) where
    F: Future<Output = ()> + 'static,
{
    loop {
        begin(accept(listener).await, hall, &one);
    }
}

/// The next connection that comes.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((client, _)) => return client,
            Err(_) => sleep(bounds::RECOVERY).await,
        }
    }
}

/// Begins to serve a connection, if there is a place for it.
pub(crate) fn begin<F>(
    client: TcpStream,
    hall: &Rc<Hall>,
    one: impl FnOnce(TcpStream, Rc<Hall>) -> F,
) where
    F: Future<Output = ()> + 'static,
{
    let Some(place) = hall.place(&client) else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = client.set_nodelay(true);
    keep_alive(&client);
    let served = one(client, Rc::clone(hall));
    spawn_local(async move {
        served.await;
        drop(place);
    });
}

/// Has the kernel ask whether whoever has come is still there: what is left of one that was killed would keep its place until nothing has
/// passed for too long.
fn keep_alive(client: &TcpStream) {
    let seconds = u32::try_from(bounds::KEEP_ALIVE.as_secs()).unwrap_or(u32::MAX);
    // A system that does not take it waits longer.
    let _ = setsockopt(client, sockopt::KeepAlive, &true);
    let _ = setsockopt(client, KeepIdle, &seconds);
    let _ = setsockopt(client, sockopt::TcpKeepInterval, &seconds);
}

/// Serves a connection that was made to an address.
pub(crate) async fn captured(client: TcpStream, dialled: SocketAddr, hall: Rc<Hall>) {
    if dialled.port() == DNS {
        return Box::pin(dns::stream(client, &hall)).await;
    }
    let destination = Destination::from(dialled.ip());
    let wish = Wish {
        destination: hall.meaning(destination.clone()).unwrap_or(destination),
        port: dialled.port(),
        door: Door::Capture,
        maker: hall.maker(|searches| searches.stream(&client)),
    };
    let mut first = Vec::new();
    // On the heap, since what they need is not needed as long as the connection lasts.
    if Box::pin(hall.is_relayed(&client, &wish, &mut first)).await {
        match Box::pin(hall.open_for_requests(wish.clone())).await {
            // Whoever has a line to a proxy may say nothing to it but requests that were judged.
            Ok(opened) => Box::pin(http::serve_captured(client, first, wish, opened, hall)).await,
            Err(refusal) => Box::pin(refuse(client, first, &refusal)).await,
        }
        return;
    }
    match Box::pin(hall.open(wish.clone())).await {
        Ok(opened) => pass(client, first, wish, opened, hall).await,
        Err(refusal) => Box::pin(refuse(client, first, &refusal)).await,
    }
}

/// Lets pass what agrees with where it goes. `first` is what the command has said already.
pub(crate) async fn pass(
    client: TcpStream,
    mut first: Vec<u8>,
    wish: Wish,
    mut opened: Opened,
    hall: Rc<Hall>,
) {
    let hello = Hello::default();
    let judged = Box::pin(hall.judge(&client, &mut first, &mut opened, &wish, hello)).await;
    let judged = match judged {
        Ok(Judged::Tls(end)) => {
            Box::pin(hall.judge_second(&client, &mut first, &mut opened, &wish, end)).await
        }
        judged => judged,
    };
    match judged {
        Ok(Judged::Agrees | Judged::Tls(_)) => hall.relay(client, first, opened).await,
        Ok(Judged::Http) => {
            Box::pin(http::serve_captured(client, first, wish, opened, hall)).await;
        }
        Ok(Judged::Differs(said)) => {
            opened.ends(End::Mismatch(said.clone()));
            drop(opened);
            let target = target(&wish.destination, Some(wish.port));
            let why = Why::Mismatch(said);
            let refusal = Refusal { target, why };
            Box::pin(refuse(client, first, &refusal)).await;
        }
        Err(error) => {
            if error.kind() == io::ErrorKind::TimedOut {
                opened.ends(End::Idle);
            }
            let _ = client.set_zero_linger();
        }
    }
}

/// What the first bytes say.
enum Judged {
    /// Nothing else than the destination.
    Agrees,
    /// The same, in a first `ClientHello` that ends here: there may be a second one.
    Tls(usize),
    /// Each request has to be judged.
    Http,
    /// Another destination, or none; what it says.
    Differs(String),
}

impl Hall {
    /// Reads what the command says until it is judged, and passes on what the server says meanwhile.
    async fn judge(
        &self,
        client: &TcpStream,
        first: &mut Vec<u8>,
        opened: &mut Opened,
        wish: &Wish,
        hello: Hello,
    ) -> io::Result<Judged> {
        let mut rest = Vec::from(std::mem::take(&mut opened.early));
        let judged = {
            let line = &opened.line;
            let server = async {
                let passed = |count| opened.record.bytes.received(count);
                self.pump(&line.stream, client, &mut rest, passed).await?;
                line.finished()?;
                // The command may still be heard.
                finish(client)?;
                std::future::pending().await
            };
            let command = self.listen(client, first, wish, line, hello);
            match select(pin!(command), pin!(server)).await {
                Either::Left((judged, _)) => judged,
                Either::Right((ended, _)) => ended,
            }
        };
        opened.early = rest.into();
        judged
    }

    async fn listen(
        &self,
        client: &TcpStream,
        first: &mut Vec<u8>,
        wish: &Wish,
        line: &Line,
        mut hello: Hello,
    ) -> io::Result<Judged> {
        let mut began = (!first.is_empty()).then(Instant::now);
        let (mut start, mut is_end) = (0, false);
        loop {
            let is_more = is_end || first.len() > start;
            let protocol = if hello.is_second {
                Protocol::Tls
            } else if is_end {
                // Nothing follows: a line has ended.
                Protocol::of(&[first, &b"\n"[..]].concat())
            } else {
                Protocol::of(first)
            };
            match protocol {
                _ if !is_more => {}
                Protocol::Http => return Ok(Judged::Http),
                Protocol::Other => return Ok(Judged::Agrees),
                Protocol::Unknown if is_end => return Ok(Judged::Agrees),
                Protocol::Tls => {
                    let begin = hello.begin(first);
                    let fed = begin.map(|begin| if hello.is_empty() { begin } else { start });
                    let more = fed.and_then(|fed| first.get(fed..)).unwrap_or_default();
                    match hello.read(more) {
                        Progress::Complete(name) => {
                            line.claims(name.as_ref());
                            return Ok(self.agrees(wish, name, first, &hello));
                        }
                        Progress::Incomplete if !is_end && first.len() <= bounds::FIRST => {}
                        _ => return Ok(Judged::Differs("its ClientHello is none".to_owned())),
                    }
                }
                Protocol::Unknown if first.len() > bounds::FIRST => {
                    return Ok(Judged::Differs("its first line is too long".to_owned()));
                }
                Protocol::Unknown => {}
            }
            let patience = match began {
                None => bounds::IDLE,
                Some(began) => bounds::FIRST_WORD.saturating_sub(began.elapsed()),
            };
            if timeout(patience, client.readable()).await.is_err() {
                return Ok(match began {
                    None => return Err(io::ErrorKind::TimedOut.into()),
                    Some(_) => Judged::Differs("it does not say what it is in time".to_owned()),
                });
            }
            start = first.len();
            is_end = match self.read(client, first) {
                Ok(count) => count == 0,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            began.get_or_insert_with(Instant::now);
        }
    }

    /// Appends what has come, no more than is looked at.
    fn read(&self, client: &TcpStream, first: &mut Vec<u8>) -> io::Result<usize> {
        let mut buffer = self.buffer.borrow_mut();
        let length = (bounds::FIRST + 1).saturating_sub(first.len());
        let place = buffer.get_mut(..length).unwrap_or_default();
        let count = client.try_read(place)?;
        first.extend_from_slice(place.get(..count).unwrap_or_default());
        Ok(count)
    }

    /// Whether TLS for this name is what was opened. `first` begins with the hello.
    fn agrees(&self, wish: &Wish, said: Option<Name>, first: &[u8], hello: &Hello) -> Judged {
        Judged::Differs(match (&wish.destination, said) {
            (Destination::Name(name), Some(said)) if *name != said => {
                format!("TLS is for `{said}`")
            }
            (Destination::Name(_), None) => "TLS is for no name".to_owned(),
            (Destination::Address(_), Some(said)) if self.closed(&said, wish.port).is_some() => {
                format!("TLS is for `{said}`, which a rule denies")
            }
            _ if hello.is_second => return Judged::Agrees,
            _ => match tls::end(first) {
                Some(end) => return Judged::Tls(end),
                None => "more follows its ClientHello than belongs to it".to_owned(),
            },
        })
    }

    /// What denies a name at an address that is allowed: there it is only a claim, about which no rule need say anything.
    pub(crate) fn closed(&self, name: &Name, port: u16) -> Option<Decision> {
        closed(&self.rules().ruleset, name, port)
    }
}

/// The same, by these rules.
pub(crate) fn closed(ruleset: &Ruleset, name: &Name, port: u16) -> Option<Decision> {
    let decision = ruleset.decide(&Attempt::connect(name.clone(), port));
    (decision.verdict == Verdict::Deny && decision.rule.is_some()).then_some(decision)
}
