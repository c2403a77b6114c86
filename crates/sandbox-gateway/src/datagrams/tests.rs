//! Datagrams of programs, as if they had come through a door; what goes back to them is kept.

#[cfg(target_os = "linux")]
mod bounded;
mod decided;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use sandbox_core::{Network, Policy};
use tokio::net::UdpSocket;
use tokio::task::{spawn_local, yield_now};

use super::Inside;
use super::packet::Pair;
use crate::event::End;
use crate::tests::{House, run};

/// What programs were told: by whom, and what; nothing where they were refused.
#[derive(Default)]
struct Told(RefCell<Vec<(Pair, Option<Vec<u8>>)>>);

impl Inside for Told {
    fn answer(&self, pair: Pair, payload: &[u8]) {
        self.0.borrow_mut().push((pair, Some(payload.to_vec())));
    }

    fn refuse(&self, pair: Pair) {
        self.0.borrow_mut().push((pair, None));
    }
}

/// A house, and programs that send.
struct Programs {
    house: House,
    told: Rc<Told>,
}

impl Programs {
    fn new(policy: &Policy, hosts: &str) -> Self {
        Self::of(House::new(policy, hosts))
    }

    fn of(house: House) -> Self {
        let told = Rc::default();
        Self { house, told }
    }

    /// Sends from a port to an address.
    fn send(&self, port: u16, other: SocketAddr, payload: &[u8]) -> Pair {
        let command = SocketAddr::new(other.ip(), port);
        let pair = Pair { command, other };
        let inside: Rc<dyn Inside> = Rc::clone(&self.told) as _;
        self.house.hall.datagram(pair, payload, &inside);
        pair
    }

    /// What programs were told since this was asked last; waits until it is so much.
    async fn told(&self, count: usize) -> Vec<(Pair, Option<Vec<u8>>)> {
        while self.told.0.borrow().len() < count {
            yield_now().await;
        }
        self.told.0.take()
    }

    async fn flows_end(&self) {
        while self.house.hall.flows.count() > 0 {
            yield_now().await;
        }
    }
}

/// Datagrams that are allowed to these destinations, and to the servers' address by names.
fn udp(destinations: &[&str]) -> Policy {
    let policy = Policy::default()
        .network(Network::Deny)
        .allow("127.7.1.0/24");
    destinations
        .iter()
        .fold(policy, sandbox_core::Policy::allow_udp)
}

/// A datagram, and where it came from.
type Heard = (Vec<u8>, SocketAddr);

/// A server which says what it hears, and keeps from where that came.
struct Echo {
    port: u16,
    heard: Rc<RefCell<Vec<Heard>>>,
}

impl Echo {
    async fn new(address: &str) -> Self {
        let socket = UdpSocket::bind((address, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let heard: Rc<RefCell<Vec<Heard>>> = Rc::default();
        let kept = Rc::clone(&heard);
        spawn_local(async move {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let (count, from) = socket.recv_from(&mut buffer).await.unwrap();
                kept.borrow_mut().push((buffer[..count].to_vec(), from));
                socket.send_to(&buffer[..count], from).await.unwrap();
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> Vec<Vec<u8>> {
        let heard = self.heard.borrow();
        heard.iter().map(|(payload, _)| payload.clone()).collect()
    }
}
