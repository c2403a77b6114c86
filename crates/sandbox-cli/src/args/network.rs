//! Options about the network while a command runs.

use std::path::PathBuf;

use clap::Args;

/// What is told of the network while a command runs, and by whom its rules are changed.
#[derive(Debug, Default, Args)]
pub(crate) struct Watching {
    /// Write a line of JSON for each connection and each denial to this file; `-` is standard error
    ///
    /// Lines are added to what is there. docs/json.md describes them.
    #[arg(long, value_name = "FILE")]
    pub(crate) log_network: Option<PathBuf>,
    /// Take other rules about the network from this descriptor while the command runs, a socket
    ///
    /// A line of JSON for each change, `{"update_network": {…}}` with a policy's table `network`; a line answers it.
    #[arg(long, value_name = "FD", value_parser = clap::value_parser!(i32).range(3..))]
    pub(crate) control_fd: Option<i32>,
}
