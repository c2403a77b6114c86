//! The command line. What its help says is tested word by word.

mod group;
mod network;
mod policy;
mod preset;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use sandbox_core::{Access, Destination};
use sandboxed::Network;

use crate::host::Lowering;

pub(crate) use self::group::GroupName;
pub(crate) use self::network::Watching;
pub(crate) use self::policy::{PolicyAdd, PolicyDiff, PolicyRemove, Target};
pub(crate) use self::preset::PresetName;

/// The policy that a project has.
pub(crate) const PROJECT: &str = "sandbox.toml";

/// Runs a command that cannot read your secrets, write outside of this directory, or reach what you have not named
#[derive(Debug, Parser)]
#[command(
    name = "sandbox",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Action,
}

const EXAMPLES: &str = "\
Examples:
  sandbox run npm test                    the preset `agent`: writes only the current directory
  sandbox run --hide 'secrets/**' -- make one thing more that cannot be read
  sandbox run --preset npm -- npm ci      the registry that your npm asks, everything else confined
  sandbox explain ~/.ssh/id_ed25519       may this be read or written, and why
  sandbox init                            a policy for this project, to read and to change
  sandbox check ci.toml                   is this policy valid, and safe
  sandbox doctor                          what this host can enforce, and how to lift what it can't

Exit codes of `run` and `shell`:
  124  the time limit was reached      126  the command cannot be executed
  125  the sandbox failed or refused   127  the command was not found
  128+n  signal n ended the command    any other is the command's own";

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    Run(Run),
    Shell(Shell),
    Explain(Explain),
    Profile(Box<Profile>),
    Check(Check),
    Init(Init),
    #[command(subcommand)]
    Policy(PolicyAction),
    Doctor(Doctor),
    Trust(Trust),
    Completions(Completions),
    /// Prints the manual page, for man(1)
    Man,
}

/// Runs a command confined
///
/// Options end at the first word that is not one, or at `--`: the command's own options are never taken for ours.
/// When the command ends, everything that it started is ended before `sandbox` exits. On macOS that is its process group.
#[derive(Debug, Args)]
#[command(
    override_usage = "sandbox run [OPTIONS] [--] COMMAND...",
    after_help = "\
Examples:
  sandbox run cargo build --release
  sandbox run --write ../shared -- make -j4
  sandbox run --policy ci.toml --timeout 10m ./test.sh
  sandbox run --preset strict --env CI=1 python3 untrusted.py
  sandbox run --preset github -- git clone https://github.com/rust-lang/log
  sandbox run --settings ~/.srt-settings.json -- npm test"
)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) setting: Setting,
    #[command(flatten)]
    pub(crate) watching: Watching,
    // Not `required`: the message that it is missing is ours.
    /// The command and its arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

