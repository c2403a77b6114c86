//! The network's only door: what confined programs connect to, and which names they ask for, ends here, is decided by
//! [`Ruleset::decide`](sandbox_core::Ruleset::decide), and is dialled from here if it is allowed.
//!
//! Every byte that comes through a [`Door`] is a hostile program's. What it may cost is in `bounds`; what a connection is
//! called and where it leads is one value from the question to the dial (`hall`).

#![cfg(unix)]
#![forbid(unsafe_code)]

mod bounds;
mod capture;
mod datagrams;
mod dial;
mod dns;
mod event;
mod flights;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod guard;
mod hall;
mod http;
mod log;
mod loopback;
mod names;
mod opened;
mod processes;
mod protocol;
mod proxy;
mod publish;
mod question;
mod refusal;
mod refuse;
mod relay;
mod resolver;
mod services;
mod socks;
#[cfg(test)]
mod tests;
mod tls;
mod upstream;
mod variables;

pub use event::{Door, End, Event};
pub use gateway::{Doors, Gateway, Options, PortOf};
pub use loopback::Loopback;
pub use processes::{Process, Processes};
pub use question::{Answer, Question};
pub use upstream::HostProxy;
pub use variables::{NO_PROXY_VARIABLES, proxy_variables};
