//! Who comes through a door that every program of the host can reach: only those that show the secret of this sandbox.
//!
//! The attacks: another program of the person's, another sandbox, or a page in a browser uses what this sandbox may reach; one of them
//! holds so many connections that none is left; the secret is guessed byte by byte, or turns up where it is read.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderMap, PROXY_AUTHORIZATION};
use subtle::ConstantTimeEq;
use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::event::Door;
use crate::hall::{Hall, Wish};
use crate::processes::Maker;
use crate::refusal::{Refusal, Why};

/// The name that goes with the secret.
pub(crate) const USER: &str = "sandbox";
/// What the secret is sent by (RFC 7617).
const SCHEME: &str = "basic";

/// A secret of one sandbox. It prints itself nowhere.
pub(crate) struct Secret {
    password: String,
    /// As a request has it.
    credentials: String,
}

impl Secret {
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub(crate) fn new() -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let password = format!("{:032x}", u128::from_ne_bytes(random));
        let credentials = STANDARD.encode(format!("{USER}:{password}"));
        Ok(Self {
            password,
            credentials,
        })
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Connections that have not shown the secret. Where there are too many, the one that has been silent for longest ends: whoever knows
/// the secret shows it at once.
#[derive(Default)]
pub(crate) struct Strangers(RefCell<VecDeque<Rc<Stranger>>>);

impl Strangers {
    /// Ends those that came first, until there are fewer than so many. Returns once these are gone, and their places are free.
    pub(crate) async fn make_room(&self, count: usize) {
        while self.oldest_of(count).is_some() {
            // Whatever has been said is read first: who shows the secret is no stranger. That lets the evicted one end, too.
            yield_now().await;
            if let Some(oldest) = self.oldest_of(count) {
                oldest.evict.notify_one();
            }
        }
    }

    /// The one that came first, where there are so many.
    fn oldest_of(&self, count: usize) -> Option<Rc<Stranger>> {
        let all = self.0.borrow();
        all.front().filter(|_| all.len() >= count).map(Rc::clone)
    }
}

/// A connection that has not shown the secret.
#[derive(Default)]
pub(crate) struct Stranger {
    evict: Notify,
    /// It has shown it by now.
    is_known: Cell<bool>,
}

impl Stranger {
    /// Waits until there are too many strangers, and this is to end. Once it has shown the secret it never is.
    pub(crate) async fn evicted(&self) {
        self.evict.notified().await;
        if self.is_known.get() {
            pending::<()>().await;
        }
    }
}

/// What keeps one connection out, until it has shown the secret.
pub(crate) struct Guard {
    secret: Arc<Secret>,
    /// The door's own address: what is refused is told as a connection to that.
    at: SocketAddr,
    strangers: Rc<Strangers>,
    stranger: Rc<Stranger>,
}

impl Guard {
    pub(crate) fn new(secret: Arc<Secret>, at: SocketAddr, strangers: Rc<Strangers>) -> Self {
        let stranger = Rc::<Stranger>::default();
        strangers.0.borrow_mut().push_back(Rc::clone(&stranger));
        Self {
            secret,
            at,
            strangers,
            stranger,
        }
    }

    /// The connection, as one of those that are evicted.
    pub(crate) fn stranger(&self) -> Rc<Stranger> {
        Rc::clone(&self.stranger)
    }

    /// Whether a request shows the secret, once.
    pub(crate) fn admits_request(&self, headers: &HeaderMap) -> bool {
        let mut shown = headers.get_all(PROXY_AUTHORIZATION).iter();
        let (Some(value), None) = (shown.next(), shown.next()) else {
            return false;
        };
        let value = value.as_bytes();
        let Some((scheme, credentials)) = value.split_at_checked(SCHEME.len()) else {
            return false;
        };
        let given = credentials.trim_ascii();
        let is_basic =
            scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) && credentials.starts_with(b" ");
        self.known(is_basic && bool::from(given.ct_eq(self.secret.credentials.as_bytes())))
    }

    /// Whether a user and a password are the secret.
    pub(crate) fn admits(&self, user: &[u8], password: &[u8]) -> bool {
        let is_secret = password.ct_eq(self.secret.password.as_bytes());
        self.known(user == USER.as_bytes() && bool::from(is_secret))
    }

    /// Refuses who has not shown it. That is told; where it wanted to go is nobody's business.
    pub(crate) fn refuse(&self, hall: &Hall, door: Door) -> Refusal {
        let wish = Wish {
            destination: self.at.ip().into(),
            port: self.at.port(),
            door,
            maker: Maker::default(),
        };
        hall.refuse(&wish, Why::Unauthenticated)
    }

    fn known(&self, is_known: bool) -> bool {
        if is_known {
            self.stranger.is_known.set(true);
            self.leave();
        }
        is_known
    }

    fn leave(&self) {
        let is_other = |other: &Rc<Stranger>| !Rc::ptr_eq(other, &self.stranger);
        self.strangers.0.borrow_mut().retain(is_other);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.leave();
    }
}
