//! The command line of `sandbox policy diff`, `add` and `remove`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{NetworkName, Paths, pattern};

/// Tells what one policy allows and another does not
///
/// Each file is taken in the place of the project's policy, with your own and the machine owner's below it, approved or not.
/// Relative paths start at the directory that the file is in: compare files beside each other. With one file: from what
/// holds without it. With none: what this project's `sandbox.toml` changes.
#[derive(Debug, Args)]
#[command(
    override_usage = "sandbox policy diff [OPTIONS] [[BEFORE] AFTER]",
    after_help = "\
Examples:
  sandbox policy diff
  git show HEAD:sandbox.toml > before.toml; sandbox policy diff before.toml sandbox.toml

Exit codes:
  0  the second allows nothing that the first does not
  1  it does, or something else than the first
  125  one of them is refused"
)]
pub(crate) struct PolicyDiff {
    /// The policy files
    #[arg(value_name = "FILE", num_args = 0..=2)]
    pub(crate) files: Vec<PathBuf>,
    /// Answer in JSON, as `docs/json.md` describes it
    #[arg(long)]
    pub(crate) json: bool,
}

/// Adds rules to a policy file; a rule about the same path, destination or variable is replaced
///
/// The file is replaced as a whole or not at all, and not where the result would be refused. Every other byte of it stays as
/// it is, and what is replaced is printed: there is no backup. A symbolic link is not followed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sandbox policy add --write ../shared --env CI=1
  sandbox policy add --hide 'secrets/**'
  sandbox policy add --user --read ~/models --allow github.com:443")]
pub(crate) struct PolicyAdd {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) paths: Paths,
    /// The paths need not exist
    #[arg(long)]
    pub(crate) optional: bool,
    /// Allow connecting to a destination
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) allow: Vec<String>,
    /// Allow no connection there
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) deny: Vec<String>,
    /// The network that no rule is about: none of it, what a person says, all of it, or the host's
    #[arg(long, value_name = "ACCESS", value_enum)]
    pub(crate) network: Option<NetworkName>,
    /// Pass a variable of the environment, or set one
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<OsString>,
    /// Drop a variable of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) drop: Vec<OsString>,
}

/// Removes rules from a policy file
///
/// The line of the rule goes, with the comment at its end; comments above it stay, as does every other byte. What is removed is
/// printed: there is no backup. The file is replaced as a whole or not at all, and not where the result would be refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sandbox policy remove ../shared --env CI
  sandbox policy remove --network")]
pub(crate) struct PolicyRemove {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Paths or patterns, as the policy has them
    #[arg(value_name = "PATTERN", value_parser = pattern())]
    pub(crate) patterns: Vec<OsString>,
    /// The rule about the network
    #[arg(long)]
    pub(crate) network: bool,
    /// The rule about a destination
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) destination: Vec<String>,
    /// The rule about a variable
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<OsString>,
}

/// Which policy file is changed: the project's, unless another is named.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Change your own policy, `~/.config/sandbox/policy.toml`, instead of the project's
    #[arg(long, conflicts_with = "file")]
    pub(crate) user: bool,
    /// Change this file instead of the project's
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}