/// Starts a shell confined: $SHELL, or /bin/sh
#[derive(Debug, Args)]
pub(crate) struct Shell {
    #[command(flatten)]
    pub(crate) setting: Setting,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

/// Tells what a policy allows, and by which rule
///
/// With paths: whether each may be read and written, which rule says so and which others lost, what holds it, and what
/// would allow it. Without any question: every rule.
#[derive(Debug, Args)]
// `--write` and `--env` are questions here, so what they are elsewhere has another name.
#[command(
    defer(given_otherwise),
    after_help = "\
Examples:
  sandbox explain ~/.aws/credentials .git/hooks/pre-commit
  sandbox explain --write ~/.bashrc --env GITHUB_TOKEN
  sandbox explain --with-write ../shared ../shared/notes.md
  sandbox explain --allow '*.example.com' --connect www.example.com:443
  sandbox explain --connect /run/docker.sock
  sandbox explain --plan --preset strict
  sandbox explain --settings ~/.srt-settings.json .env
  sandbox explain --enforcement
  sandbox explain --os macos .GIT/config

Exit codes:
  0  everything was answered, whatever the answer is
  125  the policy was refused, or a path cannot be looked at"
)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) setting: Setting,
    /// Ask whether this path may be written
    #[arg(id = "written", long = "write", value_name = "PATH")]
    pub(crate) written: Vec<PathBuf>,
    /// Ask whether this variable is inside
    #[arg(id = "variable", long = "env", value_name = "NAME")]
    pub(crate) variables: Vec<OsString>,
    /// Ask whether this may be connected to; port 443 unless it is written. A path is that of a Unix socket
    #[arg(long, value_name = "HOST[:PORT]|PATH", value_parser = connection)]
    pub(crate) connect: Vec<Connection>,
    /// Answer for this operating system; for macOS by the lines of the profile that `sandbox profile` prints [default: this one]
    #[arg(long, value_name = "OS", value_enum)]
    pub(crate) os: Option<SystemName>,
    /// Print what is done on this host before a command runs, step by step
    #[arg(long)]
    pub(crate) plan: bool,
    /// Print which mechanism holds which part of the policy, and what is not held
    #[arg(long)]
    pub(crate) enforcement: bool,
    /// Answer in JSON, as `docs/json.md` describes it
    #[arg(long)]
    pub(crate) json: bool,
    /// Paths to decide about
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

/// Prints what a policy becomes on an operating system, also on another one; nothing runs
///
/// For macOS it is a Seatbelt profile, as `sandbox-exec -f` takes it; each line says which rule it comes from. In it, 3128 stands for
/// the port of the gateway, and `/private/tmp/sandbox` for the private directory that `TMPDIR` names. For Linux it is the plan, as
/// `sandbox explain --plan` prints it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sandbox profile --os macos
  sandbox profile --os macos --settings ~/.srt-settings.json > profile.sb

Exit codes:
  0  it was printed
  125  the policy was refused, or that system cannot hold it")]
pub(crate) struct Profile {
    #[command(flatten)]
    pub(crate) setting: Setting,
    /// The operating system [default: this one]
    #[arg(long, value_name = "OS", value_enum)]
    pub(crate) os: Option<SystemName>,
}

/// The operating systems that a policy is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SystemName {
    Linux,
    Macos,
}

/// Tells whether a policy is valid, and what a reviewer would say of it
///
/// Rules without effect, grants of a home or of everything, secrets and protected paths that it opens, directories of `PATH`
/// and the policy itself where the command could write them. Nothing runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sandbox check
  sandbox check --json ci.toml

Exit codes:
  0  the policy is valid, and there is nothing to mend
  1  the policy is valid, and there are warnings
  125  the policy is refused")]
pub(crate) struct Check {
    /// The policy file
    #[arg(value_name = "FILE", default_value = PROJECT)]
    pub(crate) file: PathBuf,
    /// Answer in JSON, as `docs/json.md` describes it
    #[arg(long)]
    pub(crate) json: bool,
    /// Pretend that the host lacks something (for tests: it only takes away)
    #[arg(long, value_name = "FACT", hide_short_help = true)]
    pub(crate) lower: Vec<Lowering>,
}

/// Writes a policy for the project in this directory, `sandbox.toml`
///
/// What the project is made with is told by its files. A policy that is there already is left as it is.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Print the policy instead of writing it
    #[arg(long)]
    pub(crate) print: bool,
}

/// Shows, compares, changes or formats policies, or prints their schema
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyAction {
    Show(Box<PolicyShow>),
    Diff(PolicyDiff),
    Add(PolicyAdd),
    Remove(PolicyRemove),
    Fmt(PolicyFormat),
    /// Prints the JSON Schema of a policy, by which an editor completes and checks it
    Schema,
}

/// Prints the policy that a command would run under, files and options as one
///
/// What is fixed stands among the other rules.
#[derive(Debug, Args)]
pub(crate) struct PolicyShow {
    #[command(flatten)]
    pub(crate) setting: Setting,
    /// Print it as JSON, in the shape of a policy file
    #[arg(long)]
    pub(crate) json: bool,
}

