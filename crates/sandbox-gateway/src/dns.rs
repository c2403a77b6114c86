//! Names that programs inside ask for: every name that could be reached has addresses of ours, no other name exists.
//!
//! Nothing of a question leaves this machine but the name itself, to the host's own resolver, and only if rules allow it: a
//! question is as good a way out as a connection. So no record but addresses, and places of services, is ever looked up, and no
//! person is waited for.

mod message;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use sandbox_core::{Attempt, Decision, Destination, Name, Verdict};

pub(crate) use self::message::{Answer, Record, parse};
use self::message::{Kind, Query};
pub(crate) use self::socket::{datagrams, stream};
use crate::bounds;
use crate::event::Door;
use crate::hall::{Hall, Wish};
use crate::names::Meaning;
use crate::processes::Maker;
use crate::refusal::Why;
use crate::resolver::Lookup;
use crate::services::Found;

/// How long an answer may be kept. Its meaning never changes; whether the name is still allowed may.
const LIFE: u32 = 30;

/// Names and destinations of datagrams whose denial has been told of lately.
#[derive(Default)]
pub(crate) struct Told(HashMap<(Destination, u16), Instant>);

impl Told {
    /// Whether to tell of one, which then has been.
    fn is_news(&mut self, wish: &Wish) -> bool {
        let about = (wish.destination.clone(), wish.port);
        let is_recent = |at: &Instant| at.elapsed() < bounds::TOLD_AGAIN;
        if self.0.get(&about).is_some_and(is_recent) {
            return false;
        }
        if self.0.len() >= bounds::TOLD {
            self.0.retain(|_, at| is_recent(at));
        }
        if self.0.len() < bounds::TOLD {
            self.0.insert(about, Instant::now());
        }
        true
    }
}

impl Hall {
    /// The answer to a message; none to what is no question.
    pub(crate) async fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let query = match parse(message) {
            Ok(query) => query,
            Err(answer) => return answer,
        };
        let answer = self.resolve(&query).await;
        query.reply(answer, LIFE)
    }

    async fn resolve(&self, query: &Query<'_>) -> Answer {
        match (&query.kind, &query.name) {
            (Kind::Pointer(Some(address)), _) => match self.names.borrow().meaning(*address) {
                Meaning::Name(name) => Answer::Record(Record::Pointer(name)),
                Meaning::Itself | Meaning::Nothing => Answer::NoSuchName,
            },
            (Kind::Pointer(None), _) | (_, None) => Answer::NoSuchName,
            (kind, Some(name)) if name.is_localhost() => match kind {
                Kind::V4 => Answer::address(Ipv4Addr::LOCALHOST.into()),
                Kind::V6 => Answer::address(Ipv6Addr::LOCALHOST.into()),
                _ => Answer::Nothing,
            },
            (kind, Some(name)) => {
                let attempt = Attempt::lookup(name.clone());
                let decision = self.rules().ruleset.decide(&attempt);
                let verdict = decision.verdict;
                if verdict == Verdict::Deny {
                    self.tell(name, 0, decision);
                    return Answer::NoSuchName;
                }
                match kind {
                    Kind::V4 => self.address(name, verdict, |pair| pair.v4.into()).await,
                    Kind::V6 => self.address(name, verdict, |pair| pair.v6.into()).await,
                    Kind::Service => self.services(name, verdict, query.service.clone()).await,
                    Kind::Tunnel => Answer::Refused,
                    Kind::Pointer(_) | Kind::Other => Answer::Nothing,
                }
            }
        }
    }

    /// The address that stands for a name which could be reached.
    async fn address(
        &self,
        name: &Name,
        verdict: Verdict,
        which: impl Fn(crate::names::Pair) -> IpAddr,
    ) -> Answer {
        // What a person has not allowed is not looked up.
        if verdict == Verdict::Allow && !self.rules().has_upstream(name) {
            match self.resolver.lookup(name, bounds::QUESTION).await {
                Lookup::Nothing => return Answer::NoSuchName,
                Lookup::Failed => return Answer::Failed,
                Lookup::Found(_) | Lookup::Late => {}
            }
        }
        match self.names.borrow_mut().addresses(name) {
            Some(pair) => Answer::address(which(pair)),
            None => Answer::Failed,
        }
    }

    /// Where a service of a name is that is allowed, as far as that is allowed itself.
    async fn services(&self, name: &Name, verdict: Verdict, service: Option<String>) -> Answer {
        let is_asked = verdict == Verdict::Allow && !self.rules().has_upstream(name);
        let Some(service) = service.filter(|_| is_asked) else {
            return Answer::Nothing;
        };
        let mut places = match self.resolver.services(service).await {
            Found::Places(places) => places,
            Found::NoSuchName => return Answer::NoSuchName,
            Found::Failed => return Answer::Failed,
        };
        places.retain(|place| {
            let (target, port) = (&place.target, place.port);
            let attempt = Attempt::connect(target.clone(), port);
            let decision = self.rules().ruleset.decide(&attempt);
            let is_denied = decision.verdict == Verdict::Deny;
            if is_denied {
                self.tell(target, port, decision);
            }
            !is_denied
        });
        places.sort_by_key(|place| place.priority);
        Answer::Places(places)
    }

    /// Tells that a name was denied, at a port or, with 0, whatever is wanted of it.
    fn tell(&self, name: &Name, port: u16, decision: Decision) {
        let wish = Wish {
            destination: name.clone().into(),
            port,
            door: Door::Dns,
            // Whoever asks closes its socket with the answer, before anybody has been found.
            maker: Maker::default(),
        };
        self.refuse_once(wish, Maker::default, Why::Denied(decision.into()));
    }

    /// Refuses a wish of this maker, and tells of it unless that was done a short time ago: whoever asks for one thing asks again.
    pub(crate) fn refuse_once(&self, mut wish: Wish, maker: impl FnOnce() -> Maker, why: Why) {
        if self.told.borrow_mut().is_news(&wish) {
            wish.maker = maker();
            self.refuse(&wish, why);
        }
    }
}
