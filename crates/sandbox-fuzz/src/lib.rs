//! What is fuzzed, as functions that take any bytes: they must return, and what they assert must hold.
//!
//! The workspace `fuzz/` calls them with input that a fuzzer makes, and needs a nightly toolchain for that; the test `corpora` calls
//! them with the input that is kept there. An input that fails is kept in the corpus under a name that says what it is.

#![cfg(unix)]
#![expect(clippy::panic, reason = "a target's way to fail is to panic")]

mod decide;
mod destination;
mod plan;
mod policy;
mod simulator;
#[path = "../../sandbox-linux/init/wire.rs"]
#[expect(
    dead_code,
    reason = "shared with init and its caller, which use the rest"
)]
mod wire;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A target and its name, which is that of its corpus, too.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("toml", policy::toml),
    ("json", policy::json),
    ("pattern", pattern),
    ("decide", decide::decide),
    ("destination", destination::destination),
    ("git", git),
    ("plan", plan::plan),
    ("simulator", simulator::simulator),
    ("dns", sandbox_gateway::fuzzing::dns),
    ("hello", sandbox_gateway::fuzzing::hello),
    ("protocol", sandbox_gateway::fuzzing::protocol),
    ("proxies", sandbox_gateway::fuzzing::proxies),
    ("requests", sandbox_gateway::fuzzing::requests),
];

/// Runs the target of that name.
///
/// # Panics
///
/// If there is none, or what it asserts does not hold.
pub fn run(target: &str, input: &[u8]) {
    match TARGETS.iter().find(|(name, _)| *name == target) {
        Some((_, run)) => run(input),
        None => panic!("there is no target {target}"),
    }
}

/// The text of a rule, a line, and a path that it may match: patterns are expanded, compiled and matched, or refused.
fn pattern(input: &[u8]) {
    let (text, path) = halves(input, b'\n');
    let text = OsStr::from_bytes(text);
    sandbox_core::fuzzing::pattern(text, OsStr::from_bytes(path));
}

/// Two contents of git's settings, with a NUL between them.
fn git(input: &[u8]) {
    let (old, new) = halves(input, 0);
    sandbox_core::fuzzing::git(old, new);
}

/// What stands before the first such byte, and behind it.
fn halves(input: &[u8], at: u8) -> (&[u8], &[u8]) {
    let mut halves = input.splitn(2, |byte| *byte == at);
    let mut half = || halves.next().unwrap_or_default();
    (half(), half())
}