/// Formats a policy file; comments stay where they are
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  the file is in its form
  1  with `--check`: it is not, and was left as it is
  125  it is no policy, or cannot be written")]
pub(crate) struct PolicyFormat {
    /// The policy file, TOML
    #[arg(value_name = "FILE", default_value = PROJECT)]
    pub(crate) file: PathBuf,
    /// Change nothing, and tell by the exit code whether something would be
    #[arg(long)]
    pub(crate) check: bool,
}

/// Prints completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sandbox completions bash > ~/.local/share/bash-completion/completions/sandbox
  sandbox completions fish > ~/.config/fish/completions/sandbox.fish
  sandbox completions zsh > ~/.zfunc/_sandbox")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: ShellName,
}

/// The shells that there are completions for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ShellName {
    Bash,
    Zsh,
    Fish,
}

/// Tells what this host can enforce, and the one command that lifts each obstacle
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  a sandbox starts here
  125  none does")]
pub(crate) struct Doctor {
    /// Answer in JSON, as `docs/json.md` describes it
    #[arg(long)]
    pub(crate) json: bool,
    /// Pretend that the host lacks something (for tests: it only takes away)
    #[arg(long, value_name = "FACT", hide_short_help = true)]
    pub(crate) lower: Vec<Lowering>,
}

/// Approves a policy file: what it says, byte for byte, with the files that it extends
///
/// A policy that lies where a command could have written it may only narrow what there is without it, until it is
/// approved here. After the next change of it, it has to be approved again.
#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// The policy file
    #[arg(value_name = "FILE", default_value = PROJECT)]
    pub(crate) file: PathBuf,
    /// Approve it no longer
    #[arg(long)]
    pub(crate) withdraw: bool,
}

/// What a command runs under: the same for every subcommand.
#[derive(Debug, Default, Args)]
pub(crate) struct Setting {
    /// A policy file, TOML or JSON; without `extends` it has only its own rules and those of `/etc/sandbox/policy.toml`
    ///
    /// It stands in place of your own (`~/.config/sandbox/policy.toml`) and of the project's (`sandbox.toml`).
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Settings of Anthropic's sandbox-runtime (srt) as they are, instead of a policy; docs/settings.md has every key
    ///
    /// They stand in place of your own and of the project's policy, as `--policy` does.
    #[arg(long, value_name = "FILE", conflicts_with = "policy")]
    pub(crate) settings: Option<PathBuf>,
    /// With `--settings`: refuse unknown keys instead of warning of them
    #[arg(long, requires = "settings")]
    pub(crate) strict: bool,
    /// A built-in policy [default: agent, unless a policy extends another, or `--policy` or `--settings` is given], or destinations
    /// or services to allow, beside any policy
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) preset: Vec<PresetName>,
    #[command(flatten)]
    pub(crate) paths: Paths,
    /// Allow making and writing a path that need not be there, also in a directory that can only be read
    #[arg(long, value_name = "PATH", value_parser = pattern())]
    pub(crate) make: Vec<OsString>,
    /// Protect the names of this group, too: none of them is written but where a rule names it
    #[arg(long, value_name = "GROUP", value_enum)]
    pub(crate) protect: Vec<GroupName>,
    /// Allow connecting to a name, `*.name`, an address or a range, with `:PORT` only there
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) allow: Vec<String>,
    /// Allow no connection there
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) deny: Vec<String>,
    /// The network that no rule is about: none of it, what a person says, all of it, or the host's
    #[arg(long, value_name = "ACCESS", value_enum)]
    pub(crate) network: Option<NetworkName>,
    /// Ask at the terminal about connections that no rule is about: `--network ask`
    #[arg(long, conflicts_with = "network")]
    pub(crate) ask: bool,
    /// Make a port of the command reachable on the host's loopback; with two, the host's is first
    #[arg(long, value_name = "PORT[:PORT]")]
    pub(crate) publish: Vec<String>,
    /// Pass a variable of the environment, or set one
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<OsString>,
    /// Start in this directory, as if `sandbox` had been started there
    #[arg(long, value_name = "DIR")]
    pub(crate) chdir: Option<PathBuf>,
    /// End the command after this time, such as `90s` or `1h 30m`: SIGTERM, 2 s later SIGKILL for everything inside
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// As root: run as this account (name, uid, or UID:GID)
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Pretend that the host lacks something (for tests: it only takes away)
    #[arg(long, value_name = "FACT", hide_short_help = true)]
    pub(crate) lower: Vec<Lowering>,
}

