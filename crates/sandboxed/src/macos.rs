//! The backend for macOS: a policy becomes a profile of Seatbelt, and each command is started under it.
//!
//! Everything that isn't Apple's is tested on Linux, where a program that applies nothing stands in the place of `sandbox-exec`.

mod child;
mod command;
mod enforcement;
mod error;
mod log;
mod network;
mod sandbox;
mod stdio;
mod temporary;
#[cfg(test)]
mod tests;

pub use self::child::Child;
pub use self::command::Command;
pub use self::error::{Error, Unenforceable};
pub use self::sandbox::{Builder, Sandbox};
pub use self::stdio::Stdio;
