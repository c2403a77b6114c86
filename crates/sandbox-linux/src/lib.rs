//! What the process sandbox does on Linux: namespaces, seccomp and Landlock, and the init program that is pid 1 inside.
//!
//! A [`sandbox_core::Ruleset`] becomes a [`View`] of the file system, that and the [`HostFacts`] become a [`Plan`], which is
//! data. [`Prepared`] opens and allocates everything; [`Prepared::launch`] clones, and what runs after the clone is the init
//! program (`init/`) alone.
//!
//! On other systems the crate is empty.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

mod child;
mod cpus;
mod doors;
mod facts;
pub mod filter;
mod holders;
mod inits;
mod landlock;
mod launch;
mod notifier;
mod plan;
mod prepare;
mod start;
#[expect(unsafe_code, reason = "the clone, and what nix has not")]
mod sys;
mod view;

#[path = "../init/raw.rs"]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "shared with init, which uses the rest")
)]
#[expect(unsafe_code, reason = "the system call instruction")]
mod raw;
#[path = "../init/wire.rs"]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "shared with init, which uses the rest")
)]
mod wire;

/// The init program as ordinary modules, so that the lints and the unit tests see it.
#[cfg(test)]
#[path = "../init/main.rs"]
#[expect(
    dead_code,
    unsafe_code,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a program of its own, which speaks to the kernel in its words"
)]
mod init;

pub use self::child::{Child, Report, Update};
pub use self::doors::{Doors, WayIn};
pub use self::facts::{
    Consequence, HostFacts, KernelVersion, Lowering, LoweringError, MemfdExec, NamespaceRefusal,
    Obstacle, Part, Remedy, UserNamespaces,
};
pub use self::filter::{Filter, FilterError, FilterOptions};
pub use self::holders::{Holder, Holders};
pub use self::launch::{LaunchError, NumberProblem};
pub use self::notifier::{Denial, Made, OnDenial, Reason, Told};
pub use self::plan::{
    Connectivity, Family, Followed, Inside, MountAttributes, NetworkRequest, Plan, Resource, Step,
    Unenforceable, Watched,
};
pub use self::prepare::{Early, Prepared};
pub use self::start::{ProcessGroup, Start, TerminalSize};
pub use self::sys::inherited;
pub use self::view::{Cover, LiveKind, Missing, Node, View};
