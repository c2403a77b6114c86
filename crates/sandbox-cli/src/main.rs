//! The `sandbox` command: reads the command line, prints, and chooses exit codes. No policy logic lives here.

#![forbid(unsafe_code)]

/// The allocator of musl, with which the binary is shipped, takes several times as long: a fifth of a whole start.
#[cfg(backend = "linux")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[cfg(backend)]
mod account;
#[cfg(backend)]
mod args;
#[cfg(backend)]
mod ask;
#[cfg(backend)]
mod changed;
#[cfg(backend)]
mod check;
#[cfg(backend)]
mod control;
#[cfg(backend)]
mod denied;
#[cfg(backend = "linux")]
mod doctor;
#[cfg(backend)]
mod exit;
#[cfg(backend)]
mod explain;
#[cfg(backend)]
mod failure;
#[cfg(backend)]
mod generate;
#[cfg(backend)]
mod host;
#[cfg(backend)]
mod init;
#[cfg(backend)]
mod json;
#[cfg(backend)]
mod layers;
#[cfg(backend)]
mod log;
#[cfg(backend)]
mod network;
#[cfg(backend)]
mod policy;
#[cfg(backend)]
mod profile;
#[cfg(backend)]
mod render;
#[cfg(backend)]
mod run;
#[cfg(backend)]
mod setting;
#[cfg(backend)]
mod settings;
#[cfg(backend)]
mod signals;
#[cfg(backend)]
mod store;
#[cfg(backend)]
mod supervise;
#[cfg(backend)]
mod terminal;
#[cfg(backend)]
mod traffic;
#[cfg(backend)]
mod trust;

#[cfg(not(backend))]
mod unsupported;

use std::process::ExitCode;

#[cfg(backend)]
use {
    crate::args::{Action, Arguments},
    clap::Parser,
};

#[cfg(not(backend))]
fn main() -> ExitCode {
    unsupported::refuse()
}

#[cfg(backend)]
fn main() -> ExitCode {
    // A signal that ends us early, as Ctrl-\ does, leaves no core: there is the caller's environment in it.
    host::leave_no_core();
    signals::block_file_size();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return render::usage(&error),
    };
    let done = match &arguments.action {
        Action::Run(run) => run::command(run),
        Action::Shell(shell) => run::shell(shell),
        Action::Explain(explain) => explain::explain(explain),
        Action::Profile(profile) => profile::profile(profile),
        Action::Check(check) => check::check(check),
        Action::Init(init) => init::init(init),
        Action::Policy(action) => policy::policy(action),
        #[cfg(backend = "linux")]
        Action::Doctor(doctor) => doctor::doctor(doctor),
        #[cfg(backend = "macos")]
        Action::Doctor(_) => Err(failure::Failure::NotHere { what: "doctor" }),
        Action::Trust(trust) => trust::trust(trust),
        Action::Completions(completions) => generate::completions(completions.shell),
        Action::Man => generate::manual(),
    };
    done.unwrap_or_else(|failure| render::failure(&failure))
}
