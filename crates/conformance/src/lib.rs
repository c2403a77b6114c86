//! One question, three answers: may a command do this? The rules say it ([`rules`]), a simulator reads it off the plan
//! ([`simulator`]), and the kernel shows it ([`kernel`]). They must agree on every case. A fourth is for a system that is not here:
//! what a Mac's kernel would say ([`seatbelt`]).
//!
//! Cases are data: the files of `cases/`, which say what they test ([`case`]). The simulator shares nothing with what
//! compiles the plan but the plan's own types, so that a mistake in one is not repeated by the other.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test's way to fail is to panic"
)]

mod answer;
pub mod case;
mod host;
pub mod kernel;
mod listing;
mod mount;
pub mod random;
pub mod rules;
pub mod seatbelt;
pub mod simulator;
mod spelling;
pub mod table;

pub use answer::{Answer, Attempt, Outcome};
pub use host::Tree;
pub use listing::{Kind, Listing};
pub use mount::Mount;
