//! Datagrams from inside to any address and port but those of name servers.
//!
//! Each flow, a socket of the command's and whoever it speaks to, is decided when it begins, by [`Attempt::Send`], and has a
//! socket outside of its own, which hears nobody but that other side. Nothing is sent that the command has not sent, one datagram
//! for one; nobody is asked, since a datagram can't wait for a person. Whatever is denied or fails is answered as by a machine
//! on which nobody listens, so that programs try something else at once.

#![cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "there is no door, and so no flow")
)]

#[cfg_attr(not(target_os = "linux"), path = "datagrams/no_door.rs")]
mod door;
mod flow;
mod packet;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use sandbox_core::{Attempt, Destination, Verdict};
use tokio::task::spawn_local;

pub(crate) use self::door::{ask_destinations, serve};
use self::flow::Flow;
pub(crate) use self::flow::Flows;
use self::packet::Pair;
use crate::event::{Door, End};
use crate::hall::{Hall, Wish};
use crate::log::Record;
use crate::processes::Maker;
use crate::refusal::Why;

/// The longest datagram that there is.
const LONGEST: usize = 1 << 16;

/// The way back to a command.
trait Inside {
    /// Hands it a datagram from the other side.
    fn answer(&self, pair: Pair, payload: &[u8]);
    /// Tells it that nobody is there.
    fn refuse(&self, pair: Pair);
}

impl Hall {
    /// Passes on what a command sends, or refuses it.
    fn datagram(self: &Rc<Self>, pair: Pair, payload: &[u8], inside: &Rc<dyn Inside>) {
        let flow = match self.flows.get(pair) {
            Some(flow) => flow,
            None => match self.begin(pair, inside) {
                Some(flow) => flow,
                None => return inside.refuse(pair),
            },
        };
        if let Err(error) = flow.send(payload, &self.flows.waiting) {
            flow.ends(End::Unreachable(error.to_string()));
            self.flows.remove(pair);
            inside.refuse(pair);
        }
    }

    /// A flow to where rules allow it; it is opened while datagrams may come.
    fn begin(self: &Rc<Self>, pair: Pair, inside: &Rc<dyn Inside>) -> Option<Rc<Flow>> {
        let address = Destination::from(pair.other.ip());
        let meaning = self.meaning(address.clone());
        let has_meaning = meaning.is_some();
        let mut wish = Wish {
            destination: meaning.unwrap_or(address),
            port: pair.other.port(),
            door: Door::Udp,
            maker: Maker::default(),
        };
        if !has_meaning {
            self.tell_denied(pair, wish, Why::no_name());
            return None;
        }
        let rules = self.rules_now();
        let attempt = Attempt::send(wish.destination.clone(), wish.port);
        let decision = rules.ruleset.decide(&attempt);
        if decision.verdict != Verdict::Allow {
            self.tell_denied(pair, wish, Why::Denied(decision.into()));
            return None;
        }
        wish.maker = self.maker_of(pair);
        let mut record = Record::new(&self.log, &wish);
        record.decided(decision);
        let flow = Rc::new(Flow::new(wish, record));
        let carried = flow::carry(
            Rc::clone(self),
            Rc::clone(&flow),
            rules,
            pair,
            Rc::clone(inside),
        );
        let task = spawn_local(carried).abort_handle();
        self.flows.insert(pair, Rc::clone(&flow), task);
        Some(flow)
    }

    /// Tells that datagrams were denied. Where whoever is told panics that ends no door.
    fn tell_denied(self: &Rc<Self>, pair: Pair, wish: Wish, why: Why) {
        let hall = Rc::clone(self);
        spawn_local(async move { hall.refuse_once(wish, || hall.maker_of(pair), why) });
    }

    /// Who sends from there to there.
    fn maker_of(&self, pair: Pair) -> Maker {
        self.maker(|searches| searches.datagrams(pair.command, pair.other))
    }
}
