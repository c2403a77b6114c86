//! A flow of datagrams: what is sent from one socket of a command to one other side, and what that answers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use sandbox_core::{Attempt, Ruleset, Verdict};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout};

use super::Inside;
use super::packet::Pair;
use crate::bounds;
use crate::event::End;
use crate::hall::{Hall, Rules, Wish, flows, has_descriptors};
use crate::log::Record;
use crate::opened::dial;
use crate::refusal::Why;

/// The flows that there are.
pub(crate) struct Flows {
    table: RefCell<HashMap<Pair, (Rc<Flow>, AbortHandle)>>,
    /// Room for datagrams of flows that are not open yet.
    pub(super) waiting: Arc<Semaphore>,
}

/// One of them. It is told of when it is dropped.
pub(super) struct Flow {
    wish: Wish,
    state: RefCell<State>,
    /// The address that was dialled.
    address: Cell<Option<IpAddr>>,
    /// When something passed last.
    used: Cell<Instant>,
    record: RefCell<Record>,
}

enum State {
    /// Its name is looked up; what was sent meanwhile.
    Opening(Vec<(Vec<u8>, OwnedSemaphorePermit)>),
    Open(Rc<UdpSocket>),
}

impl Default for Flows {
    fn default() -> Self {
        Self {
            table: RefCell::default(),
            waiting: Arc::new(Semaphore::new(bounds::WAITING)),
        }
    }
}

impl Flows {
    pub(super) fn get(&self, pair: Pair) -> Option<Rc<Flow>> {
        let table = self.table.borrow();
        table.get(&pair).map(|(flow, _)| Rc::clone(flow))
    }

    /// Adds one, in the place of the one on which nothing has passed for the longest time if there are too many.
    pub(super) fn insert(&self, pair: Pair, flow: Rc<Flow>, task: AbortHandle) {
        let is_full = self.table.borrow().len() >= flows();
        if is_full {
            let oldest = {
                let table = self.table.borrow();
                let oldest = table.iter().min_by_key(|(_, (flow, _))| flow.used.get());
                oldest.map(|(pair, _)| *pair)
            };
            if let Some(oldest) = oldest {
                self.remove(oldest);
            }
        }
        self.table.borrow_mut().insert(pair, (flow, task));
    }

    /// Ends one. Nothing of it passes any more.
    pub(super) fn remove(&self, pair: Pair) {
        let removed = self.table.borrow_mut().remove(&pair);
        if let Some((_, task)) = removed {
            task.abort();
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.table.borrow().len()
    }

    /// Ends those that rules deny.
    pub(crate) fn end_denied(&self, ruleset: &Ruleset) {
        self.end(|flow| {
            let is_denied = flow.is_denied_by(ruleset);
            if is_denied {
                flow.ends(End::Withdrawn);
            }
            is_denied
        });
    }

    /// Ends all.
    pub(crate) fn end_all(&self) {
        self.end(|_| true);
    }

    fn end(&self, which: impl Fn(&Flow) -> bool) {
        let ended: Vec<_> = {
            let mut table = self.table.borrow_mut();
            table.extract_if(|_, (flow, _)| which(flow)).collect()
        };
        for (_, (_, task)) in ended {
            task.abort();
        }
    }
}

impl Flow {
    pub(super) fn new(wish: Wish, record: Record) -> Self {
        Self {
            wish,
            state: RefCell::new(State::Opening(Vec::new())),
            address: Cell::new(None),
            used: Cell::new(Instant::now()),
            record: RefCell::new(record),
        }
    }

    /// Says how it ended, where it did not simply end.
    pub(super) fn ends(&self, end: End) {
        self.record.borrow_mut().ends(end);
    }

    fn attempt(&self) -> Attempt {
        Attempt::send(self.wish.destination.clone(), self.wish.port)
    }

    fn is_denied_by(&self, ruleset: &Ruleset) -> bool {
        let denies = |attempt| ruleset.decide(&attempt).verdict != Verdict::Allow;
        let (destination, port) = (&self.wish.destination, self.wish.port);
        let dial = dial(destination, self.address.get(), port);
        denies(self.attempt()) || dial.is_some_and(denies)
    }

