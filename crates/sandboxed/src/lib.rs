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
//! with the process that holds it, whatever that process dies of. On macOS that is its process group: what leaves it goes on, confined, and
//! so does the command where the caller is killed.
//!
//! The stages can be looked at one by one: a [`Policy`] is resolved to a [`Ruleset`], which is compiled to a [`Plan`] for
//! this host ([`HostFacts`]). [`Sandbox::enforcement`] tells which mechanism holds which part, and what is not held.
//!
//! # Examples
//!
//! `agent` runs what a model asks for, `build_service` has jobs of strangers in a queue, `replace_command` is a program before and
//! after: `cargo run -p sandboxed --example agent`, and the files in `crates/sandboxed/examples`.
//!
//! # Features
//!
//! `tokio`, not among the defaults: commands that are waited for asynchronously, in a module of that name.
//!
//! # Platform
//!
//! Linux and macOS, on `x86_64` and `aarch64`. What macOS cannot hold is refused there, and what else differs is said in
//! the project's `docs/macos.md`. Elsewhere a program with this crate compiles, and [`Sandbox::new`] answers
//! [`Error::Unsupported`]: the types of commands exist, but none of them can. What only Linux has ([`Plan`], [`HostFacts`],
//! descriptors, terminals, most errors) exists there alone.

#![forbid(unsafe_code)]

/// The program of the README, kept compiling.
#[cfg(all(doctest, backend = "linux"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(backend)]
mod changes;
#[cfg(backend = "linux")]
mod child;
#[cfg(backend)]
mod collected;
#[cfg(backend = "linux")]
mod command;
#[cfg(backend)]
mod confine;
#[cfg(backend)]
mod deadline;
#[cfg(backend)]
mod denials;
#[cfg(backend)]
mod directory;
#[cfg(backend = "linux")]
mod dispositions;
#[cfg(backend = "linux")]
mod error;
#[cfg(backend = "linux")]
mod limits;
#[cfg(backend = "linux")]
mod network;
#[cfg(backend)]
mod proxies;
#[cfg(backend)]
mod review;
#[cfg(backend = "linux")]
mod sandbox;
#[cfg(backend)]
mod search;
#[cfg(backend)]
mod status;
#[cfg(backend = "linux")]
mod stdio;
#[cfg(backend)]
mod stream;
#[cfg(backend)]
mod strings;
#[cfg(backend = "linux")]
mod terminal;
#[cfg(all(backend = "linux", feature = "tokio"))]
pub mod tokio;
#[cfg(backend)]
mod waiting;
// Tested on Linux, too, with a program in the place of macOS's own.
#[cfg(any(backend = "macos", all(backend = "linux", test)))]
#[cfg_attr(
    backend = "linux",
    expect(dead_code, unreachable_pub, reason = "public on macOS")
)]
mod macos;
// Tested where there is a backend, too.
#[cfg(any(not(backend), test))]
#[cfg_attr(
    not(backend),
    expect(
        missing_docs,
        clippy::missing_errors_doc,
        reason = "documented where there is a backend: these are never called"
    )
)]
#[cfg_attr(
    all(test, backend),
    expect(
        dead_code,
        unreachable_pub,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self,
        reason = "public on other systems"
    )
)]
mod unsupported;

pub use sandbox_core::{
    Access, Attempt, Change, ChangeKind, Changes, Context, Decision, DestinationPreset, Distrust,
    Enforcement, Event, Held, HideBy, Limits, Lines, Location, MacOption, NameOf, Network,
    Operation, Policy, PolicyError, PolicyErrors, Preset, Process, ProtectedGroup, Ruleset,
    SocketPreset, Source, System, Tier, Usage, Verdict,
};

#[cfg(backend = "linux")]
pub use {
    child::Child,
    command::Command,
    error::{BadStream, Error},
    sandbox::{Builder, Sandbox},
    sandbox_linux::{
        HostFacts, LaunchError, Lowering, NumberProblem, Plan, TerminalSize, Unenforceable,
    },
    stdio::Stdio,
    terminal::Terminal,
};

#[cfg(backend = "macos")]
pub use {
    macos::{Builder, Child, Command, Error, Sandbox, Stdio, Unenforceable},
    sandbox_macos::LaunchError,
};

#[cfg(backend)]
pub use {
    sandbox_gateway::{
        Answer as NetworkAnswer, Door, End, Event as NetworkEvent, Question as NetworkQuestion,
    },
    status::{ExitStatus, Output, Update},
    stream::Stream,
};

#[cfg(not(backend))]
pub use unsupported::{
    Builder, Child, Command, Error, ExitStatus, NetworkAnswer, NetworkEvent, NetworkQuestion,
    Output, Sandbox, Stdio, Update,
};
