//! Policies, rules and decisions: what a confined command may do, and why.
//!
//! A [`Policy`] is what a person writes. [`Ruleset::resolve`] turns it into one answer per question, and
//! [`Ruleset::decide`] is the only place where "is this allowed?" is answered. Nothing here changes the state of the
//! machine: the file system is only looked at, to resolve the paths that rules name.

mod access;
mod addresses;
mod baseline;
mod bound;
mod caches;
mod change;
mod context;
mod decide;
mod destination;
mod enforcement;
mod environment;
mod error;
mod escape;
mod event;
mod explain;
mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod git;
mod lines;
mod macos;
mod map;
mod network;
mod opening;
mod os;
mod pattern;
mod place;
mod policy;
mod preset;
mod problem;
mod protected;
mod reach;
mod remedy;
mod resolve;
mod review;
mod ruleset;
mod secrets;
mod size;
mod sockets;
mod source;
mod table;
mod trust;
mod usage;

pub use access::Access;
pub use addresses::own_addresses;
pub use bound::{Difference, Excess};
pub use change::{Change, ChangeKind, Changes};
pub use context::Context;
pub use decide::{Attempt, Decision, RuleRef, Verdict};
pub use destination::{Destination, DestinationPattern, DestinationProblem, Name, Ports};
pub use enforcement::{Enforcement, Held};
pub use environment::Environment;
pub use error::{PolicyError, PolicyErrors, ReadError};
pub use escape::{Escaped, ascii_json, escaped, toml_string};
pub use event::{Denials, Event, Operation, Process};
pub use explain::{Explanation, Lost, Why};
pub use files::grow::Growing;
pub use files::{Anchor, FileRule, FileRules, Looks};
pub use git::{
    GIT_COMMON_DIRECTORY, GIT_CONFIG_COPY, GitDenial, GitFile, GitLink, GitPlace, git_pending,
    git_pending_files, git_places, git_places_alike, git_unfinished, is_named_as_git_directory,
    may_rewrite_git_config, names_other_worktree, rewrite_module_config,
};
pub use lines::Lines;
pub use macos::{DEPENDENCY_DIRECTORIES, MacOptions, ProtectedName};
pub use network::{DestinationRule, NetworkRules, PublishedPort, Upstream};
pub use opening::NameOf;
pub use pattern::{PatternProblem, escape as literal_pattern};
pub use place::{above, is_within, name, order, upwards};
pub use policy::{
    DestinationPreset, Distrust, HideBy, Imported, Limits, MacOption, Network, Policy, PolicyFile,
    Preset, ProtectedGroup, SocketPreset, System, Tier, policy_schema,
};
pub use problem::{ExtendsProblem, RuleProblem};
pub use protected::spelling::is_alike;
pub use reach::Reach;
pub use remedy::Remedy;
pub use resolve::{Link, PathKind, Resolved, resolve};
pub use review::{Finding, Severity, Surroundings};
pub use ruleset::{Opening, Ruleset};
pub use source::{Configuration, Location, Source};
pub use trust::{Approvals, NotApprovals};
pub use usage::Usage;