/// Patterns of paths, by what is granted.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Paths {
    /// Allow reading and writing
    #[arg(long, value_name = "PATTERN", value_parser = pattern())]
    pub(crate) write: Vec<OsString>,
    /// Allow reading and executing, no writing
    #[arg(long, value_name = "PATTERN", value_parser = pattern())]
    pub(crate) read: Vec<OsString>,
    /// Allow nothing
    #[arg(long, value_name = "PATTERN", value_parser = pattern())]
    pub(crate) hide: Vec<OsString>,
    /// Replace by an empty private directory that is gone afterwards
    #[arg(long, value_name = "PATTERN", value_parser = pattern())]
    pub(crate) scratch: Vec<OsString>,
}

impl Paths {
    /// All of them, in the order of the options.
    pub(crate) fn by_access(&self) -> [(&[OsString], Access); 4] {
        [
            (&self.write, Access::Write),
            (&self.read, Access::Read),
            (&self.hide, Access::Hide),
            (&self.scratch, Access::Scratch),
        ]
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum NetworkName {
    /// A network of its own; elsewhere only what a rule allows
    Deny,
    /// As `deny`, and a person is asked about what no rule names
    Ask,
    /// A network of its own; elsewhere all but closed addresses and what a rule denies
    Allow,
    /// The host's network, not isolated
    Host,
}

impl From<NetworkName> for Network {
    fn from(name: NetworkName) -> Self {
        match name {
            NetworkName::Deny => Self::Deny,
            NetworkName::Ask => Self::Ask,
            NetworkName::Allow => Self::Allow,
            NetworkName::Host => Self::Host,
        }
    }
}

/// The options of a policy that `explain` asks questions by.
fn given_otherwise(explain: clap::Command) -> clap::Command {
    explain
        .mut_arg("write", |arg| arg.long("with-write"))
        .mut_arg("env", |arg| arg.long("with-env"))
}

/// A pattern, which is not empty: `--write "$DIR"` with an unset variable must not mean the current directory.
fn pattern() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|pattern| {
        if pattern.is_empty() {
            Err("a pattern cannot be empty")
        } else {
            Ok(pattern)
        }
    })
}

/// Where a connection goes to.
#[derive(Clone, Debug)]
pub(crate) enum Connection {
    Destination(Destination, u16),
    Socket(PathBuf),
}

/// No name begins as a path does.
fn connection(text: &str) -> Result<Connection, String> {
    if ["/", "./", "../"].iter().any(|path| text.starts_with(path)) {
        return Ok(Connection::Socket(text.into()));
    }
    let (destination, port) =
        Destination::with_port(text).map_err(|problem| problem.to_string())?;
    Ok(Connection::Destination(destination, port.unwrap_or(HTTPS)))
}

/// The port of most connections.
const HTTPS: u16 = 443;

/// The longest time that anybody can mean; `10M` would be ten months.
const LONGEST: Duration = Duration::from_hours(30 * 24);

fn duration(text: &str) -> Result<Duration, String> {
    if text.contains(|character: char| character.is_ascii_uppercase()) {
        return Err("units are written small, as in `90s`, `10m`, `1h 30m`".to_owned());
    }
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it as `90s`, `10m`, `1h 30m`"))?;
    if duration.is_zero() || duration > LONGEST {
        return Err("a time limit is longer than nothing and at most 30 days".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests;
