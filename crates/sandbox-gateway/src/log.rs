//! Where events go, and how one comes to be.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use sandbox_core::{Decision, Destination, Verdict};

use crate::bounds;
use crate::event::{End, Event};
use crate::hall::Wish;
use crate::processes::Maker;

/// What is told of events.
pub(crate) type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;

/// Tells of events; of denials no more than can be read.
pub(crate) struct Log {
    on_event: Option<OnEvent>,
    denials: Mutex<Denials>,
    /// Who is a stranger takes none of what is told of the command.
    strangers: Mutex<Denials>,
}

/// A bucket that fills with time.
struct Denials {
    left: u32,
    filled: Instant,
    omitted: u64,
}

impl Log {
    pub(crate) fn new(on_event: Option<OnEvent>) -> Arc<Self> {
        let denials = || Denials {
            left: bounds::DENIALS,
            filled: Instant::now(),
            omitted: 0,
        };
        Arc::new(Self {
            on_event,
            denials: Mutex::new(denials()),
            strangers: Mutex::new(denials()),
        })
    }

    /// Tells of an event, on the gateway's thread.
    pub(crate) fn tell(&self, mut event: Event) {
        if event.verdict != Verdict::Allow {
            let denials = match event.end {
                End::Unauthenticated => &self.strangers,
                _ => &self.denials,
            };
            let mut denials = denials.lock().unwrap_or_else(PoisonError::into_inner);
            match denials.take() {
                Some(omitted) => event.omitted = omitted,
                None => return,
            }
        }
        if let Some(on_event) = &self.on_event {
            on_event(&event);
        }
    }
}

impl Denials {
    /// Takes one, and says how many could not be taken before; none where this one can't.
    fn take(&mut self) -> Option<u64> {
        let every = bounds::DENIAL_EVERY;
        let due = self.filled.elapsed().as_nanos() / every.as_nanos();
        let due = u32::try_from(due)
            .unwrap_or(bounds::DENIALS)
            .min(bounds::DENIALS);
        if due > 0 {
            self.left = self.left.saturating_add(due).min(bounds::DENIALS);
            self.filled = Instant::now();
        }
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            Some(std::mem::take(&mut self.omitted))
        } else {
            self.omitted = self.omitted.saturating_add(1);
            None
        }
    }
}

/// An event under way: it is told when this is dropped, whatever ends it.
pub(crate) struct Record {
    log: Arc<Log>,
    event: Event,
    pub(crate) maker: Maker,
    began: Instant,
    pub(crate) bytes: Arc<Bytes>,
}

/// Bytes that have passed.
#[derive(Debug, Default)]
pub(crate) struct Bytes {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Bytes {
    pub(crate) fn sent(&self, count: usize) {
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, count: usize) {
        self.received.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Record {
    pub(crate) fn new(log: &Arc<Log>, wish: &Wish) -> Self {
        let event = Event {
            time: SystemTime::now(),
            destination: wish.destination.clone(),
            port: (wish.port != 0).then_some(wish.port),
            address: None,
            door: wish.door,
            process: None,
            verdict: Verdict::Allow,
            rule: None,
            remedy: None,
            sent: 0,
            received: 0,
            duration: std::time::Duration::ZERO,
            end: End::Closed,
            omitted: 0,
        };
        Self {
            log: Arc::clone(log),
            event,
            maker: wish.maker.clone(),
            began: Instant::now(),
            bytes: Arc::default(),
        }
    }

    pub(crate) fn destination(&mut self, destination: Destination) {
        self.event.destination = destination;
    }

    pub(crate) fn dialled(&mut self, address: Option<IpAddr>) {
        self.event.address = address;
    }

    pub(crate) fn decided(&mut self, decision: Decision) {
        self.event.rule = decision.rule;
        self.event.remedy = decision.remedy;
    }

    /// Says how it ends; whatever is neither broken off nor unreachable is a denial.
    pub(crate) fn ends(&mut self, end: End) {
        self.event.verdict = match end {
            End::Closed | End::Unresolved | End::Unreachable(_) | End::TimedOut | End::Idle => {
                Verdict::Allow
            }
            End::Denied
            | End::Unanswered
            | End::Mismatch(_)
            | End::Unauthenticated
            | End::Withdrawn => Verdict::Deny,
        };
        self.event.end = end;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let mut event = self.event.clone();
        event.duration = self.began.elapsed();
        event.sent = self.bytes.sent.load(Ordering::Relaxed);
        event.received = self.bytes.received.load(Ordering::Relaxed);
        std::mem::take(&mut self.maker).tell(&self.log, event);
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event.fmt(f)
    }
}
