//! Runs commands confined: what they read, write, connect to and inherit is decided by a [`Policy`], and what this host
//! cannot enforce is refused before anything starts.
//!
//! ```
//! use sandboxed::{Policy, Preset, Sandbox};
//!
//! # fn main() -> Result<(), sandboxed::Error> {
//! let policy = Policy::preset(Preset::ReadOnly);
//! let sandbox = Sandbox::new(&policy)?;                     // everything wrong is reported here, at once
//! let output = sandbox.command("echo").arg("hello").output()?;
//! assert_eq!(output.stdout, b"hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! [`Command`], [`Child`], [`Stdio`], [`ExitStatus`] and [`Output`] have the names, the order and the defaults of
//! [`std::process`]; each says where it differs. The biggest difference: **what is confined ends with its [`Child`]**, and
//! with the process that holds it, whatever that process dies of.
//!
//! The stages can be looked at one by one: a [`Policy`] is resolved to a [`Ruleset`], which is compiled to a [`Plan`] for
//! this host ([`HostFacts`]). [`Sandbox::enforcement`] tells which mechanism holds which part, and what is not held.
//!
//! # Platform
//!
//! Linux on `x86_64` and `aarch64`. Elsewhere the crate compiles, and `Sandbox::new` answers `Error::Unsupported`.

#![forbid(unsafe_code)]

/// The program of the README, kept compiling.
#[cfg(all(doctest, target_os = "linux"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(target_os = "linux")]
mod changes;
#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod collected;
#[cfg(target_os = "linux")]
mod command;
#[cfg(target_os = "linux")]
mod deadline;
#[cfg(target_os = "linux")]
mod dispositions;
#[cfg(target_os = "linux")]
mod error;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod search;
#[cfg(target_os = "linux")]
mod status;
#[cfg(target_os = "linux")]
mod stdio;
#[cfg(target_os = "linux")]
mod strings;
#[cfg(not(target_os = "linux"))]
mod unsupported;

pub use sandbox_core::{
    Access, Attempt, Context, Decision, HideBy, Limits, Location, Network, Policy, PolicyError,
    PolicyErrors, Preset, Ruleset, Source, System, Tier, Verdict,
};

#[cfg(target_os = "linux")]
pub use {
    child::{Child, Update},
    command::Command,
    error::{BadStream, Error},
    sandbox::{Builder, Sandbox},
    sandbox_linux::{Enforcement, HostFacts, LaunchError, Lowering, Plan, Unenforceable, Usage},
    status::{ExitStatus, Output},
    stdio::{Stdio, Stream},
};

#[cfg(not(target_os = "linux"))]
pub use unsupported::{Error, Sandbox};
