//! The `sandbox` command: reads the command line, prints, and chooses exit codes. No policy logic lives here.

#![forbid(unsafe_code)]

/// The allocator of musl, with which the binary is shipped, takes several times as long: a fifth of a whole start.
#[cfg(backend = "linux")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[cfg(any(backend = "linux", backend = "macos"))]
mod account;
#[cfg(any(backend = "linux", backend = "macos"))]
mod args;
#[cfg(any(backend = "linux", backend = "macos"))]
mod ask;
#[cfg(any(backend = "linux", backend = "macos"))]
mod changed;
#[cfg(any(backend = "linux", backend = "macos"))]
mod check;
#[cfg(any(backend = "linux", backend = "macos"))]
mod control;
#[cfg(any(backend = "linux", backend = "macos"))]
mod denied;
#[cfg(backend = "linux")]
mod doctor;
#[cfg(any(backend = "linux", backend = "macos"))]
mod exit;
#[cfg(any(backend = "linux", backend = "macos"))]
mod explain;
#[cfg(any(backend = "linux", backend = "macos"))]
mod failure;
#[cfg(any(backend = "linux", backend = "macos"))]
mod generate;
#[cfg(any(backend = "linux", backend = "macos"))]
mod host;
#[cfg(any(backend = "linux", backend = "macos"))]
mod init;
#[cfg(any(backend = "linux", backend = "macos"))]
mod json;
#[cfg(any(backend = "linux", backend = "macos"))]
mod layers;
#[cfg(any(backend = "linux", backend = "macos"))]
mod log;
#[cfg(any(backend = "linux", backend = "macos"))]
mod network;
#[cfg(any(backend = "linux", backend = "macos"))]
mod policy;
#[cfg(any(backend = "linux", backend = "macos"))]
mod profile;
#[cfg(any(backend = "linux", backend = "macos"))]
mod render;
#[cfg(any(backend = "linux", backend = "macos"))]
mod run;
#[cfg(any(backend = "linux", backend = "macos"))]
mod setting;
#[cfg(any(backend = "linux", backend = "macos"))]
mod settings;
#[cfg(any(backend = "linux", backend = "macos"))]
#[cfg_attr(backend = "macos", path = "signals/macos.rs")]
mod signals;
#[cfg(any(backend = "linux", backend = "macos"))]
mod store;
#[cfg(any(backend = "linux", backend = "macos"))]
mod supervise;
#[cfg(any(backend = "linux", backend = "macos"))]
mod terminal;
#[cfg(any(backend = "linux", backend = "macos"))]
mod traffic;
#[cfg(any(backend = "linux", backend = "macos"))]
mod trust;

#[cfg(not(any(backend = "linux", backend = "macos")))]
mod unsupported;

use std::process::ExitCode;

#[cfg(any(backend = "linux", backend = "macos"))]
use {
    crate::args::{Action, Arguments},
    crate::signals::Signals,
    clap::Parser,
};

#[cfg(not(any(backend = "linux", backend = "macos")))]
fn main() -> ExitCode {
    unsupported::refuse()
}

#[cfg(any(backend = "linux", backend = "macos"))]
fn main() -> ExitCode {
    // A signal that ends us early, as Ctrl-\ does, leaves no core: there is the caller's environment in it.
    host::leave_no_core();
    Signals::block_file_size();
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
