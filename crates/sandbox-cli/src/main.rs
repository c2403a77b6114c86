//! The `sandbox` command: reads the command line, prints, and chooses exit codes. No policy logic lives here.

#![forbid(unsafe_code)]

/// The allocator of musl, with which the binary is shipped, takes several times as long: a fifth of a whole start.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

mod account;
mod args;
mod doctor;
mod exit;
mod explain;
mod failure;
mod render;
mod run;
mod setting;
mod signals;
mod supervise;
mod terminal;

use std::process::ExitCode;

use clap::Parser;
use nix::sys::prctl::set_dumpable;

use crate::args::{Action, Arguments};
use crate::signals::Signals;

fn main() -> ExitCode {
    // A signal that ends us early, as Ctrl-\ does, leaves no core: there is the caller's environment in it.
    let _ = set_dumpable(false);
    Signals::block_file_size();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return render::usage(&error),
    };
    let done = match &arguments.action {
        Action::Run(run) => run::command(run),
        Action::Shell(shell) => run::shell(shell),
        Action::Explain(explain) => explain::explain(explain),
        Action::Doctor(doctor) => doctor::doctor(doctor),
    };
    done.unwrap_or_else(|failure| render::failure(&failure))
}
