//! What the process sandbox does on macOS: a [`sandbox_core::Ruleset`] becomes a [`Profile`] in the language of Seatbelt, SBPL, and a
//! command is started under it (`launch`).
//!
//! The profile is data: it is made and tested on every system. What starts a command names the program that applies a profile, and is
//! tested on every Unix of 64 bits with another one in its place; what Apple's does was never seen by a test of ours.

#[cfg(all(unix, target_pointer_width = "64"))]
mod launch;
mod profile;
mod tag;

#[cfg(all(unix, target_pointer_width = "64"))]
pub use self::launch::{
    Child, LOG, LaunchError, Report, SANDBOX_EXEC, Start, Violation, Watch, probe,
};
pub use self::profile::{Asked, Facts, Part, Profile, ProfileError, Said, loopback_ports};
pub use self::tag::Tag;
