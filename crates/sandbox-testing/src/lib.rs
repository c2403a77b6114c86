//! What the tests share: a private piece of host with secrets in it, runs of the `sandbox` binary, and a hostile program.
//!
//! Tests look *from the host's side*: what changed on disk, what a server outside heard, which process is still alive.
//! Each attack has a control, the same command with one rule apart or without a sandbox, so that "denied" can't be a
//! missing program.
//!
//! ```no_run
//! use sandbox_testing::Host;
//!
//! let host = Host::new().file("~/.ssh/id", "KEY");
//! host.run("~/.ssh = hide", ["cat", "@home/.ssh/id"]).fails().stdout("");
//! host.run("~/.ssh = read", ["cat", "@home/.ssh/id"]).succeeds().stdout("KEY");
//! ```

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test's way to fail is to panic"
)]

/// The hostile program, for the lints: `build.rs` compiles it.
#[cfg(test)]
#[path = "../payload/main.rs"]
#[expect(dead_code, reason = "a program of its own")]
mod payload;

mod alone;
mod calls;
mod host;
mod lowered;
mod moments;
mod needs;
mod outcome;
mod process;
mod run;
mod server;
mod snapshot;
mod terminal;

pub use alone::{alone, alone_by};
pub use calls::{Answer, Calls};
pub use host::Host;
pub use lowered::forbid_netfilter;
pub use moments::Moments;
pub use needs::{is_root, needs, needs_kernel, needs_ordinary_user, needs_root, tool, toolchain};
pub use outcome::Outcome;
pub use process::{State, Victim, marked, marker, until};
pub use run::{Run, Running, binary};
pub use server::Server;
pub use snapshot::Snapshot;
pub use terminal::Terminal;
