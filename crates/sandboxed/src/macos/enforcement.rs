//! The report: which part of the policy is held, by which mechanisms, and what is not held.

use std::fmt;

use sandbox_core::{Network, Ruleset};

/// Which part of the policy is held, by which mechanisms, and what is not held.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Enforcement {
    parts: Vec<Held>,
}

/// One part of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// The part.
    pub part: &'static str,
    /// What holds it; none if nothing does.
    pub mechanisms: Vec<&'static str>,
    /// What of it is not held.
    pub not_held: Vec<String>,
    /// What is held that no rule asks for.
    pub beyond: Vec<String>,
}

impl Held {
    fn new(part: &'static str, mechanisms: &[&'static str]) -> Self {
        Self {
            part,
            mechanisms: mechanisms.to_vec(),
            not_held: Vec::new(),
            beyond: Vec::new(),
        }
    }

    fn but(mut self, not_held: &str) -> Self {
        self.not_held.push(not_held.to_owned());
        self
    }

    fn and(mut self, beyond: &str) -> Self {
        self.beyond.push(beyond.to_owned());
        self
    }
}

impl Enforcement {
    pub(super) fn of(ruleset: &Ruleset) -> Self {
        const SEATBELT: &[&str] = &["Seatbelt"];
        let mut parts = vec![
            Held::new("writes", SEATBELT),
            Held::new("hidden paths", SEATBELT).but("second names of files (hard links)"),
            Held::new("protected paths", SEATBELT)
                .but("settings that come with dependencies, and repositories put together elsewhere"),
            Held::new("sockets", SEATBELT),
            match ruleset.network() {
                Network::Host => Held::new("network", &[]).but("anything: it is the host's"),
                _ if ruleset.network_rules().needs_gateway().is_some() => {
                    Held::new("network", &["Seatbelt", "gateway"])
                        .but("what outlives the sandbox reaches whoever listens at the gateway's port then")
                        .and("programs that ask no proxy reach no destination")
                }
                _ => Held::new("network", SEATBELT),
            },
            Held::new("processes", SEATBELT),
            Held::new("lifetime", &["process group"])
                .but("what leaves the command's session outlives it, confined; the command outlives a caller that is killed"),
            Held::new("terminal", &["session"]),
            Held::new("descriptors", &["close-on-exec"]),
            Held::new("system calls", &[]).but("macOS has no filter for them"),
            Held::new("IPC, names", SEATBELT)
                .but("shared memory and semaphores of other programs (`ipc-posix`)"),
            Held::new("environment", &["the caller"]),
        ];
        let limits = ruleset.limits();
        let mut held = Held::new("limits", &[]);
        if limits.open_files.is_some() {
            held.mechanisms.push("rlimit");
        }
        if limits.time.is_some() {
            held.mechanisms.push("the caller's clock");
        }
        if !held.mechanisms.is_empty() {
            parts.push(held);
        }
        Self { parts }
    }

    /// The parts.
    #[must_use]
    pub fn parts(&self) -> &[Held] {
        &self.parts
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for held in &self.parts {
            let by = match held.mechanisms.as_slice() {
                [] => "not held".to_owned(),
                mechanisms => mechanisms.join(" + "),
            };
            writeln!(f, "{:16} {by}", held.part)?;
            for what in &held.not_held {
                writeln!(f, "{:16} not held: {what}", "")?;
            }
            for what in &held.beyond {
                writeln!(f, "{:16} beyond the rules: {what}", "")?;
            }
        }
        Ok(())
    }
}