    /// A socket that speaks to the destination only, at an address that was judged.
    async fn open(&self, hall: &Hall, rules: &Rc<Rules>) -> Result<UdpSocket, Why> {
        let (destination, port) = (&self.wish.destination, self.wish.port);
        let addresses = hall.addresses(rules, destination, port).await?;
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match connect(SocketAddr::new(address, port)) {
                Ok(socket) => {
                    self.address.set(Some(address));
                    self.record.borrow_mut().dialled(Some(address));
                    // Others may hold since it was decided.
                    let now = hall.rules_now();
                    if !Rc::ptr_eq(&now, rules) && self.is_denied_by(&now.ruleset) {
                        let decision = now.ruleset.decide(&self.attempt());
                        return Err(Why::Denied(decision.into()));
                    }
                    return Ok(socket);
                }
                Err(error) => failure = error,
            }
        }
        Err(Why::Unreachable(failure))
    }

    /// Sends a datagram, or keeps it until the flow is open, if there is room. It may be lost, as datagrams may be.
    ///
    /// # Errors
    ///
    /// Nobody is there, as earlier ones have shown.
    pub(super) fn send(&self, payload: &[u8], room: &Arc<Semaphore>) -> io::Result<()> {
        self.used.set(Instant::now());
        match &mut *self.state.borrow_mut() {
            State::Opening(waiting) => {
                let cost = u32::try_from(payload.len() + bounds::WAITING_EACH);
                let place = cost.ok().and_then(|cost| {
                    let room = Arc::clone(room);
                    room.try_acquire_many_owned(cost).ok()
                });
                if let Some(place) = place {
                    waiting.push((payload.to_vec(), place));
                }
                Ok(())
            }
            State::Open(socket) => self.pass(socket, payload),
        }
    }

    fn pass(&self, socket: &UdpSocket, payload: &[u8]) -> io::Result<()> {
        match send(socket.as_raw_fd(), payload, MsgFlags::MSG_DONTWAIT) {
            Ok(count) => self.record.borrow().bytes.sent(count),
            Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EMSGSIZE) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// What the other side says, until nothing has passed for long.
    async fn listen(
        &self,
        hall: &Hall,
        socket: &UdpSocket,
        pair: Pair,
        inside: &dyn Inside,
    ) -> End {
        // That nobody is there is an error, and nothing to read.
        let anything = Interest::READABLE | Interest::ERROR;
        loop {
            // One that says much holds up nobody else.
            consume_budget().await;
            let patience = bounds::FLOW_IDLE.saturating_sub(self.used.get().elapsed());
            if patience.is_zero() {
                return End::Closed;
            }
            let Ok(ready) = timeout(patience, socket.ready(anything)).await else {
                continue;
            };
            let mut buffer = hall.buffer.borrow_mut();
            let result = ready.and_then(|ready| {
                let which = if ready.is_error() {
                    Interest::ERROR
                } else {
                    Interest::READABLE
                };
                socket.try_io(which, || {
                    let received = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT);
                    received.map_err(io::Error::from)
                })
            });
            match result {
                Ok(count) => {
                    self.used.set(Instant::now());
                    self.record.borrow().bytes.received(count);
                    inside.answer(pair, buffer.get(..count).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return End::Unreachable(error.to_string()),
            }
        }
    }
}

/// Opens a flow, sends what waits, and hands back what is answered until it ends.
pub(super) async fn carry(
    hall: Rc<Hall>,
    flow: Rc<Flow>,
    rules: Rc<Rules>,
    pair: Pair,
    inside: Rc<dyn Inside>,
) {
    let end = match flow.open(&hall, &rules).await {
        Ok(socket) => {
            let socket = Rc::new(socket);
            let open = State::Open(Rc::clone(&socket));
            if let State::Opening(waiting) = flow.state.replace(open) {
                for (payload, _) in waiting {
                    // An error is the next one's, or is heard below.
                    let _ = flow.pass(&socket, &payload);
                }
            }
            flow.listen(&hall, &socket, pair, &*inside).await
        }
        Err(why) => {
            if let Why::Denied(decision) = &why {
                flow.record.borrow_mut().decided((**decision).clone());
            }
            why.end()
        }
    };
    if end != End::Closed {
        inside.refuse(pair);
    }
    flow.ends(end);
    hall.flows.remove(pair);
}

fn connect(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // Its port is the kernel's choice, which nobody inside foresees.
    let socket = std::net::UdpSocket::bind((any, 0))?;
    if !has_descriptors(&socket) {
        return Err(Errno::EMFILE.into());
    }
    socket.connect(to)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}
