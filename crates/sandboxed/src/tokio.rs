//! The same commands for programs that run on tokio (feature `tokio`): what waits is a future, and the pipes are tokio's.
//!
//! ```
//! use sandboxed::{Policy, Preset, Sandbox, tokio::Command};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
//! let output = Command::new(&sandbox, "echo").arg("hello").output().await?;
//! assert_eq!(output.stdout, b"hello\n");
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! No thread is started and no signal is listened to: a [`Child`] waits for a socket of its own, and for the runtime's clock if
//! it has a time limit. Any flavour of runtime will do; it has its I/O enabled, and its time for limits.
//!
//! What blocks the calling thread is a launch, as with `tokio::process` ([`Command::spawn`] says for how long), and dropping a
//! [`Child`] that has not ended, until nothing inside is left; and when a command is stopped, the question to init whether it
//! still is. [`Sandbox::new`](crate::Sandbox::new) reads files and looks at
//! the host: who minds calls it by `spawn_blocking`.

mod child;
mod command;
mod gathered;

pub use self::child::{Child, ChildStderr, ChildStdin, ChildStdout};
pub use self::command::Command;
