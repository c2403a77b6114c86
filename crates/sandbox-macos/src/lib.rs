//! What the process sandbox does on macOS: a [`sandbox_core::Ruleset`] becomes a [`Profile`] in the language of Seatbelt, SBPL.
//!
//! The profile is data: it is made and tested on every system. Nothing here applies it.

#![forbid(unsafe_code)]

mod profile;

pub use self::profile::{Asked, Facts, Part, Profile, ProfileError, Said};
